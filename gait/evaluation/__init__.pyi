from .after_training import evaluate_run as evaluate_run
from .before_training import evaluate_scenario as evaluate_scenario
from .comparison import compare_runs as compare_runs
from .predictions import evaluate_predictions as evaluate_predictions
from .recording import evaluate_recording as evaluate_recording
from .walk import show_walk as show_walk
