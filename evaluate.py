"""Says what can be known in a scenario before training, or what a trained run or any other network has recovered.

    python evaluate.py --scenario=three_parameter
    python evaluate.py --scenario=three_parameter --noise=x:0.005,y:0.005
    python evaluate.py --run=runs/three_parameter
    python evaluate.py --predictions=table.csv

With --scenario, writes identifiability.json, .md and .png into --out. With --noise, it tells what any estimator can
reach in this noise, from exact posteriors of fresh walkers, and writes design.png, too: that takes minutes, with
--quick seconds. With --run, writes report.md, metrics.json and .csv, predictions.csv and figures into the run's folder.
With --predictions, tells of any network's estimates whether the data or the network limit them. The table has columns
NAME and NAME_estimate for each target; all other columns are inputs. With --out it also writes limits.md and .json.
"""

import dataclasses
import functools
import textwrap

from gait import scripting

scripting.begin()  # before anything that takes time

from absl import flags

from gait.errors import InputError, printable
from gait.scenarios import SCENARIOS, parse_noise
from gait.storage import files

FLAGS = flags.FLAGS
define_number = functools.partial(flags.DEFINE, scripting.WholeNumber(least=0), serializer=flags.ArgumentSerializer())
define_path = functools.partial(flags.DEFINE, scripting.Place(), serializer=flags.ArgumentSerializer())
define_path("run", None, "Folder of a finished run, see train.py; by default runs/three_parameter.")
define_path(
    "predictions", None,
    "Table of any network's estimates, FILE.csv: columns NAME and NAME_estimate of each target; all others are inputs.",
)  # fmt: skip
flags.DEFINE_enum("scenario", None, list(SCENARIOS), "What is to be estimated from which channels; no run is needed.")
define_path("data", None, "With --run, where its dataset has moved; with --scenario, dataset with the priors.")
flags.DEFINE_list("noise", None, "With --scenario, standard deviation of each channel: x:0.005,y:0.005.")
define_number("walkers", 64, "With --noise, fresh walkers whose exact posteriors tell what is possible.")
flags.DEFINE_bool("quick", False, "With --noise, local bounds only: seconds, but they can promise far too much.")
define_path("out", None, "With --scenario, folder to write to; by default runs/SCENARIO. Also with --predictions.")
flags.DEFINE_multi_enum("figures", [], ["svg", "pdf"], "Write the figures in this format, too, beside PNG.")
define_number("seed", 0, "With --scenario, key of the walkers; with --predictions, of the random choices.")


def main():
    data = files.as_path(FLAGS.data) if FLAGS.data else None
    if FLAGS.predictions is not None:
        predictions()
    elif FLAGS.scenario is None:
        after_training(files.as_path(FLAGS.run or "runs/three_parameter"), data)
    elif FLAGS.run is None:
        before_training(files.as_path(FLAGS.out or f"runs/{FLAGS.scenario}"), data)
    else:
        raise InputError(
            "A scenario is analysed before training, a run is evaluated after it: give one of the two flags. "
            f"Received: --scenario={FLAGS.scenario} --run={FLAGS.run}."
        )


def before_training(out, data):
    scenario = SCENARIOS[FLAGS.scenario]
    if FLAGS.noise:
        scenario = dataclasses.replace(scenario, noise=parse_noise(FLAGS.noise))
    with scripting.loading():  # only now: matplotlib takes a while to load
        from gait.evaluation.before_training import evaluate_scenario

    options = {"walkers": 0 if FLAGS.quick else FLAGS.walkers, "formats": FLAGS.figures, "progress": True}
    found = evaluate_scenario(scenario, out, data=data, seed=FLAGS.seed, **options)
    headline, *others = found.summary()
    print(textwrap.fill(headline, scripting.COLUMNS))
    print(scripting.listing(others))
    print("In detail:")
    print(scripting.listing(found.analysis.details()))
    print(f"{printable(out)} holds {', '.join(found.files)}.")
    data_flag = [f"--data={data}"] if data else []
    print("Next:", scripting.command("python", "train.py", *data_flag, f"--scenario={scenario.name}", f"--out={out}"))


def after_training(folder, data):
    if FLAGS.noise or FLAGS.out:
        raise InputError(
            "--noise and --out belong to the analysis of a scenario, before training. "
            "Give them with --scenario, or leave them out."
        )
    with scripting.loading():  # only now: matplotlib takes a while to load
        from gait.evaluation.after_training import evaluate_run

    result = evaluate_run(folder, data, formats=FLAGS.figures)
    print(result.summary())
    print(f"{printable(folder)} holds {', '.join(result.files)}.")
    print(f"Next: open {scripting.command(folder / 'report.md')}, or train another scenario with train.py.")


def predictions():
    others = [f"--{name}={FLAGS[name].value}" for name in ("run", "scenario", "data", "noise") if FLAGS[name].value]
    if others:
        raise InputError(
            "A table of estimates is judged by itself, without a run, a scenario, a dataset or noise. "
            f"Received: --predictions={FLAGS.predictions} {' '.join(others)}. Leave out one or the other."
        )
    with scripting.loading():  # only now: pandas takes a while to load
        from gait.evaluation.predictions import evaluate_predictions

    out = files.as_path(FLAGS.out) if FLAGS.out else None
    result = evaluate_predictions(FLAGS.predictions, out, seed=FLAGS.seed)
    print(result.summary())
    if out is not None:
        print(f"{printable(out)} holds {', '.join(result.files)}.")


if __name__ == "__main__":
    scripting.run(main)
