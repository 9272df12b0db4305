"""Words and numbers as sentences and files contain them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_SMALLEST, _LARGEST = 1e-4, 1e6  # outside of this range, zeros would be counted rather than read


def finite(value: float) -> float | None:
    """A number for JSON, which knows neither infinity nor NaN: None in their place."""
    return float(value) if math.isfinite(value) else None


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as in a sentence: "a, b and c"."""
    if len(words) < 2:
        return "".join(words) or "nothing"
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def rounded(value: float, digits: int = 2) -> str:
    """A number with so many significant digits and no exponent: 550, 0.00038; beyond 0.0001 to 1,000,000 as 3.8e-07."""
    if not math.isfinite(value) or (value != 0.0 and not _SMALLEST <= abs(value) < _LARGEST):
        return f"{value:.{digits}g}"
    return np.format_float_positional(value, digits, unique=False, fractional=False, trim="-")


def with_error(value: float, error: float) -> str:
    """A number with its standard error and no more digits than that supports, at most four decimals: "0.61 ± 0.04"."""
    if not math.isfinite(error):
        return f"{value:.4f}"
    places = 4 if error < 0.0005 else 3 if error < 0.005 else 2
    return f"{value:.{places}f} ± {max(error, 0.0001):.{places}f}"


def percent(share: float) -> str:
    """A share from 0 to 1 in percent, never rounded to nothing or to all: "38 %", "99.6 %", "less than 0.0001 %".

    It has two significant digits, counted from whichever of 0 and 100 % is nearer.
    """
    value = 100.0 * share
    nearest_end = min(value, 100.0 - value)
    if not nearest_end > 0.0:
        return f"{value:.0f} %"
    if nearest_end < _SMALLEST:
        return f"less than {_SMALLEST:.4f} %" if value < 50.0 else f"more than {100.0 - _SMALLEST:.4f} %"
    decimals = max(0, 1 - math.floor(math.log10(nearest_end)))
    return f"{np.format_float_positional(round(value, decimals), trim='-')} %"
