"""Says what can be known in a scenario before training, or what a trained run has recovered.

    python evaluate.py --scenario=three_parameter
    python evaluate.py --scenario=three_parameter --noise=x:0.005,y:0.005
    python evaluate.py --run=runs/three_parameter

With --scenario, writes identifiability.json, .md and .png (with --noise, design.png too) into --out; with --run,
report.md, metrics.json, predictions.csv and figures into the run's folder.
"""

from absl import app, flags

from gait import scripting
from gait.errors import InputError
from gait.evaluation import before_training as foresight
from gait.scenarios import SCENARIOS
from gait.storage import files
from gait.training import run as runs

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of a finished run, see train.py; by default runs/three_parameter.")
flags.DEFINE_enum("scenario", None, list(SCENARIOS), "What is to be estimated from which channels; no run is needed.")
flags.DEFINE_string("data", None, "With --run, where its dataset has moved; with --scenario, dataset with the priors.")
flags.DEFINE_list("noise", None, "With --scenario, standard deviation of each channel: x:0.005,y:0.005.")
flags.DEFINE_string("out", None, "With --scenario, folder to write to; by default runs/SCENARIO.")
flags.DEFINE_integer("seed", 0, "With --scenario, key of the walkers that are analysed.")


def main():
    data = files.as_path(FLAGS.data) if FLAGS.data else None
    if FLAGS.scenario is None:
        after_training(files.as_path(FLAGS.run or "runs/three_parameter"), data)
    elif FLAGS.run is None:
        before_training(files.as_path(FLAGS.out or f"runs/{FLAGS.scenario}"), data)
    else:
        raise InputError(
            "A scenario is analysed before training, a run is evaluated after it: give one of the two flags. "
            f"Received: --scenario={FLAGS.scenario} --run={FLAGS.run}."
        )


def before_training(out, data):
    noise = foresight.parse_noise(FLAGS.noise) if FLAGS.noise else None
    found = foresight.analyse_scenario(FLAGS.scenario, out, data=data, noise=noise, seed=FLAGS.seed)
    for sentence in found.sentences():
        print(f"- {sentence}")
    print(f"{out} holds {', '.join(found.files)}.")
    data_flag = f"--data={data} " if data else ""
    print(f"Next: python train.py {data_flag}--scenario={FLAGS.scenario} --out={out}")


def after_training(folder, data):
    if FLAGS.noise or FLAGS.out:
        raise InputError(
            "--noise and --out belong to the analysis of a scenario, before training. "
            "Give them with --scenario, or leave them out."
        )
    with scripting.quiet_stderr():  # only now: TensorFlow takes seconds to load, and a mistyped flag should not
        finished = runs.read_finished(folder)
        from gait.evaluation import after_training as evaluation

    result = evaluation.evaluate_finished(finished, data)
    print(evaluation.report.table(result.metrics))
    for sentence in result.sentences:
        print(f"- {sentence}")
    print(f"{folder} holds {', '.join(result.files)}.")
    print(f"Next: open {folder / 'report.md'}, or train another scenario with train.py.")


if __name__ == "__main__":
    app.run(scripting.main(main))
