"""Figure, table and text of a trained network: they say the same thing in every state, and show what they are given."""

import re

import numpy as np
import pandas as pd
import pytest

from gait.diagnostics.scores import Limit, Recovery, score
from gait.identifiability import Identifiability
from gait.inference.ratio import RatioPosterior
from gait.limits.ceilings import Ceiling
from gait.parameters import PAPER_PRIORS, draw
from gait.report.recovery import plot_recovery, recovery_report, recovery_table
from gait.scenarios import SCENARIOS

POSTERIOR = RatioPosterior.of(PAPER_PRIORS)
HIDDEN = ("mass", "stiffness")
MEASURE = "Measure the body mass or the vertical ground reaction force."
_SPREAD = {name: PAPER_PRIORS[name].variance() ** 0.5 for name in (*HIDDEN, "rest_length")}


def network(truth, best, name, generator, *, lacking=0.0, leak=0.0):
    """Estimates of a network whose R² is lower than the best by `lacking`, and which has been told a part `leak`."""
    noise = generator.normal(0.0, np.sqrt(lacking) * _SPREAD[name], len(truth))
    return (1.0 - leak) * best + leak * truth + noise


STATES = {
    "undertrained": ({"lacking": 0.3}, 2000, Recovery.BELOW_CEILING, Limit.BOTH),
    "slightly undertrained": ({"lacking": 0.02}, 100_000, Recovery.BELOW_CEILING, Limit.BOTH),
    "at the ceiling": ({"lacking": 0.003}, 2000, Recovery.AT_CEILING, Limit.DATA),
    "overfitted": ({"leak": 0.1}, 2000, Recovery.ABOVE_CEILING, Limit.UNKNOWN),
    "too few": ({}, 20, Recovery.UNDETERMINED, Limit.UNKNOWN),
}
"""What the network is like, records, verdict and limit, for a target that cannot be known."""


def evaluated(n, **network_is):
    """Predictions, scores and best possible estimates of the three-parameter scenario."""
    generator = np.random.default_rng(n)
    names = (*HIDDEN, "rest_length")
    truth = dict(zip(names, draw(names, PAPER_PRIORS, n, generator).T, strict=True))
    ratio = truth["stiffness"] / truth["mass"]
    best = {name: POSTERIOR.mean(name, ratio) for name in HIDDEN} | {"rest_length": truth["rest_length"]}
    columns, scores = {"record": np.arange(n), "stiffness_to_mass": ratio}, {}
    for name in names:
        estimate = network(truth[name], best[name], name, generator, **network_is)
        columns |= {name: truth[name], f"{name}_estimate": estimate}
        ceiling = Ceiling(POSTERIOR.ceiling(name), 1.0, "Why.") if name in HIDDEN else Ceiling(1.0, 0.0, "Why not.")
        known = Identifiability.COMBINATION if name in HIDDEN else Identifiability.RECOVERABLE
        scores[name] = score(name, truth[name], estimate, ceiling, known, MEASURE, best[name])
    return pd.DataFrame(columns), scores, best


# One verdict, many words ---------------------------------------------------------------------


def words_about(name, predictions, scores, best):
    """All that is said of a target: by table, advice, sentence, report and title of the figure."""
    table = recovery_table(scores).splitlines()
    row = next(line for line in table if line.startswith(f"{name} "))
    unwrapped = re.sub(r"\n  ", " ", "\n".join(table[len(scores) + 1 :]))
    advice = [line for line in unwrapped.splitlines() if name in line.split(":")[0]]
    report = recovery_report(SCENARIOS["three_parameter"], 150, scores, None, [])
    titles = [axis.get_title() for axis in plot_recovery(predictions, scores, best).axes]
    return {
        "row": row,
        "advice": " ".join(advice),
        "sentence": scores[name].sentence(("x", "y")),
        "report row": next(line for line in report.splitlines() if line.startswith(f"| {name} ")),
        "title": titles[list(scores).index(name)],
    }


