"""The posterior against fresh walkers and against exact sampling from the prior, beside controls that must fail.

Nearly all of it is slow: banks have their full size.
"""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import special, stats

from gait.inference import posterior as module
from gait.inference.bank import Bank, effective
from gait.inference.kernels import descend
from gait.inference.posterior import posteriors
from gait.inference.walker import Walker
from gait.parameters import NAMES
from gait.simulation.forward_model import ForwardModel

N = 300
"""Fresh walkers at each level of noise."""
LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5)
TARGETS = ("mass", "stiffness", "rest_length", "stiffness_to_mass")
INTERVALS = (0.5, 0.8, 0.95)
RAREST = 1e-3
"""Probability of ranks so uneven that they are not those of a right posterior."""
MODEL = ForwardModel(("x", "y"))
WALKER = Walker(MODEL, {})
SEED = 11
RECORDS = 32
"""Recordings that are compared with exact sampling from the prior."""
PART = 200_000
"""Walks of the prior in memory at a time."""
LEAST = 100.0
"""Effective draws of the prior from which they are a reference."""


def recorded(noise, count, seed=SEED):
    """Unknowns of fresh walkers [count, 7], their ratios by name, and recordings in noise [count, outputs]."""
    generator = np.random.default_rng((seed, round(1e6 * noise)))
    theta = MODEL.draw(count, generator)
    observed = MODEL.outputs(theta) + noise * generator.standard_normal((count, MODEL.size))
    truth = dict(zip(NAMES, theta.T, strict=True))
    return truth | {"stiffness_to_mass": truth["stiffness"] / truth["mass"]}, observed


# Ranks ---------------------------------------------------------------------------------------


def faults(ranks):
    """What in the ranks [n] of truths in their posteriors, each from 0 to 1, is not as it should be, in words."""
    ranks = np.asarray(ranks)
    found = []
    p = stats.kstest(ranks, "uniform").pvalue
    if not p > RAREST:
        found.append(f"uneven ranks, p = {p:.2g}")
    for level in INTERVALS:
        covered = np.mean(np.abs(ranks - 0.5) <= 0.5 * level)
        error = np.sqrt(level * (1.0 - level) / len(ranks))
        if not abs(covered - level) <= 3.3 * error:
            found.append(f"{covered:.3f} of the truths are in intervals of {level:g}")
    return found


def rank(posterior, name, truth):
    """Weight of the draws below the truth; 0 where there are no draws, so that such a walker counts as a failure."""
    return float(posterior.weights[posterior.values(name) < truth].sum())


def test_ranks_of_a_right_posterior_are_faultless():
    generator = np.random.default_rng(0)
    assert not any(faults(generator.random(N)) for _ in range(20))


@pytest.mark.parametrize(("name", "scale"), [("overconfident", 0.6), ("underconfident", 1.6)])
def test_ranks_of_a_posterior_too_narrow_or_too_wide_are_faulty(name, scale):
    """Of normal truths, in normal posteriors of another width."""
    truth = np.random.default_rng(1).standard_normal(N)
    assert faults(stats.norm.cdf(truth)) == []
    words = faults(stats.norm.cdf(truth / scale))
    assert any("intervals of 0.5" in word for word in words)
    assert len(words) >= 2, name


def test_ranks_of_a_posterior_that_leans_to_one_side_are_faulty():
    truth = np.random.default_rng(1).standard_normal(N)
    assert any("uneven" in word for word in faults(stats.norm.cdf(truth + 0.5)))


def test_missing_posteriors_and_numbers_that_are_none_are_faulty():
    ranks = np.random.default_rng(0).random(N)
    ranks[:30] = 0.0
    assert faults(ranks)
    ranks[:] = np.nan
    assert len(faults(ranks)) == 1 + len(INTERVALS)


@pytest.mark.slow
@pytest.mark.parametrize("noise", LEVELS)
def test_the_truth_has_even_ranks_in_its_posterior(noise):
    """Simulation-based calibration. No walker is left out: those with doubtful posteriors count, too."""
    truth, observed = recorded(noise, N)
    ranks, accepted = {name: [] for name in TARGETS}, 0
    for i, found in enumerate(posteriors(WALKER, observed, {"x": noise, "y": noise}, seed=0)):
        accepted += found.accepted
        for name in TARGETS:
            ranks[name].append(rank(found, name, truth[name][i]))
    assert accepted >= 0.93 * N  # 95 to 100 % were, at the levels measured so far
    assert {name: words for name in TARGETS if (words := faults(ranks[name]))} == {}


