"""Identifiability of a forward model's parameters: verdicts, combinations and bounds, before any training.

>>> from gait import identifiability
>>> report = identifiability.analyse(model, points, ["m", "k", "l0"])  # doctest: +SKIP
>>> report.combinations  # doctest: +SKIP
['k/m', 'l0']
"""

from gait.identifiability.analysis import analyse, scaling_holds
from gait.identifiability.derivatives import Jacobians, jacobians
from gait.identifiability.findings import Identifiability, Report, Verdict
from gait.identifiability.functions import KnownFunction
from gait.identifiability.regions import Region
from gait.identifiability.samples import SampledCeiling, ceiling
from gait.identifiability.search import Search
from gait.identifiability.symmetries import Counterexample
from gait.identifiability.wording import finite, listed

__all__ = [
    "Counterexample",
    "Identifiability",
    "Jacobians",
    "KnownFunction",
    "Region",
    "Report",
    "SampledCeiling",
    "Search",
    "Verdict",
    "analyse",
    "ceiling",
    "finite",
    "jacobians",
    "listed",
    "scaling_holds",
]
