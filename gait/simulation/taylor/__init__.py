"""The compiled engine: Taylor series of high order, many walkers side by side, events as roots of polynomials."""

from gait.simulation.taylor.engine import integrate
from gait.simulation.taylor.layout import TOLERANCE

__all__ = ["TOLERANCE", "integrate"]