def local_ranks(noise, start):
    """Ranks of k/m in Gaussian approximations at a mode: the one below the truth, or the best of five.

    The five descend from the walks of a bank that fit best.
    """
    truth, observed = recorded(noise, N)
    sd = np.full(MODEL.size, noise)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BANK_SIZES", (20_000, 20_000))
        walker, bank = module._bank(module._Key(WALKER), module.BANK_SIZES[1], 0)
    true, fits = walker.coordinates_of(truth), bank.log_fit(observed, sd)
    ranks = []
    for i, recording in enumerate(observed):
        points = true[i : i + 1] if start == "truth" else bank.coordinates[np.argsort(-fits[i])[:5]]
        modes, chi2 = descend(walker, points, recording, sd, steps=40)
        best = np.argmin(chi2)
        ranks.append(special.ndtr((true[i, 0] - modes.centres[best, 0]) / modes.factors[best, 0, 0]))
    return ranks


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "start"), [(0.1, "bank"), (0.2, "truth")])
def test_a_local_gaussian_approximation_has_uneven_ranks(noise, start):
    """A control: it knows nothing of other walkers that fit, nor of curved valleys.

    Where it starts from the truth, which nobody knows, 300 walkers at 10 cm do not tell it from a posterior.
    """
    assert len(faults(local_ranks(noise, start))) >= 2


# Exact sampling from the prior ---------------------------------------------------------------


class Reference:
    """Walks of the prior, each weighed by its fit to every recording; only sums over them are kept.

    Attributes:
        size: number of draws so far.
    """

    def __init__(self, walker, observed, sd):
        self.walker, self.observed, self.sd = walker, observed, sd
        self.size = 0
        self._log_scale = np.full(len(observed), -np.inf)
        self._sums = np.zeros((len(observed), 10))

    def add(self, size, seed):
        """Adds draws of another seed."""
        bank = Bank.of(self.walker, size, seed).weighted(self.walker)
        values = self.walker.values(bank.coordinates)
        columns = [np.ones(len(bank))]
        for name, (centre, unit) in CENTRES.items():
            scaled = (values[name] - centre) / unit
            columns += [scaled**power for power in (1, 2, 3, 4)]
        features = np.stack(columns, axis=1)
        log_weights = bank.log_weight + np.log(bank.size) + bank.log_fit(self.observed, self.sd)
        self.size += bank.size
        for i, row in enumerate(log_weights):
            scale = max(self._log_scale[i], row.max())
            self._sums[i] *= np.exp([self._log_scale[i] - scale] * 9 + [2.0 * (self._log_scale[i] - scale)])
            weights = np.exp(row - scale)
            self._sums[i] += [*(weights @ features), weights @ weights]
            self._log_scale[i] = scale

    @property
    def effective(self):
        """Effective draws of each recording."""
        return self._sums[:, 0] ** 2 / self._sums[:, 9]

    def log_evidence(self, i):
        constant = -np.sum(np.log(self.sd)) - 0.5 * len(self.sd) * np.log(2.0 * np.pi)
        return self._log_scale[i] + np.log(self._sums[i, 0] / self.size) + constant

    def moments(self, i, name):
        """Mean, variance and fourth central moment of a quantity."""
        centre, unit = CENTRES[name]
        first = 1 + 4 * list(CENTRES).index(name)
        one, two, three, four = self._sums[i, first : first + 4] / self._sums[i, 0]
        variance = two - one**2
        fourth = four - 4.0 * one * three + 6.0 * one**2 * two - 3.0 * one**4
        return centre + unit * one, unit**2 * variance, unit**4 * fourth


CENTRES = {"stiffness_to_mass": (133.0, 20.0), "rest_length": (0.7, 0.06)}
"""Quantities that are compared, and numbers near the middle and the spread of their priors."""


def comparison(found, reference, i):
    """Posterior less reference, in joint standard errors, by name.

    Raises:
        ValueError: if too few draws of the reference are effective.
    """
    own = reference.effective[i]
    if not own >= LEAST:
        raise ValueError(f"only {own:.0f} draws of the prior are effective")
    joint = np.sqrt(1.0 / found.ess + 1.0 / own)
    error = np.hypot(found.log_evidence_error, np.sqrt(1.0 / own - 1.0 / reference.size))
    z = {"log evidence": (found.log_evidence - reference.log_evidence(i)) / error}
    for name in CENTRES:
        mean, variance, fourth = reference.moments(i, name)
        z[f"mean of {name}"] = (found.mean(name) - mean) / (np.sqrt(variance) * joint)
        z[f"variance of {name}"] = (found.sd(name) ** 2 - variance) / (np.sqrt(fourth - variance**2) * joint)
    return z


