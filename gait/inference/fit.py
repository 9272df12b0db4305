"""The spring-mass walker fitted to single strides of a recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from gait.errors import InputError
from gait.inference.stride import Features, FittedWalk, Stride, features_of, fitted_walk
from gait.inference.stride_posterior import stride_posterior
from gait.inference.stride_search import Optimum, Start, best, limits
from gait.recordings.events import Events
from gait.recordings.recording import LOWEST, Recording, between
from gait.recordings.steps import Steps, steps
from gait.simulation.model import TouchdownRule

USINGS = {"path": ("x", "y"), "force": ("fx", "fy"), "both": ("x", "y", "fx", "fy")}
"""Channels that a walker is fitted to."""
SCALES = {"x": 0.005, "y": 0.005, "fx": 0.05, "fy": 0.05}
"""What residuals are counted in: 5 mm, and 5 % of the body weight. They matter where path and force are fitted
together."""
STEP_TIME = 0.1
"""Part of the step time by which that of a fit may be wrong before it is rejected."""
DOUBLE_SUPPORT = 2.0
"""Factor by which the double support of a fit may be wrong before it is rejected."""
_MOST_SAMPLES = 100  # of a stride
_FEWEST_SAMPLES = 12
_NO_NOISE = 1e-4  # of the scale of residuals, below which they are rounding
_RULES = (TouchdownRule.STEP_LENGTH, TouchdownRule.ANGLE_OF_ATTACK)


@dataclasses.dataclass(frozen=True, eq=False)
class StrideFit:
    """A walker fitted to one stride; made by `fit`.

    Attributes:
        using: "path", "force" or "both".
        begin, end: of the window in the recording, s.
        rule: touchdown rule of the walker.
        stiffness_to_mass: k/m, 1/s².
        rest_length: m.
        step_length: m, the mean distance of its footholds.
        mass, stiffness: kg and N/m; None where no force tells them.
        sd: standard errors by name, from the residuals as if they were independent noise. They are too small for a
            person, whom no walker follows exactly.
        posterior_sd: standard deviations of k/m and rest length in their posterior for noise of the size of the
            residuals, by importance sampling; NaN where that has failed.
        residual: channel → root of the mean square of its residuals, in its unit.
        predicted, measured: features of its steps, and those of the recording.
        bounds: names of unknowns that have run into a bound.
        accepted: whether its step time and double support are near those of the recording.
        t: times of the window, shape [samples], s, in the recording.
        channels: fitted channels there, shape [samples] each.
        footholds: forward positions of the feet, m.
        walk: the fitted walk in fine steps.
    """

    using: str
    begin: float
    end: float
    rule: TouchdownRule
    stiffness_to_mass: float
    rest_length: float
    step_length: float
    mass: float | None
    stiffness: float | None
    sd: dict[str, float]
    posterior_sd: dict[str, float]
    residual: dict[str, float]
    predicted: Features
    measured: Features
    bounds: tuple[str, ...]
    accepted: bool
    t: np.ndarray
    channels: dict[str, np.ndarray]
    footholds: np.ndarray
    walk: FittedWalk

    def sentences(self) -> list[str]:
        """The fit and its faults in plain words."""
        found = [
            f"Fitted to the {'path and the force' if self.using == 'both' else self.using} from {self.begin:.2f} to "
            f"{self.end:.2f} s: k/m {self.stiffness_to_mass:.4g} ± {self.sd['stiffness_to_mass']:.2g} 1/s², rest "
            f"length {self.rest_length:.4g} ± {self.sd['rest_length']:.2g} m."
        ]
        words = [f"{1000 * value:.1f} mm in {name}" if name in ("x", "y") else f"{value:.0f} N in {name}"
                 for name, value in self.residual.items()]  # fmt: skip
        found.append(f"It follows the recording to {', '.join(words)} (root mean square).")
        if self.mass is not None and self.stiffness is not None:
            found.append(
                f"Mass {self.mass:.4g} ± {self.sd['mass']:.2g} kg and stiffness {self.stiffness:.5g} ± "
                f"{self.sd['stiffness']:.2g} N/m, which is mass times k/m."
            )
        else:
            found.append("Mass and stiffness by themselves cannot be known from motion.")
        if self.bounds:
            found.append(f"{' and '.join(self.bounds)} ran into a bound: this fit determines them only from one side.")
        if not self.accepted:
            found.append(
                f"Its steps take {self.predicted.step_time:.3f} s, of them {self.predicted.double_support_time:.3f} s "
                "on both "
                f"feet, instead of {self.measured.step_time:.3f} and {self.measured.double_support_time:.3f} s: it is "
                "rejected."
            )
        return found


def fit(
    recording: Recording, using: str = "path", *, strides: int = 1, rule: TouchdownRule | None = None,
    measured: Steps | None = None,
) -> list[StrideFit]:  # fmt: skip
    """Fits the walker to the strides of a recording, one after the other.

    Each window begins in the middle of a single support, with a free state, and holds two steps. Unknown are k/m, rest
    length, step length or angle of attack, the state, the place of the foot, with force also the mass.

    Args:
        recording: see `gait.read_recording`.
        using: "path" for the centre of mass, "force", or "both".
        strides: number of strides in a window, 1 or 2. A person's strides differ too much for more.
        rule: touchdown rule; by default the one that fits better.
        measured: the steps of the recording, if they are known already.

    Returns:
        A fit for each window in turn; none where channels are missing in all of them.

    Raises:
        InputError: if the recording lacks the channels, nobody walks in it, or an argument is none of those named.

    Source: docs/recordings.md.
    """
    if using not in USINGS:
        raise InputError(f"A walker is fitted to one of {', '.join(USINGS)}. Received: {using!r}.")
    if strides not in (1, 2):
        raise InputError(f"A window holds 1 or 2 strides. Received: {strides!r}.")
    _check_channels(recording, using)
    found = steps(recording) if measured is None else measured
    events = found.events
    assert events is not None
    mass = float(found.masses.mean()) if len(found.masses) else np.nan
    fits, summary = [], found.summary()
    height = (
        float(np.nanmean(found.recording.channels["y"])) if found.recording and found.recording.has("y") else np.nan
    )
    middles = _middles(recording, events)
    for number in range(0, len(middles) - 2 * strides, 2):
        window = middles[number], middles[number + 2 * strides]
        stride = _stride(recording, using, window, mass, height)
        if stride is None:
            continue
        own = _measured(found, events, window)
        start = _start(stride, summary, mass, height)
        optima = [each for one in ([rule] if rule is not None else _RULES) for each in best(stride, start, one)]
        optima.sort(key=lambda each: each.cost)
        if optima:
            results = ((each, _result(using, stride, each, own, start)) for each in optima)
            right = next((pair for pair in results if pair[1].accepted), None)
            chosen, result = right or (optima[0], _result(using, stride, optima[0], own, start))
            fits.append(dataclasses.replace(result, posterior_sd=_posterior_sd(stride, chosen, start)))
    return fits


def _check_channels(recording: Recording, using: str) -> None:
    """Raises `InputError` if a recording lacks what is to be fitted."""
    missing = [name for name in USINGS[using] if not recording.has(name)]
    if missing and using != "force":
        belt = (
            " The speed of the treadmill is not known: state it with --belt_speed."
            if recording.belt_speed is None
            else ""
        )
        raise InputError(
            f"A walker is fitted to the {using} by {', '.join(USINGS[using])}. The recording has no "
            f"{', '.join(missing)}.{belt}"
        )
    if missing:
        raise InputError(
            f"A walker is fitted to the force by fx and fy. The recording has no {', '.join(missing)}: the forward "
            "force tells "
            "where the foot stands."
        )
    if recording.body == "integrated from force" and using != "force":
        raise InputError("Positions that were integrated from the force tell nothing beside it. Fit to the force.")


def _middles(recording: Recording, events: Events) -> np.ndarray:
    """Middle of each single support, s: the highest point between two touchdowns, else half way from takeoff."""
    td, up = events.touchdown, events.takeoff
    found = []
    for i in range(len(td) - 1):
        middle = 0.5 * (up[i] + td[i + 1])
        if not np.isfinite(middle):
            inside = (recording.t > td[i]) & (recording.t < td[i + 1])
            if recording.has("y") and np.isfinite(recording.channels["y"][inside]).sum() > 3:
                middle = recording.t[inside][np.nanargmax(recording.channels["y"][inside])]
            elif recording.has("fy") and inside.any():
                middle = recording.t[inside][np.nanargmin(recording.channels["fy"][inside])]
        found.append(middle)
    return np.array(found)


def _stride(recording: Recording, using: str, window: tuple[float, float], mass: float, height: float) -> Stride | None:
    """The samples of a window, thinned to what a fit needs; None where too few were recorded."""
    span = between(recording.t, window[0], window[1] + 0.5 / recording.rate)
    inside = np.arange(span.start, span.stop)
    rate = min([recording.rates.get(name, recording.rate) for name in USINGS[using]])
    thin = max(1, round(recording.rate / rate), len(inside) // _MOST_SAMPLES)
    inside = inside[::thin]
    measured = {name: recording.channels[name][inside] for name in USINGS[using]}
    if len(inside) < _FEWEST_SAMPLES or any(np.isfinite(values).mean() < 0.5 for values in measured.values()):
        return None
    if any(not np.isfinite(values).sum() for values in measured.values()):
        return None
    scale = {name: SCALES[name] * (mass * recording.gravity if name.startswith("f") else 1.0) for name in measured}
    free = not abs(height) >= LOWEST  # a deviation from the mean, and no height of a person
    t = recording.t[inside]
    return Stride(t - t[0], float(t[0]), measured, scale, recording.gravity, free)


def _start(stride: Stride, summary: Mapping[str, float], mass: float, mean_height: float) -> Start:
    speed = summary["speed"] if np.isfinite(summary["speed"]) else 1.2
    step = summary["step_length"] if np.isfinite(summary["step_length"]) else speed * summary["step_time"]
    height, place = 0.95, 0.0
    if "y" in stride.measured and not stride.free_height:
        height = (
            float(np.nanmean(stride.measured["y"][:3]))
            if np.isfinite(stride.measured["y"][:3]).any()
            else float(np.nanmax(stride.measured["y"]))
        )
    elif mean_height > LOWEST:
        height = mean_height
    if "x" in stride.measured:
        known = np.flatnonzero(np.isfinite(stride.measured["x"]))[0]
        place = float(stride.measured["x"][known] - speed * stride.t[known])
    return Start(height, speed, step, place, _velocity(stride), mass)


def _velocity(stride: Stride) -> np.ndarray:
    """Forward and upward velocity at the begin of a window with their errors, shape [2, 2], m/s; NaN without positions.

    By cubic polynomials through the first 0.15 s.
    """
    found = np.full((2, 2), np.nan)
    for row, name in zip(found, ("x", "y"), strict=True):
        if name in stride.measured:
            early = (stride.t < 0.15) & np.isfinite(stride.measured[name])
            if early.sum() > 8:
                polynomial, covariance = np.polyfit(stride.t[early], stride.measured[name][early], 3, cov=True)
                row[:] = polynomial[2], np.sqrt(covariance[2, 2])
    return found


def _measured(found: Steps, events: Events, window: tuple[float, float]) -> Features:
    """Features of the steps in a window: means over those that begin in it."""
    inside = (events.touchdown >= window[0]) & (events.touchdown < window[1])
    table = found.table[inside]
    names = [field.name for field in dataclasses.fields(Features)]
    means = {name: table[name].to_numpy(float) for name in names}
    known = {name: float(np.nanmean(v)) if np.isfinite(v).any() else np.nan for name, v in means.items()}
    return Features(**known)


def _result(using: str, stride: Stride, optimum: Optimum, measured: Features, start: Start) -> StrideFit:
    values = {name: float(value) for name, value in zip(stride.unknowns, optimum.theta, strict=True)}
    channels = {name: column[0] for name, column in stride.predicted(optimum.theta[None], optimum.rule).items()}
    walks = stride.walks(optimum.theta[None], optimum.rule)
    footholds = np.append(0.0, walks.foothold[0][np.isfinite(walks.foothold[0])])
    walk = fitted_walk(stride, optimum.theta, optimum.rule)
    predicted = features_of(walk, stride.gravity)
    # Where only the rhythm of steps is known, a single one may be off by more.
    right = _near(
        predicted.step_time,
        measured.step_time,
        1.0 + STEP_TIME * (1.0 if np.isfinite(measured.double_support_time) else 3.0),
    )
    right &= _near(predicted.double_support_time, measured.double_support_time, DOUBLE_SUPPORT)
    right |= optimum.cost < _NO_NOISE**2 * len(optimum.jacobian)  # whoever follows the recording exactly has its steps
    low, high = limits(stride, start)
    at_bound = np.isclose(optimum.theta, low, rtol=1e-9) | np.isclose(optimum.theta, high, rtol=1e-9)
    mass = values.get("mass")
    ratio = values["stiffness_to_mass"]
    return StrideFit(
        using=using,
        begin=stride.begin,
        end=stride.begin + float(stride.t[-1]),
        rule=optimum.rule,
        stiffness_to_mass=ratio,
        rest_length=values["rest_length"],
        step_length=float(np.mean(np.diff(footholds))) if len(footholds) > 1 else np.nan,
        mass=mass,
        stiffness=None if mass is None else mass * ratio,
        sd=_sd(stride, optimum, ~at_bound),
        posterior_sd={},
        residual={
            name: float(np.sqrt(np.nanmean((channels[name] - stride.measured[name]) ** 2))) for name in stride.measured
        },
        predicted=predicted,
        measured=measured,
        bounds=tuple(name for name, bound in zip(stride.unknowns, at_bound, strict=True) if bound),
        accepted=right and len(footholds) >= 3,
        t=stride.begin + stride.t,
        channels=channels,
        footholds=footholds + values.get("foothold", 0.0),
        walk=walk,
    )


def _posterior_sd(stride: Stride, optimum: Optimum, start: Start) -> dict[str, float]:
    """Posterior standard deviations of k/m and rest length; those of the residuals are 0 where there are none."""
    noise = float(np.sqrt(optimum.cost / max(len(optimum.jacobian) - len(optimum.theta), 1)))
    names = ("stiffness_to_mass", "rest_length")
    if noise < _NO_NOISE:
        return dict.fromkeys(names, 0.0)
    sd = stride_posterior(stride, optimum, start, noise).sd
    return {name: float(sd[stride.unknowns.index(name)]) for name in names}


def _near(predicted: float, measured: float, factor: float) -> bool:
    """Whether a time is right within a factor, as far as it was measured."""
    return not np.isfinite(measured) or bool(measured / factor <= predicted <= measured * factor)


def _sd(stride: Stride, optimum: Optimum, free: np.ndarray) -> dict[str, float]:
    """Standard errors of the unknowns, NaN of one at its bound, and of the stiffness, where there is a mass."""
    free = free & (np.abs(optimum.jacobian).max(axis=0) > 0.0)
    jacobian = optimum.jacobian[:, free]
    degrees = max(len(jacobian) - int(free.sum()), 1)
    covariance = np.full((len(free), len(free)), np.nan)
    size = np.linalg.norm(jacobian, axis=0)
    inverse = np.linalg.pinv(jacobian / size)
    covariance[np.ix_(free, free)] = (inverse @ inverse.T) / np.outer(size, size) * optimum.cost / degrees
    names = list(stride.unknowns)
    sd = {name: float(np.sqrt(covariance[i, i])) for i, name in enumerate(names)}
    if "mass" in names:
        i, j = names.index("mass"), names.index("stiffness_to_mass")
        m, r = optimum.theta[i], optimum.theta[j]
        variance = r**2 * covariance[i, i] + m**2 * covariance[j, j] + 2.0 * m * r * covariance[i, j]
        sd["stiffness"] = float(np.sqrt(variance))
    return sd
