"""Channels of a recording: the time series that a dataset can hold and a network can read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from gait.errors import InputError
from gait.simulation.conditions import SAMPLE_FIELDS, Conditions
from gait.simulation.model import TouchdownRule, spring_force

Measure = Callable[[dict[str, np.ndarray], Conditions], np.ndarray]
_SUPPORT = "support"  # in a table of samples: the footholds that the walker stands on, which several channels need
_PLATE = ("x", "y", "fx", "fy")
_NEAR = 1e-4  # part of a squared leg length; footholds so little out of reach are looked at, too
_LEGS = ("left", "right")  # the left one stands first, on the foothold at x = 0


@dataclasses.dataclass(frozen=True)
class Channel:
    """One measured time series.

    Attributes:
        name: name in datasets, flags and code.
        unit: SI unit; "1" for a ratio.
        meaning: the quantity in words.
        formula: the quantity from samples and parameters of the walker, as docs/channels.md explains it.
        measure: function of the samples by name, shape [n, samples] each, and of the walkers; returns the channel,
            shape [n, samples]. It may keep in the table of samples what other channels of it need as well.
        needs: names of the samples that `measure` reads, some of `gait.simulation.conditions.SAMPLE_FIELDS`.
        noise: standard deviation of a typical measurement, in the unit.
        sensor: what measures it with that noise, in words.
        smooth: whether it changes with the walker between events; a contact is 0 or 1 and has no useful derivative.
        pointwise: whether a sample of it depends on no other sample.
        on_footholds: whether it is known only where footholds lie at known places, one step length apart.
    """

    name: str
    unit: str
    meaning: str
    formula: str
    measure: Measure
    needs: tuple[str, ...]
    noise: float
    sensor: str
    smooth: bool = True
    pointwise: bool = True
    on_footholds: bool = False


def _column(values: np.ndarray) -> np.ndarray:
    return values[:, None]


def _sampled(name: str) -> Measure:
    return lambda samples, walkers: samples[name]


def _by_mass(name: str) -> Measure:
    return lambda samples, walkers: samples[name] / _column(walkers.mass)


def _in_body_weights(name: str) -> Measure:
    return lambda samples, walkers: samples[name] / _column(walkers.mass * walkers.gravity)


def _of_mean_height(name: str) -> Measure:
    return lambda samples, walkers: samples[name] / samples["y"].mean(axis=1, keepdims=True)


# Legs ----------------------------------------------------------------------------------------


def _whole(values: np.ndarray) -> np.ndarray:
    return np.maximum(0, np.nan_to_num(values)).astype(np.int64)


def _leg_force(
    samples: dict[str, np.ndarray], walkers: Conditions, foothold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Forward and vertical force [N] of the leg on each sample's foothold, as if it stood; shape [n, samples] each."""
    odd = (foothold & 1).astype(bool)
    stiffness, rest_length = (
        np.where(odd, _column(legs[:, 1]), _column(legs[:, 0])) for legs in (walkers.stiffness, walkers.rest_length)
    )
    return spring_force(samples["x"] - foothold * _column(walkers.target), samples["y"], stiffness, rest_length)