def compared(noise, records, draws, seed=500):
    """Comparisons by name, shape [records that have a reference] each, and the posteriors of all."""
    _, observed = recorded(noise, records, seed=12)
    levels, sd = {"x": noise, "y": noise}, np.full(MODEL.size, noise)
    found = list(posteriors(WALKER, observed, levels, seed=0))
    reference = Reference(found[0]._walker, observed, sd)
    for part in range(-(-draws // PART)):
        reference.add(min(draws, PART), seed + part)
    rows = [comparison(found[i], reference, i) for i in np.flatnonzero(reference.effective >= LEAST)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}, found


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "draws"), [(0.2, 10_000_000), (0.5, 2_000_000)])
def test_the_posterior_is_that_of_exact_sampling_from_the_prior(noise, draws):
    """Record by record within four joint standard errors, and without bias over the records."""
    z, found = compared(noise, RECORDS, draws)
    assert sum(each.accepted for each in found) >= RECORDS - 1
    assert len(z["log evidence"]) >= 0.8 * RECORDS
    assert {name: np.abs(values).max() for name, values in z.items() if np.abs(values).max() > 4.0} == {}
    bias = {name: values.mean() * np.sqrt(len(values)) for name, values in z.items()}
    assert {name: value for name, value in bias.items() if abs(value) > 3.3} == {}


@dataclasses.dataclass
class Found:
    """A posterior as `comparison` reads it, with normal draws."""

    centre: float
    spread: float
    log_evidence: float
    ess: float = 1000.0
    log_evidence_error: float = 0.03

    def mean(self, name):
        return self.centre

    def sd(self, name):
        return self.spread


class Line:
    """A walker of one unknown, which is all of its recording: x ~ N(0, 1)."""

    dimension = 1

    def outputs(self, coordinates):
        return coordinates

    beginnings = ()

    def log_weight(self, coordinates):
        return np.zeros(len(coordinates))

    def values(self, coordinates):
        return dict.fromkeys(CENTRES, coordinates[:, 0])


@functools.cache
def reference_of_line():
    """Recording 0.8 in noise 0.5: the posterior is N(0.64, 0.2), the density of the recording known."""
    reference = Reference(Line(), np.array([[0.8]]), np.array([0.5]))
    for seed in range(2):
        reference.add(20_000, seed)
    return reference


EVIDENCE = float(stats.norm.logpdf(0.8, 0.0, np.sqrt(1.25)))


def test_the_reference_has_the_moments_of_a_known_posterior():
    reference = reference_of_line()
    assert reference.size == 40_000
    mean, variance, fourth = reference.moments(0, "rest_length")
    error = reference.effective[0] ** -0.5
    assert abs(mean - 0.64) < 4.0 * np.sqrt(0.2) * error
    assert abs(variance - 0.2) < 4.0 * 0.2 * np.sqrt(2.0) * error
    assert fourth == pytest.approx(3.0 * 0.2**2, rel=0.1)
    assert abs(reference.log_evidence(0) - EVIDENCE) < 4.0 * error
    whole = Bank.of(Line(), 20_000, 0).weighted(Line())
    alone = Reference(Line(), reference.observed, reference.sd)
    alone.add(20_000, 0)
    own = effective(whole.log_weight + whole.log_fit(reference.observed, reference.sd)[0])
    assert alone.effective[0] == pytest.approx(own)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (Found(0.64, np.sqrt(0.2), EVIDENCE), None),
        (Found(0.74, np.sqrt(0.2), EVIDENCE), "mean"),
        (Found(0.64, np.sqrt(0.3), EVIDENCE), "variance"),
        (Found(0.64, np.sqrt(0.2), EVIDENCE + 0.2), "log evidence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_comparison_notices_a_wrong_mean_variance_or_evidence(wrong, name):
    z = comparison(wrong, reference_of_line(), 0)
    for key, value in z.items():
        assert (abs(value) > 4.0) == (name is not None and key.startswith(name)), (key, value)


def test_a_reference_with_few_effective_draws_is_refused():
    """20,000 walks of the prior at 10 cm."""
    _, observed = recorded(0.1, 2)
    bank = Bank.of(WALKER, 20_000, 0)
    walker = WALKER.learned(bank.drawn, bank.sound)
    reference = Reference(walker, observed, np.full(MODEL.size, 0.1))
    reference.add(20_000, 1)
    for i in range(2):
        assert reference.effective[i] < LEAST
        with pytest.raises(ValueError, match="draws of the prior are effective"):
            comparison(Found(130.0, 5.0, 0.0), reference, i)
