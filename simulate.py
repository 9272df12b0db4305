"""Writes a dataset of simulated walks; without flags, the paper's million.

    python simulate.py --out=data/walks
    python simulate.py --out=gs://bucket/walks --cluster=tcp://host:8786
    python simulate.py --out=data/adults --population=adult
    python simulate.py --out=data/legs --stiffness_right=8000,10000
    python simulate.py --show --seed=1

The same command again resumes an interrupted run and repairs missing or damaged shards.
"""

import functools

from gait import scripting

scripting.begin()  # before anything that takes time

from absl import flags

from gait.data.estimate import estimate_in_words
from gait.data.manifest import AUDITED_RECORDS, FILE, RECORDS_PER_SHARD, Plan, parse_splits
from gait.errors import printable
from gait.parameters import OTHER_LEG, QUANTITIES, order_of, parse_range
from gait.simulation.channels import CHANNELS
from gait.simulation.conditions import RecordingSettings
from gait.simulation.populations import POPULATIONS, TOUCHDOWNS, population_of
from gait.simulation.walks import ENGINES
from gait.storage.files import as_path
from gait.storage.folders import DATASET, check_kind

FLAGS = flags.FLAGS
define_number = functools.partial(flags.DEFINE, scripting.WholeNumber(), serializer=flags.ArgumentSerializer())
define_path = functools.partial(flags.DEFINE, scripting.Place(), serializer=flags.ArgumentSerializer())
define_path("out", "data/walks", "Folder of the dataset, local or remote (gs://bucket/walks).")
define_number("records", 1_000_000, "Number of walks in all splits together.")
flags.DEFINE_list("splits", ["80", "10", "10"], "Shares of the splits, as TRAIN,VALIDATION,TEST.")
define_number("seed", 0, "Key of all random numbers: same seed, same records.")
flags.DEFINE_enum("engine", "taylor", list(ENGINES), "taylor: compiled. scipy: reference, very slow.")
flags.DEFINE_list("channels", ["x", "y", "fx", "fy"], f"What to record: some of {', '.join(CHANNELS)}.")
flags.DEFINE_float("duration", RecordingSettings.duration, "Length of a walk [s].")
flags.DEFINE_float("interval", RecordingSettings.interval, "Time between samples [s].")
flags.DEFINE_float("gravity", None, "Gravitational acceleration [m/s²]; by default the population's.")
flags.DEFINE_enum("population", "paper", list(POPULATIONS), "Named ranges; --mass and others replace them.")
flags.DEFINE_enum("touchdown", "step_length", TOUCHDOWNS, "What fixes where the swing leg lands.")
define_number("shards", None, f"Number of files; by default one for {RECORDS_PER_SHARD:,} records.")
define_number("workers", None, "Files in work at the same time; by default one a core.")
flags.DEFINE_string("cluster", None, "Address of a Dask scheduler whose workers write the files, tcp://host:8786.")
define_number("audit", AUDITED_RECORDS, "Records to integrate again with the scipy reference.")
flags.DEFINE_bool("overwrite", False, "Delete another dataset in the folder.")
flags.DEFINE_bool(
    "show", False,
    "Write no dataset, but draw its first walk, into walk.png or the .png, .svg or .pdf that --out names.",
)  # fmt: skip
RANGES = dict.fromkeys(name for rule in TOUCHDOWNS for name in order_of([rule, *OTHER_LEG]))
for name in RANGES:
    otherwise = "without it both legs have the same" if name in OTHER_LEG else "by default the population's"
    help_text = f"Range of {QUANTITIES[name].label} [{QUANTITIES[name].unit}], as LOW,HIGH; {otherwise}."
    flags.DEFINE_list(name, None, help_text)


def main():
    given = {name: parse_range(name, FLAGS[name].value) for name in RANGES if FLAGS[name].value is not None}
    population = population_of(FLAGS.population, FLAGS.touchdown, given, FLAGS.seed)
    gravity = POPULATIONS[FLAGS.population].gravity if FLAGS.gravity is None else FLAGS.gravity
    settings = RecordingSettings(FLAGS.duration, FLAGS.interval, gravity)
    if FLAGS.show:
        show(population, settings)
    else:
        write(population, settings)


def show(population, settings):
    with scripting.loading():  # only now: matplotlib takes a while to load
        from gait.evaluation.walk import show_walk

    named = FLAGS.out.endswith((".png", ".svg", ".pdf"))
    path = FLAGS.out if named else "walk.png"
    print(show_walk(population, settings, FLAGS.engine, as_path(path)))
    print(f"\n{printable(path)} shows this walk, record 0 of the dataset.")
    left_out = {"show", "out"} if named else {"show"}
    given = [FLAGS[name].serialize() for name in FLAGS if FLAGS[name].present and name not in left_out]
    print(f"Next: {scripting.command('python', 'simulate.py', *given)}")


def write(population, settings):
    plan = Plan.of(
        population,
        settings,
        records=FLAGS.records,
        channels=FLAGS.channels,
        engine=FLAGS.engine,
        shards=FLAGS.shards,
        splits=parse_splits(FLAGS.splits),
    )
    out = as_path(FLAGS.out)
    check_kind(out, DATASET, flag="out")
    if not (out / FILE).exists():
        here = FLAGS.cluster is None
        print(estimate_in_words(plan, out, audit=FLAGS.audit, workers=FLAGS.workers, here=here), flush=True)
    # Only now: TensorFlow takes seconds to load, and a mistyped flag should not.
    with scripting.loading(), scripting.quiet_stderr():
        from gait.data.writing import write_dataset

    dataset = write_dataset(
        out,
        plan,
        workers=FLAGS.workers,
        cluster=FLAGS.cluster,
        audit=FLAGS.audit,
        overwrite=FLAGS.overwrite,
        progress=True,
    )
    print(f"{printable(FLAGS.out)} holds {dataset.summary()}")
    train = ("python", "train.py", f"--data={FLAGS.out}", "--scenario=three_parameter", "--out=runs/three_parameter")
    print(f"Next: {scripting.command(*train)}")


if __name__ == "__main__":
    scripting.run(main)