@pytest.mark.parametrize("state", STATES)
def test_no_contradiction_about_what_cannot_be_known(state):
    network_is, n, verdict, limit = STATES[state]
    predictions, scores, best = evaluated(n, **network_is)
    for name in HIDDEN:
        entry = scores[name]
        assert (entry.verdict, entry.limited_by) == (verdict, limit)
        said = words_about(name, predictions, scores, best)
        assert f"| {limit} | {verdict} |" in said["report row"]
        assert said["row"].endswith(entry.headline)
        assert entry.headline in said["title"]
        text = " ".join(said.values())
        # What to measure is always said, and said first.
        assert entry.advice[0] == MEASURE
        assert said["advice"].startswith(f"- mass, stiffness: {MEASURE}")
        assert f"{MEASURE} " in said["sentence"] + " "
        assert "cannot be known by itself" in said["sentence"]
        assert not re.search("[Nn]othing (else )?will help|Nothing to be done|was recovered", text)
        # Longer training is mentioned if and only if the network is below its ceiling, and then with its worth.
        trains = {key: bool(re.search("train(ing)? (longer|or)", part)) for key, part in said.items()}
        expected = verdict == Recovery.BELOW_CEILING
        assert (trains["advice"], trains["sentence"]) == (expected, expected)
        assert ("edges of the prior" in said["advice"]) == expected
        for part in (said["sentence"], said["report row"], said["title"]):
            assert ("below" in part) == (verdict == Recovery.BELOW_CEILING)
        if verdict != Recovery.ABOVE_CEILING:
            assert "not recoverable" in said["row"]
            assert not re.search("leak|seen these records", text)
        assert ("too few" in said["sentence"]) == (verdict == Recovery.UNDETERMINED) == ("too few" in said["row"])


def test_both_hidden_targets_are_told_the_same_in_the_same_state():
    for network_is, n, _, _ in STATES.values():
        _, scores, _ = evaluated(n, **network_is)
        mass, stiffness = (scores[name] for name in HIDDEN)
        assert mass.headline == stiffness.headline
        assert len(mass.advice) == len(stiffness.advice)
        assert [re.sub(r"R² [\d.]+", "", text) for text in mass.advice] == [
            re.sub(r"R² [\d.]+", "", text) for text in stiffness.advice
        ]


@pytest.mark.parametrize(
    ("lacking", "n", "verdict", "limit", "advice"),
    [
        (0.3, 2000, Recovery.BELOW_CEILING, Limit.NETWORK, "Train longer, or on more records."),
        (0.001, 2000, Recovery.RECOVERED, Limit.NOTHING, "Nothing to be done."),
        (0.01, 2000, Recovery.UNDETERMINED, Limit.UNKNOWN, "Train longer, or evaluate on more records."),
        (0.001, 20, Recovery.UNDETERMINED, Limit.UNKNOWN, "Evaluate on more records."),
    ],
)
def test_no_contradiction_about_what_can_be_known(lacking, n, verdict, limit, advice):
    predictions, scores, best = evaluated(n, lacking=lacking)
    entry = scores["rest_length"]
    assert (entry.verdict, entry.limited_by, entry.advice) == (verdict, limit, (advice,))
    said = words_about("rest_length", predictions, scores, best)
    assert f"| {limit} | {verdict} |" in said["report row"]
    assert said["row"].endswith(entry.headline)
    assert entry.headline in said["title"]
    assert "can be known from x, y" in said["sentence"]
    assert advice in said["advice"]
    assert not re.search("Measure|cannot|not recoverable|edges", " ".join(said.values()))
    assert ("undecided, interval holds 0.99" in said["title"]) == (advice.startswith("Train longer, or evaluate"))
    assert ("recovered:" in said["sentence"]) == (verdict == Recovery.RECOVERED) == said["row"].endswith("recovered")


@pytest.mark.parametrize("state", STATES)
def test_table_fits_a_terminal(state):
    network_is, n, *_ = STATES[state]
    _, scores, _ = evaluated(n, **network_is)
    lines = recovery_table(scores, ["A sentence of many words. " * 10]).splitlines()
    assert lines[0].split() == ["quantity", "R²", "possible", "verdict"]
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines[1:4]] == list(scores)


