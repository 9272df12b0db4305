"""gait: what can a network know of a walker? Simulation, training and identifiability.

>>> import gait
>>> walks = gait.simulate(mass=70, stiffness=9000, rest_length=0.7, vx0=0.8, y0=0.06, step_length=0.5)
>>> gait.Outcome(walks.outcome[0]).sentence
'The walk lasted for the whole recording.'

Names are loaded when they are first used, so that importing this package takes no time.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
