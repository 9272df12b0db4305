"""Figure of two walkers that noise cannot tell apart."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from gait.limits.analysis import ScenarioAnalysis
from gait.limits.noisy_ceilings import noise_in_words
from gait.parameters import QUANTITIES, derive, named
from gait.report.style import BEST, NETWORK, STYLE, TRUTH, mathematical, symbol
from gait.simulation.forward_model import unit

FIGURE = "confusion.png"
"""Name of the figure's file, as the report refers to it."""
_MOST_CHANNELS = 3


def plot_confusion(analysis: ScenarioAnalysis) -> Figure:
    """Draws two walkers whose noisy recordings are confused with each other, and how little they differ.

    Args:
        analysis: see `gait.limits.analysis.analyse_scenario`; one with a `noise_study` that has found a pair.
    """
    study, model, noise = analysis.noise_study, analysis.model, analysis.scenario.noise
    if study is None or study.pair is None or noise is None:
        raise ValueError("there is no pair of walkers to draw")
    outputs, times = model.outputs(study.pair), model.settings.times
    parameters = named(model.unknowns, study.pair)
    ratios = derive("stiffness_to_mass", parameters)
    assert ratios is not None
    channels = list(model.channels)[:_MOST_CHANNELS]
    generator = np.random.default_rng((study.seed, 0))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 2.0 + 2.1 * len(channels)), layout="constrained")
        figure.suptitle(
            f"Noise of {noise_in_words({name: noise[name] for name in channels})} hides which of two walkers it was",
            fontsize=13, fontweight="bold",
        )  # fmt: skip
        grid = figure.subplots(len(channels), 2, squeeze=False, sharex=True, width_ratios=[1.25, 1.0])
        for name, (path, difference) in zip(channels, grid, strict=True):
            one, other = outputs[:, model.groups[name]]
            noisy = one + noise[name] * generator.standard_normal(one.size)
            path.plot(times, noisy, ".", color=TRUTH, ms=3, label="recording of the first")
            for row, curve, colour, style in ((0, one, NETWORK, "-"), (1, other, BEST, (0, (4, 2)))):
                path.plot(times, curve, color=colour, lw=1.6, ls=style, label=f"{symbol('stiffness_to_mass')} = "
                          f"{ratios[row]:.4g} {QUANTITIES['stiffness_to_mass'].unit}")  # fmt: skip
            path.set_ylabel(f"{mathematical(name) if len(name) == 1 else name} [{unit(name)}]")
            difference.axhspan(-noise[name], noise[name], color=TRUTH, alpha=0.3, lw=0.0, label="± noise")
            difference.plot(times, other - one, color="black", lw=1.2, label="second less first")
            difference.set_ylabel(f"Difference [{unit(name)}]")
            difference.set_ylim(-3.0 * noise[name], 3.0 * noise[name])
        grid[0, 0].set_title("Two walkers")
        grid[0, 1].set_title(f"{study.separation:.2g} standard deviations apart")
        for axis in grid[-1]:
            axis.set_xlabel("Time [s]")
        grid[0, 0].legend(fontsize=8, loc="upper left")
        grid[0, 1].legend(fontsize=8, loc="upper left")
    return figure
