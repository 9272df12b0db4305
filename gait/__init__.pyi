from . import identifiability as identifiability
from .data.dataset import Dataset as Dataset
from .data.dataset import open_dataset as open_dataset
from .errors import InputError as InputError
from .report.walk import plot_walk as plot_walk
from .simulation.conditions import Walks as Walks
from .simulation.model import Outcome as Outcome
from .simulation.walks import simulate as simulate

__version__: str