def _support(samples: dict[str, np.ndarray], walkers: Conditions) -> np.ndarray:
    """Numbers of the rear and the front foothold of each sample, equal in single support; shape [2, n, samples].

    Foothold i lies at i step lengths. A leg within reach of its foothold does not always stand on it: one that has
    taken off may come within reach again while the walker sinks (seen in 2 of 1,000 of the paper's walkers). So, of
    the legs around the walker, those stand whose forces add up to the ground reaction force.
    """
    if _SUPPORT in samples:
        return samples[_SUPPORT]
    x, y, step = samples["x"], samples["y"], _column(walkers.target)
    longest = _column(walkers.rest_length.max(axis=1))
    with np.errstate(invalid="ignore"):  # NaN after the end of a walk
        reach = np.sqrt(np.maximum(longest**2 - y**2, 0.0) + _NEAR * longest**2)
        first, last = _whole(np.ceil((x - reach) / step)), _whole(np.floor((x + reach) / step))
    fx, fy = samples["fx"], samples["fy"]
    support, least = np.stack([first, first]), np.full(x.shape, np.inf)
    rear = _leg_force(samples, walkers, first)
    for foothold in (first + i for i in range(int((last - first).max(initial=0)) + 1)):
        front = _leg_force(samples, walkers, foothold + 1)
        left_x, left_y = fx - rear[0], fy - rear[1]  # what the rear leg leaves to the front one
        for other, error in (
            (foothold, left_x**2 + left_y**2),
            (foothold + 1, (left_x - front[0]) ** 2 + (left_y - front[1]) ** 2),
        ):
            better = (error < least) & (other <= last)
            for array, value in ((least, error), (support[0], foothold), (support[1], other)):
                np.copyto(array, value, where=better)
        rear = front
    samples[_SUPPORT] = support
    return support


def _leg(samples: dict[str, np.ndarray], walkers: Conditions, leg: int) -> tuple[np.ndarray, np.ndarray]:
    """Foothold of a leg and whether it stands there, shape [n, samples] each; footholds alternate between the legs."""
    rear, front = _support(samples, walkers)
    own = np.where(rear & 1 == leg, rear, front)
    return own, own & 1 == leg


def _force_of(leg: int, direction: int) -> Measure:
    def measure(samples: dict[str, np.ndarray], walkers: Conditions) -> np.ndarray:
        own, stands = _leg(samples, walkers, leg)
        return np.where(stands | np.isnan(samples["x"]), _leg_force(samples, walkers, own)[direction], 0.0)

    return measure


def _contact_of(leg: int) -> Measure:
    return lambda samples, walkers: np.where(np.isnan(samples["x"]), np.nan, _leg(samples, walkers, leg)[1])


def _leg_length(samples: dict[str, np.ndarray], walkers: Conditions) -> np.ndarray:
    rear, _ = _support(samples, walkers)
    return np.hypot(samples["x"] - rear * _column(walkers.target), samples["y"])


# The table -----------------------------------------------------------------------------------

_MARKERS, _FORCE_PLATE = "markers on the whole body, filmed", "force plate"
_BELT = "inertial sensor on a belt"
_TREADMILL = "treadmill with a force plate under each foot"
_CAMERA = "camera of unknown scale"
_ALL = (
    Channel("x", "m", "forward position", "x", _sampled("x"), ("x",), 0.005, _MARKERS),
    Channel("y", "m", "height", "y", _sampled("y"), ("y",), 0.005, _MARKERS),
    Channel("vx", "m/s", "forward velocity", "ẋ", _sampled("vx"), ("vx",), 0.05, _MARKERS),
    Channel("vy", "m/s", "upward velocity", "ẏ", _sampled("vy"), ("vy",), 0.05, _MARKERS),
    Channel("fx", "N", "forward ground reaction force", "F_x", _sampled("fx"), ("fx",), 5.0, _FORCE_PLATE),
    Channel("fy", "N", "vertical ground reaction force", "F_y", _sampled("fy"), ("fy",), 5.0, _FORCE_PLATE),
    Channel("ax", "m/s²", "forward acceleration", "F_x / m", _by_mass("fx"), ("fx",), 0.1, _BELT),
    Channel(
        "ay", "m/s²", "upward acceleration", "F_y / m − g",
        lambda samples, walkers: samples["fy"] / _column(walkers.mass) - _column(walkers.gravity),
        ("fy",), 0.1, _BELT,
    ),
    Channel("sfx", "m/s²", "forward specific force, felt by an accelerometer", "F_x / m", _by_mass("fx"), ("fx",),
            0.1, _BELT),
    Channel("sfy", "m/s²", "upward specific force, felt by an accelerometer", "F_y / m", _by_mass("fy"), ("fy",),
            0.1, _BELT),
    Channel("fx_bw", "1", "forward force in body weights", "F_x / (m g)", _in_body_weights("fx"), ("fx",),
            0.01, _FORCE_PLATE),
    Channel("fy_bw", "1", "vertical force in body weights", "F_y / (m g)", _in_body_weights("fy"), ("fy",),
            0.01, _FORCE_PLATE),
    *(
        Channel(f"{force}_{side}", "N", f"{way} ground reaction force of the {side} leg",
                f"k (ℓ0 / r − 1) {along}, 0 in the air", _force_of(leg, direction), _PLATE, 10.0, _TREADMILL,
                on_footholds=True)
        for leg, side in enumerate(_LEGS)
        for direction, (force, way, along) in enumerate((("fx", "forward", "(x − x_f)"), ("fy", "vertical", "y")))
    ),
    *(
        Channel(f"contact_{side}", "1", f"1 while the {side} leg stands, otherwise 0", "1 or 0", _contact_of(leg),
                _PLATE, 0.1, "switch under the foot", smooth=False, on_footholds=True)
        for leg, side in enumerate(_LEGS)
    ),
    Channel("leg_length", "m", "length of the stance leg, of the rear one in double support", "r", _leg_length, _PLATE,
            0.01, "markers on body and foot, filmed", on_footholds=True),
    Channel("x_rel", "1", "forward position in mean heights, for a camera of unknown scale", "x / mean(y)",
            _of_mean_height("x"), ("x", "y"), 0.01, _CAMERA, pointwise=False),
    Channel("y_rel", "1", "height in mean heights, for a camera of unknown scale", "y / mean(y)",
            _of_mean_height("y"), ("y",), 0.01, _CAMERA, pointwise=False),
)  # fmt: skip
CHANNELS: dict[str, Channel] = {channel.name: channel for channel in _ALL}


