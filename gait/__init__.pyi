from . import identifiability as identifiability
from .errors import InputError as InputError
from .simulation.model import Outcome as Outcome
from .simulation.walks import Walks as Walks
from .simulation.walks import simulate as simulate

__version__: str
