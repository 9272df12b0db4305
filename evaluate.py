"""Says what can be known in a scenario before training, or what a trained run or any other network has recovered.

    python evaluate.py --scenario=three_parameter
    python evaluate.py --inputs=x,y,fy --targets=stiffness,rest_length --noise=x:0.005,y:0.005,fy:5
    python evaluate.py --run=runs/three_parameter
    python evaluate.py --compare='runs/*'
    python evaluate.py --recording=walk.csv --run=runs/three_parameter
    python evaluate.py --predictions=table.csv

With a scenario, writes identifiability.json, .md and .png into --out. With --run, writes report.md, metrics.json and
.csv, predictions.csv and figures into the run's folder. In noise both tell what any estimator can reach from exact
posteriors of fresh walkers: that takes minutes, with --quick seconds. With --compare, writes comparison.md, .csv and
.png into --out. With --recording, says what is certain of a real walk and what the model adds: recording.md, .json,
.png and steps.csv in --out; with --run also what a network makes of it. With --predictions, tells if data or network
limit any network's estimates."""

import functools

from gait import scripting

scripting.begin()  # before anything that takes time

from absl import flags

from gait import evaluation
from gait.errors import InputError, printable
from gait.recordings.hints import HINT_FLAGS, hints_of
from gait.scenarios import DEFAULT, SCENARIO_FLAGS, scenario_flags, scenario_of
from gait.storage import files

FLAGS = flags.FLAGS
define_number = functools.partial(flags.DEFINE, scripting.WholeNumber(least=0), serializer=flags.ArgumentSerializer())
define_path = functools.partial(flags.DEFINE, scripting.Place(), serializer=flags.ArgumentSerializer())
define_path("run", None, "Folder of a finished run, see train.py; by default runs/three_parameter.")
define_path("predictions", None, "Table of any network's estimates, FILE.csv: columns NAME and NAME_estimate.")
flags.DEFINE_list("compare", None, "Folders of evaluated runs for one table, as runs/a,runs/b or 'runs/*'.")
define_path("recording", None, "Recording of a real walk: .csv, .mot, .sto, .trc or .c3d. The next flags tell of it.")
for name, kind, text in (*HINT_FLAGS, *SCENARIO_FLAGS):
    getattr(flags, f"DEFINE_{kind}")(name, None, text)
define_path("data", None, "With --run, where its dataset has moved; with a scenario, dataset with the priors.")
define_number("walkers", 64, "In noise, fresh walkers whose exact posteriors tell what is possible.")
flags.DEFINE_bool("quick", False, "In noise, local bounds only: seconds, but they can promise far too much.")
define_path("out", None, "Folder to write to; by default runs/SCENARIO, runs/comparison, runs/RECORDING or none.")
flags.DEFINE_multi_enum("figures", [], ["svg", "pdf"], "Write the figures in this format, too, beside PNG.")
define_number("seed", 0, "Key of the fresh walkers; with --predictions, of the random choices.")


def main():
    scenario, hints = given(name for name, *_ in SCENARIO_FLAGS), given(name for name, *_ in HINT_FLAGS)
    uses = given(["predictions", "compare", "recording", "run"]) | ({"scenario": scenario} if scenario else {})
    use = next(iter(uses), "run")
    received = given(name for name in (*USES, *scenario, *hints, "data", "out") if name in FLAGS)
    idle = {"run": ["out"], "scenario": []}.get(use, ["data"]) + ([] if use == "recording" else [*hints])
    if (len(uses) > 1 and [*uses] != ["recording", "run"]) or any(name in received for name in idle):
        raise InputError(
            "A scenario is analysed before training. A run is evaluated after it, by its own scenario and in its own "
            "folder. A table stands by itself. A recording may have a run beside it, and only it has a mass or window. "
            f"Received: {' '.join(FLAGS[name].serialize() for name in received)}. Leave out one or the other."
        )
    result, out, follow = USES[use](**uses)
    print(result.summary())
    if out is not None:
        print(f"{printable(out)} holds {', '.join(result.files)}.")
    if follow:
        print(f"Next: {follow}")


def given(names):
    return {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}


def loaded(name):
    with scripting.loading():  # only now: matplotlib takes a while to load
        return getattr(evaluation, name)


def options():
    walkers = 0 if FLAGS.quick else FLAGS.walkers
    return {"walkers": walkers, "seed": FLAGS.seed, "formats": FLAGS.figures, "progress": True}


def before_training(scenario):
    scenario = scenario_of(**scenario)
    data, out = FLAGS.data and files.as_path(FLAGS.data), files.as_path(FLAGS.out or f"runs/{scenario.name}")
    result = loaded("evaluate_scenario")(scenario, out, data=data, **options())
    words = [*([f"--data={data}"] if data else []), *scenario_flags(scenario), f"--out={out}"]
    return result, out, scripting.command("python", "train.py", *words)


def after_training(run=f"runs/{DEFAULT}"):
    run = files.as_path(run)
    result = loaded("evaluate_run")(run, FLAGS.data and files.as_path(FLAGS.data), **options())
    return result, run, f"open {scripting.command(run / 'report.md')}, or train another scenario with train.py."


def comparison(compare):
    result = loaded("compare_runs")(compare, files.as_path(FLAGS.out or "runs/comparison"), formats=FLAGS.figures)
    return result, result.folder, f"open {scripting.command(result.folder / result.files[0])}."


def recording(recording, run=None):
    out, hints = FLAGS.out or f"runs/{files.as_path(recording).stem}", given(name for name, *_ in HINT_FLAGS)
    result = loaded("evaluate_recording")(recording, out, run=run, formats=FLAGS.figures, **hints_of(hints))
    return result, result.folder, f"open {scripting.command(result.folder / result.files[0])}."


def predictions(predictions):
    out = FLAGS.out and files.as_path(FLAGS.out)
    return loaded("evaluate_predictions")(predictions, out, seed=FLAGS.seed), out, ""


USES = {
    "predictions": predictions, "compare": comparison, "recording": recording, "run": after_training,
    "scenario": before_training,
}  # fmt: skip

if __name__ == "__main__":
    scripting.run(main)
