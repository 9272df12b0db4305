from . import identifiability as identifiability
from .data.dataset import Dataset as Dataset
from .data.dataset import open_dataset as open_dataset
from .diagnostics.sampled import SampledScore as SampledScore
from .diagnostics.sampled import judge as judge
from .errors import InputError as InputError
from .inference.posterior import Posterior as Posterior
from .inference.posterior import posterior as posterior
from .inference.ratio import RatioPosterior as RatioPosterior
from .report.calibration import plot_ratio_calibration as plot_ratio_calibration
from .report.comparison import plot_comparison as plot_comparison
from .report.confusion import plot_confusion as plot_confusion
from .report.design import plot_design as plot_design
from .report.identifiability import plot_identifiability as plot_identifiability
from .report.identifiability import plot_parameters as plot_parameters
from .report.learning_curves import plot_learning_curves as plot_learning_curves
from .report.recovery import plot_recovery as plot_recovery
from .report.walk import plot_walk as plot_walk
from .simulation.conditions import RecordingSettings as RecordingSettings
from .simulation.conditions import Walks as Walks
from .simulation.model import Outcome as Outcome
from .simulation.population import Population as Population
from .simulation.walks import simulate as simulate
from .training.run import FinishedRun as FinishedRun
from .training.run import load_run as load_run

__version__: str
