"""A user's model, points and noise, checked: what fits becomes arrays of numbers, what does not becomes a sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gait.errors import InputError
from gait.streams import redraw_interval

FEWEST_POINTS = 5
"""Points an analysis begins with, at least."""
_DELAY = 5.0  # s, before progress is shown
_LARGEST_BATCH = 20_000_000  # numbers that one call of the model may return
_RANDOM = 1e-4  # part of an output's size by which two runs of a deterministic program may differ
_SHAPES = (
    "A model maps parameters [batch, p] to outputs [batch, n], or to [batch] if there is one output. With "
    "vectorized=False it maps one set of parameters [p] to outputs [n]."
)


class Runs:
    """A user's model as a function of [batch, p] that returns [batch, n], with its runs counted.

    Attributes:
        calls: number of calls of the user's function so far.
        rows: number of sets of parameters it was given so far.
        seconds: time they took.
    """

    def __init__(self, model: Callable, vectorized: bool = True, *, progress: bool = False):
        """Wraps a model.

        Args:
            model: function of [batch, p], or of [p].
            vectorized: whether it takes a whole batch at a time.
            progress: whether a bar shows the runs when they take longer than 5 seconds.
        """
        if not callable(model):
            raise InputError(f"The model is a function. Received: {model!r}. {_SHAPES}")
        self._model, self._vectorized, self._progress = model, vectorized, progress
        self._bar: Any = None
        self._width: int | None = None
        self.calls = self.rows = 0
        self.seconds = 0.0

    def __enter__(self) -> Runs:
        if self._progress:
            from tqdm import tqdm  # loads slowly for those who need no analysis

            # A delayed bar appears with the first report after the delay.
            self._bar = tqdm(
                unit=" rows", desc="runs of the model", delay=_DELAY, mininterval=redraw_interval(), leave=False
            )
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Runs the model in batches that fit into memory.

        Args:
            theta: parameters, real or complex, shape [batch, p].

        Returns:
            Outputs, shape [batch, n].

        Raises:
            InputError: if the outputs are no numbers, or have another shape.
        """
        theta = np.asarray(theta)
        size = len(theta) if self._width is None else max(1, _LARGEST_BATCH // self._width)
        parts = [self._run(theta[first : first + size]) for first in range(0, len(theta), size)]
        outputs = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._width = outputs.shape[1]
        return outputs

    def _run(self, theta: np.ndarray) -> np.ndarray:
        begun = time.perf_counter()
        outputs = self._model(theta) if self._vectorized else [_numbers(self._model(row)) for row in theta]
        self.seconds += time.perf_counter() - begun
        self.calls += 1 if self._vectorized else len(theta)
        self.rows += len(theta)
        outputs = _numbers(outputs)
        if self._bar is not None:
            self._bar.update(len(theta))
        if outputs.ndim == 1 and len(outputs) == len(theta):
            outputs = outputs[:, None]
        if outputs.ndim != 2 or len(outputs) != len(theta) or outputs.shape[1] == 0:
            hint = "" if not self._vectorized else " If yours takes one set at a time, pass vectorized=False."
            raise InputError(
                f"{_SHAPES} Received: outputs of shape {outputs.shape} for parameters of shape {theta.shape}.{hint}"
            )
        if self._width not in (None, outputs.shape[1]):
            raise InputError(
                f"A model has the same number of outputs in every run. Received: {self._width} and "
                f"{outputs.shape[1]}. Fill up shorter rows with NaN."
            )
        return outputs

    def tolerant(self, theta: np.ndarray) -> np.ndarray:
        """Runs the model where it may fail: rows of NaN in place of an error.

        Args:
            theta: parameters, shape [batch, p].
        """
        try:
            with np.errstate(all="ignore"):
                return self(theta)
        except Exception:  # foreign code may fail in any way away from the points it was given
            if len(theta) == 1:
                return np.full((1, self._width or 1), np.nan)
        return np.concatenate([self.tolerant(row[None]) for row in theta])


def _numbers(outputs) -> np.ndarray:
    """Outputs as an array of real or complex numbers."""
    if outputs is None:
        raise InputError(f"The model returns None. It has to return its outputs. {_SHAPES}")
    try:
        found = np.asarray(outputs)
        if found.dtype == object:
            found = found.astype(float)
    except (ValueError, TypeError):
        raise InputError(
            f"A model has the same number of outputs in every row, all of them numbers. Received: {_shown(outputs)}. "
            "Fill up shorter rows with NaN."
        ) from None
    if found.dtype == bool:
        raise InputError(
            "A model's outputs change smoothly with its parameters. Received: True and False. "
            "Return the number that decides between them, or the probability of True."
        )
    if found.dtype.kind not in "iufc":
        raise InputError(f"A model's outputs are numbers. Received: {_shown(outputs)}.")
    return found if found.dtype.kind == "c" else found.astype(float)


def _shown(value) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_repeatable(model: Runs, points: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Runs a model again with the same parameters, two points alone and the others in another order.

    Args:
        model: the model.
        points: shape [points, p].
        outputs: its outputs there, shape [points, n].

    Returns:
        Largest difference between the two runs for each output, shape [n]: a solver's error and rounding may depend on
        what else is in a batch.

    Raises:
        InputError: if the outputs differ by more than that.
    """
    again = np.concatenate([model(points[:1]), model(points[1:2]), model(points[:1:-1])[::-1]])
    apart = np.abs(again - outputs)
    apart[~np.isfinite(apart)] = 0.0
    size = np.abs(np.where(np.isfinite(outputs), outputs, 0.0)).max(axis=1, keepdims=True)
    if (apart > _RANDOM * size).any():
        raise InputError(
            f"The model is random: the same parameters gave outputs that differ by {apart.max():.2g}. An analysis "
            "needs a model that gives the same outputs each time. Fix the seed of its random numbers for every row, or "
            "use its mean, and pass the spread as noise."
        )
    return apart.max(axis=0)


def checked_points(points, names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Points of an analysis as numbers, with the names of the parameters.

    Args:
        points: shape [points, p], or a DataFrame with a column for each parameter.
        names: names of the parameters; None for those of the columns.

    Raises:
        InputError: if there are too few points, not all are finite numbers, or names do not fit.
    """
    columns = getattr(points, "columns", None)
    if columns is not None:
        columns = [str(column) for column in columns]
        if names is not None and set(names) == set(columns):
            points = points[[points.columns[columns.index(name)] for name in names]]
        names = columns if names is None else names
    array = numbers(points, f"Points are at least {FEWEST_POINTS} sets of parameters, shape [points, p]")
    if array.ndim != 2 or len(array) < FEWEST_POINTS:
        raise InputError(
            f"An analysis needs at least {FEWEST_POINTS} points of finite parameters, shape [points, p]. "
            f"Received: shape {array.shape}. Draw them from the prior."
        )
    names = (names,) if isinstance(names, str) and array.shape[1] == 1 else names
    texts = None if names is None else tuple(str(name) for name in names)
    if texts is None or len(texts) != array.shape[1] or len(set(texts)) < len(texts):
        received = "none" if texts is None else ", ".join(texts)
        raise InputError(f"Every one of the {array.shape[1]} parameters has a name of its own. Received: {received}.")
    bad = ~np.isfinite(array)
    if bad.any():
        where = ", ".join(name for name, column in zip(texts, bad.T, strict=True) if column.any())
        raise InputError(
            f"All points are finite parameters. Received: NaN or infinity at {bad.any(axis=1).sum()} of "
            f"{len(array)} points, in {where}. Leave these points out."
        )
    return array, texts


def numbers(value, rule: str) -> np.ndarray:
    """Converts what a user gave to an array of real numbers.

    Args:
        value: anything.
        rule: what it should have been, the beginning of the error's text.

    Raises:
        InputError: if it is no array of numbers.
    """
    try:
        array = np.asarray(value)
        array = array.astype(float) if array.dtype.kind == "O" else array
    except (ValueError, TypeError):
        array = np.array("")
    if array.dtype.kind not in "iuf":
        raise InputError(f"{rule}. All of them are numbers. Received: {_shown(value)}.")
    return array.astype(float)


def checked_sd(prior_sd, points: np.ndarray) -> np.ndarray:
    """Standard deviations of the prior, shape [p]: those given, or those of the points.

    Raises:
        InputError: unless there is one positive number for each parameter.
    """
    if prior_sd is None:
        spread = points.std(axis=0)
        size = np.abs(points).mean(axis=0)
        return np.where(spread > 1e-9 * size, spread, np.where(size > 0.0, size, 1.0))
    rule = f"prior_sd has one positive number for each of the {points.shape[1]} parameters"
    sd = numbers(prior_sd, rule)
    if sd.shape != points.shape[1:] or not (np.isfinite(sd) & (sd > 0)).all():
        raise InputError(f"{rule}. Received: {prior_sd!r}.")
    return sd


def checked_ranges(ranges, points: np.ndarray) -> np.ndarray | None:
    """Low and high end of each parameter's prior, shape [2, p]; None if they are not given.

    Raises:
        InputError: unless the given ranges [p, 2] contain all points.
    """
    if ranges is None:
        return None
    rule = f"ranges holds the low and the high end of each of the {points.shape[1]} parameters, shape [p, 2]"
    box = numbers(ranges, rule)
    if box.shape != (points.shape[1], 2) or not np.isfinite(box).all():
        raise InputError(f"{rule}. Received: shape {box.shape}.")
    if (box[:, 0] > points.min(axis=0)).any() or (box[:, 1] < points.max(axis=0)).any():
        raise InputError(f"{rule}. All points lie within. Received: points outside. Draw the points from these ranges.")
    return box.T


def checked_accuracy(accuracy) -> float | None:
    """Relative accuracy of a model's outputs, or None if it is to be measured.

    Raises:
        InputError: unless it lies between 0 and 1.
    """
    if accuracy is None:
        return None
    rule = "accuracy is the relative accuracy of the model's outputs, such as 1e-6, between 0 and 1"
    found = numbers(accuracy, rule)
    if found.ndim or not 0.0 < found < 1.0:
        raise InputError(f"{rule}. Received: {accuracy!r}.")
    return float(found)
