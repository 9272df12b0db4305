from . import identifiability as identifiability
from .data.dataset import Dataset as Dataset
from .data.dataset import open_dataset as open_dataset
from .errors import InputError as InputError
from .report.design import plot_design as plot_design
from .report.identifiability import plot_identifiability as plot_identifiability
from .report.walk import plot_walk as plot_walk
from .simulation.conditions import Walks as Walks
from .simulation.model import Outcome as Outcome
from .simulation.walks import simulate as simulate
from .training.run import load_run as load_run

__version__: str