def check_channels(names: Iterable[str]) -> None:
    """Raises `InputError` unless the names are known channels, each given once."""
    names = list(names)
    unknown = [name for name in names if name not in CHANNELS]
    if unknown or not names or len(set(names)) < len(names):
        raise InputError(
            f"Channels are one or more of {', '.join(CHANNELS)}, each once. Received: {', '.join(names) or 'none'}."
        )


def check_smooth(names: Iterable[str]) -> None:
    """Raises `InputError` if all channels change in jumps, of which no analysis by derivatives can tell anything."""
    names = list(names)
    if names and not any(CHANNELS[name].smooth for name in names):
        raise InputError(
            "Contacts are 0 or 1. They change in jumps, and what they tell of a walker cannot be found by derivatives. "
            f"Received: {', '.join(names)} alone. Add a channel that changes smoothly, such as y."
        )


def check_footholds(names: Iterable[str], rule: TouchdownRule) -> None:
    """Raises `InputError` if a channel needs footholds at known places and the touchdown rule has none."""
    lost = [name for name in names if CHANNELS[name].on_footholds]
    if lost and rule != TouchdownRule.STEP_LENGTH:
        raise InputError(
            f"Channels of single legs need walkers of a fixed step length, whose footholds lie at known places. "
            f"Received: {', '.join(lost)} of walkers with a fixed angle of attack. Leave them out."
        )


def observe(names: Iterable[str], samples: np.ndarray | Mapping[str, np.ndarray], walkers: Conditions) -> np.ndarray:
    """Computes channels of walks.

    Args:
        names: names of c channels.
        samples: shape [6, n, samples], see `gait.simulation.conditions.Walks`; or those of them that the channels
            need, by name, shape [n, samples] each.
        walkers: the n walkers.

    Returns:
        Array of shape [c, n, samples], float64.

    Raises:
        InputError: if a channel of single legs is asked for and the walkers have no fixed step length.
    """
    names = list(names)
    check_footholds(names, walkers.rule)
    table = dict(samples if isinstance(samples, Mapping) else zip(SAMPLE_FIELDS, samples, strict=True))
    return np.stack([CHANNELS[name].measure(table, walkers) for name in names])
