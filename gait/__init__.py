"""gait: what can a network know of a walker? Simulation, training and identifiability.

>>> import gait
>>> walks = gait.simulate(mass=70, stiffness=9000, rest_length=0.7, vx0=0.8, y0=0.06, step_length=0.5)
>>> gait.Outcome(walks.outcome[0]).sentence
'The walk lasted for the whole recording.'
"""

from gait.errors import InputError
from gait.integrators import Walks, simulate
from gait.model import Outcome

__version__ = "0.1.0"
__all__ = ["InputError", "Outcome", "Walks", "simulate"]
