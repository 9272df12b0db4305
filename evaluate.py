"""Evaluates a trained run on the test split: what was recovered, and what could have been.

    python evaluate.py --run=runs/three_parameter

Writes metrics.json, predictions.csv, scatter.png, learning_curves.png and report.md into the run's folder.
"""

from absl import app, flags

from gait import files, runs, scripting

FLAGS = flags.FLAGS
flags.DEFINE_string("run", "runs/three_parameter", "Folder of a finished run, see train.py.")
flags.DEFINE_string("data", None, "Where the dataset is that the run was trained on, if it has moved.")


def main():
    folder = files.as_path(FLAGS.run)
    with scripting.hushed():  # only now: TensorFlow takes seconds to load, and a mistyped flag should not
        finished = runs.read_finished(folder)
        from gait import evaluation

    result = evaluation.evaluate_finished(finished, files.as_path(FLAGS.data) if FLAGS.data else None)
    print(evaluation.report.table(result.metrics))
    for sentence in result.sentences:
        print(f"- {sentence}")
    print(f"{folder} holds report.md, metrics.json, predictions.csv, scatter.png and learning_curves.png.")
    print(f"Next: open {folder / 'report.md'}, or train another scenario with train.py.")


if __name__ == "__main__":
    app.run(scripting.main(main))
