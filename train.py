"""Trains a scenario's network on a dataset; without flags, as in the paper: 500 epochs, batches of 1000.

    python train.py --data=data/walks --scenario=three_parameter --out=runs/three_parameter
    python train.py --data=data/walks --inputs=x,y,fy --targets=stiffness,rest_length --noise=typical --out=runs/own

The same command again continues an interrupted run. The run keeps its scenario: evaluate.py needs its folder only.
"""

import functools
import sys

from gait import scripting

scripting.begin()  # before anything that takes time

from absl import flags

from gait.data.dataset import open_dataset
from gait.errors import printable
from gait.scenarios import DEFAULT, SCENARIO_FLAGS, SCENARIOS, scenario_of
from gait.storage.files import as_path
from gait.storage.folders import RUN, check_kind
from gait.training import settings as choices
from gait.training.run import TENSORBOARD
from gait.training.settings import TrainingSettings

FLAGS = flags.FLAGS
define_number = functools.partial(flags.DEFINE, scripting.WholeNumber(), serializer=flags.ArgumentSerializer())
define_path = functools.partial(flags.DEFINE, scripting.Place(), serializer=flags.ArgumentSerializer())
DEFAULTS = TrainingSettings(SCENARIOS[DEFAULT])


def define_default(name, text):
    """A number that has another default with --estimate=posterior."""
    default, other = getattr(DEFAULTS, name), choices.OF_A_POSTERIOR[name]
    define_number(name, None, f"{text}; by default {default}, with --estimate=posterior {other}.")


define_path("data", "data/walks", "Folder of the dataset, see simulate.py.")
for name, kind, text in SCENARIO_FLAGS:
    getattr(flags, f"DEFINE_{kind}")(name, None, text)
define_path("out", None, "Folder of the run; by default runs/SCENARIO.")
flags.DEFINE_enum("estimate", DEFAULTS.estimate, choices.ESTIMATES, "Numbers, or their posterior given a recording.")
define_default("epochs", "Passes over the training split")
define_number("batch_size", DEFAULTS.batch_size, "Records in a batch, over all replicas.")
define_number("seed", DEFAULTS.seed, "Key of the initial weights and of the order of the records.")
define_default("layers", "Hidden layers of the network")
define_default("units", "Units in each hidden layer")
flags.DEFINE_enum("activation", DEFAULTS.activation, choices.ACTIVATIONS, "Activation of the hidden layers.")
flags.DEFINE_enum("optimizer", DEFAULTS.optimizer, choices.OPTIMIZERS, "Optimiser.")
flags.DEFINE_float("learning_rate", DEFAULTS.learning_rate, "Initial learning rate.")
flags.DEFINE_enum("schedule", None, choices.SCHEDULES, "Course of the learning rate; by default the scenario's.")
flags.DEFINE_enum("preprocessing", DEFAULTS.preprocessing, choices.PREPROCESSINGS, "How the inputs are scaled.")
flags.DEFINE_enum("cache", DEFAULTS.cache, choices.CACHES, "memory: read once. none: stream from disk every epoch.")
flags.DEFINE_enum("strategy", DEFAULTS.strategy, choices.STRATEGIES, "auto: mirrored over all GPUs, if there are any.")
define_number(
    "early_stopping", None,
    "End after so many epochs without a lower validation loss; by default never, with --estimate=posterior "
    f"{choices.OF_A_POSTERIOR['early_stopping']}.",
)  # fmt: skip
define_number("components", DEFAULTS.components, "Gaussians of a posterior.")
flags.DEFINE_enum("coordinates", DEFAULTS.coordinates, choices.COORDINATES,
                  "Of a posterior. direct: mass and stiffness themselves, a control that has to fail.")  # fmt: skip
define_number("checkpoint_every", DEFAULTS.checkpoint_every, "Epochs between checkpoints.")
flags.DEFINE_bool("tensorboard", False, "Write loss, R² and learning rate for TensorBoard into OUT/tensorboard, too.")


def main():
    scenario = scenario_of(**{name: FLAGS[name].value for name, *_ in SCENARIO_FLAGS})
    out = FLAGS.out or f"runs/{scenario.name}"
    settings = TrainingSettings.of(
        scenario,
        FLAGS.estimate,
        epochs=FLAGS.epochs,
        batch_size=FLAGS.batch_size,
        seed=FLAGS.seed,
        layers=FLAGS.layers,
        units=FLAGS.units,
        activation=FLAGS.activation,
        optimizer=FLAGS.optimizer,
        learning_rate=FLAGS.learning_rate,
        schedule=FLAGS.schedule,
        preprocessing=FLAGS.preprocessing,
        cache=FLAGS.cache,
        strategy=FLAGS.strategy,
        early_stopping=FLAGS.early_stopping,
        checkpoint_every=FLAGS.checkpoint_every,
        components=FLAGS.components,
        coordinates=FLAGS.coordinates,
    )
    check_kind(as_path(out), RUN, flag="out")
    # Only now: TensorFlow takes seconds to load, and a mistyped flag should not.
    with scripting.loading(), scripting.quiet_stderr():
        dataset = open_dataset(FLAGS.data)
        from gait.training.fitting import train

    result = train(dataset, out, settings, verbose=1 if sys.stdout.isatty() else 2, tensorboard=FLAGS.tensorboard)
    print(
        f"{printable(out)} holds the model with the lowest validation loss, {result.best_val_loss:.6f} after epoch "
        f"{result.best_epoch} of {result.epochs} ({result.seconds:.0f} s of training)."
    )
    if FLAGS.tensorboard:
        print(f"To see its curves: {scripting.command('tensorboard', f'--logdir={as_path(out) / TENSORBOARD}')}")
    print(f"Next: {scripting.command('python', 'evaluate.py', f'--run={out}')}")


if __name__ == "__main__":
    scripting.run(main)