# Figure --------------------------------------------------------------------------------------


def test_the_figure_shows_the_estimates_that_it_is_given():
    """Also best possible estimates that are none: the figure computes nothing of its own."""
    predictions, scores, best = evaluated(5000, lacking=0.01)
    best["mass"] = best["mass"] + 5.0
    axes = plot_recovery(predictions, scores, best).axes
    over_ratio = next(axis for axis in axes if axis.get_title() == "What the network has learned of $m$")
    curve = over_ratio.lines[-1]
    order = np.argsort(predictions["stiffness_to_mass"])
    np.testing.assert_array_equal(curve.get_ydata(), best["mass"][order])
    mean = next(line for line in axes[0].lines if line.get_label() == "best possible estimates (mean)")
    low, high = (line for line in axes[0].lines if line.get_label().startswith("90 %"))
    assert np.all(low.get_ydata() < mean.get_ydata())
    assert np.all(mean.get_ydata() < high.get_ydata())
    inside = (np.interp(predictions["mass"], low.get_xdata(), low.get_ydata()) < best["mass"]) & (
        best["mass"] < np.interp(predictions["mass"], high.get_xdata(), high.get_ydata())
    )
    assert inside.mean() == pytest.approx(0.9, abs=0.015)


def test_estimates_beyond_the_frame_are_counted_and_shown():
    predictions, scores, best = evaluated(500, lacking=0.0)

    def panel():
        axis = plot_recovery(predictions, scores, best).axes[list(scores).index("rest_length")]
        marks = {line.get_marker(): line.get_xdata().tolist() for line in axis.lines if line.get_marker() in ("^", "v")}
        inside = np.nansum(axis.collections[0].get_array())
        return [text.get_text() for text in axis.texts], marks, inside

    assert panel() == ([], {}, 500)
    predictions.loc[:6, "rest_length_estimate"] = [9.0, -9.0] * 3 + [9.0]
    truth = predictions["rest_length"].tolist()
    notes, marks, inside = panel()
    assert notes == ["7 of 500 estimates\nlie beyond the frame (▲▼)"]
    assert marks == {"^": truth[:7:2], "v": truth[1:6:2]}
    assert inside == 493  # none of them is drawn as if it lay at the border


def test_targets_without_hidden_ones_make_one_row():
    predictions, scores, best = evaluated(500)
    figure = plot_recovery(predictions, {"rest_length": scores["rest_length"]}, best)
    assert len(figure.axes) == 1
    assert {text.get_text() for text in figure.legends[0].texts} == {"the network's estimates", "estimate = truth"}


def test_no_legend_lies_on_the_data_or_beyond_the_figure():
    figure = plot_recovery(*evaluated(500, lacking=0.1))
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    assert not any(legend.overlaps(axis.get_window_extent()) for axis in figure.axes)
    assert not any(axis.get_legend() for axis in figure.axes)


# Report --------------------------------------------------------------------------------------


def test_report_has_all_numbers_and_what_they_rest_on():
    _, scores, _ = evaluated(2000, lacking=0.1)
    report = recovery_report(SCENARIOS["three_parameter"], 150, scores, None, ["Data: somewhere.", "Training: short."])
    assert "A network read x and y (150 samples each) of 2,000 walkers it had never seen." in report
    rows = [line.split(" | ") for line in report.splitlines() if line.startswith("| ")]
    assert {len(row) for row in rows} == {10}
    entry = scores["mass"]
    assert f"{entry.r2:.5f} ({entry.r2_interval[0]:.5f} to {entry.r2_interval[1]:.5f})" in rows[1][1]
    assert f"{entry.gap:.5f} (" in rows[1][4]
    assert re.findall(r"!\[.*\]\((.*)\)", report) == ["scatter.png", "learning_curves.png"]
    assert "- Data: somewhere.\n- Training: short.\n" in report
    assert report.count("Why.") == 1
    weighed = recovery_report(SCENARIOS["weighed"], 150, {"stiffness": scores["stiffness"]}, None, [])
    assert "(150 samples each) and the body mass of 2,000 walkers" in weighed
