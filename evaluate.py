"""Says what can be known in a scenario before training, or what a trained run or any other network has recovered.

    python evaluate.py --scenario=three_parameter
    python evaluate.py --inputs=x,y,fy --targets=stiffness,rest_length --noise=x:0.005,y:0.005,fy:5
    python evaluate.py --run=runs/three_parameter
    python evaluate.py --compare='runs/*'
    python evaluate.py --predictions=table.csv

With a scenario, writes identifiability.json, .md and .png into --out. With --run, writes report.md, metrics.json and
.csv, predictions.csv and figures into the run's folder, which holds the scenario. In noise both tell what any estimator
can reach from exact posteriors of fresh walkers: that takes minutes, with --quick seconds. With --compare, writes what
was possible and what was reached in several runs as one table: comparison.md, .csv and .png in --out.
With --predictions, tells if data or network limit any network's estimates: columns NAME and NAME_estimate for each
target; all others are inputs. With --out it also writes limits.md and .json.
"""

import functools

from gait import scripting

scripting.begin()  # before anything that takes time

from absl import flags

from gait.errors import InputError, printable
from gait.scenarios import DEFAULT, SCENARIO_FLAGS, scenario_flags, scenario_of
from gait.storage import files

FLAGS = flags.FLAGS
define_number = functools.partial(flags.DEFINE, scripting.WholeNumber(least=0), serializer=flags.ArgumentSerializer())
define_path = functools.partial(flags.DEFINE, scripting.Place(), serializer=flags.ArgumentSerializer())
define_path("run", None, "Folder of a finished run, see train.py; by default runs/three_parameter.")
define_path("predictions", None, "Table of any network's estimates, FILE.csv: columns NAME and NAME_estimate.")
flags.DEFINE_list("compare", None, "Folders of evaluated runs for one table, as runs/a,runs/b or 'runs/*'.")
for name, kind, text in SCENARIO_FLAGS:
    getattr(flags, f"DEFINE_{kind}")(name, None, text)
define_path("data", None, "With --run, where its dataset has moved; with a scenario, dataset with the priors.")
define_number("walkers", 64, "In noise, fresh walkers whose exact posteriors tell what is possible.")
flags.DEFINE_bool("quick", False, "In noise, local bounds only: seconds, but they can promise far too much.")
define_path("out", None, "With a scenario, folder to write to; by default runs/SCENARIO. Also with --predictions.")
flags.DEFINE_multi_enum("figures", [], ["svg", "pdf"], "Write the figures in this format, too, beside PNG.")
define_number("seed", 0, "Key of the fresh walkers; with --predictions, of the random choices.")


def main():
    data = files.as_path(FLAGS.data) if FLAGS.data else None
    asked = {name: FLAGS[name].value for name, *_ in SCENARIO_FLAGS if FLAGS[name].value is not None}
    names = ("predictions", "compare", "run", *asked, "data", "out")
    given = [name for name in names if FLAGS[name].value is not None]
    own = [name for name in ("predictions", "compare", "run") if name in given]
    idle = "data" if own in (["predictions"], ["compare"]) else "out" if not asked else None
    if bool(asked) + len(own) > 1 or idle in given:
        raise InputError(
            "A scenario is analysed before training. A run is evaluated after it, by its own scenario and in its own "
            "folder. A table of estimates, or of runs, stands by itself, without a dataset. "
            f"Received: {' '.join(FLAGS[name].serialize() for name in given)}. Leave out one or the other."
        )
    if FLAGS.predictions is not None:
        predictions()
    elif FLAGS.compare is not None:
        comparison()
    elif asked:
        before_training(scenario_of(**asked), data)
    else:
        after_training(files.as_path(FLAGS.run or f"runs/{DEFAULT}"), data)


def options():
    walkers = 0 if FLAGS.quick else FLAGS.walkers
    return {"walkers": walkers, "seed": FLAGS.seed, "formats": FLAGS.figures, "progress": True}


def before_training(scenario, data):
    out = files.as_path(FLAGS.out or f"runs/{scenario.name}")
    with scripting.loading():  # only now: matplotlib takes a while to load
        from gait.evaluation.before_training import evaluate_scenario

    found = evaluate_scenario(scenario, out, data=data, **options())
    print(found.text())
    print(f"{printable(out)} holds {', '.join(found.files)}.")
    words = [f"--data={data}"] if data else []
    print("Next:", scripting.command("python", "train.py", *words, *scenario_flags(scenario), f"--out={out}"))


def after_training(folder, data):
    with scripting.loading():  # only now: matplotlib takes a while to load
        from gait.evaluation.after_training import evaluate_run

    result = evaluate_run(folder, data, **options())
    print(result.summary())
    print(f"{printable(folder)} holds {', '.join(result.files)}.")
    print(f"Next: open {scripting.command(folder / 'report.md')}, or train another scenario with train.py.")


def predictions():
    with scripting.loading():  # only now: pandas takes a while to load
        from gait.evaluation.predictions import evaluate_predictions

    out = files.as_path(FLAGS.out) if FLAGS.out else None
    result = evaluate_predictions(FLAGS.predictions, out, seed=FLAGS.seed)
    print(result.summary())
    if out is not None:
        print(f"{printable(out)} holds {', '.join(result.files)}.")


def comparison():
    with scripting.loading():  # only now: matplotlib takes a while to load
        from gait.evaluation.comparison import compare_runs

    found = compare_runs(FLAGS.compare, files.as_path(FLAGS.out or "runs/comparison"), formats=FLAGS.figures)
    print(found.summary())
    print(f"{printable(found.folder)} holds {', '.join(found.files)}.")
    print(f"Next: open {scripting.command(found.folder / found.files[0])}.")


if __name__ == "__main__":
    scripting.run(main)
