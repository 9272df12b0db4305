"""Measures this package beside its peers and prints tables of ratios.

    pip install -r tests/benchmarks/requirements.txt
    python -m tests.benchmarks
    python -m tests.benchmarks training --data=data/walks
    python -m tests.benchmarks growth --sizes=10000,100000,1000000,10000000
    python -m tests.benchmarks posterior --records=50000
    python -m tests.benchmarks --records=200 --epoch-records=20000 --repeats=2 --checked=3

A peer that is not installed is reported as such. Quote ratios rather than times: machines
differ, and so does one machine from minute to minute. Rounds are repeated while the middle half of
a row's turns spreads by more than 10 %.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from tests.benchmarks.table import circumstances, load, number

PARTS = ("engines", "training", "storage", "growth", "posterior")
ARGUMENTS = {
    "engines": ("records", "repeats", "checked"),
    "training": ("data", "epoch_records", "repeats"),
    "storage": ("epoch_records", "repeats", "work"),
    "growth": ("sizes", "train_sizes", "work"),
    "posterior": ("records", "work"),
}


def sizes(text: str) -> list[int]:
    """Numbers of records, as 1e4,1e5."""
    return sorted(int(float(word)) for word in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], help="by default the first three")
    parser.add_argument("--records", type=int, default=3000, help="raw draws for the engines; to train posteriors on")
    parser.add_argument("--checked", type=int, default=30, help="records checked by the reference")
    parser.add_argument("--epoch-records", type=int, default=100_000, help="records of an epoch, and of the storage")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each row")
    parser.add_argument("--data", type=Path, help="dataset whose training split is the epoch, in place of a small one")
    parser.add_argument("--sizes", type=sizes, default=[10_000, 100_000], help="records of the growing datasets")
    parser.add_argument("--train-sizes", type=sizes, default=[100_000], help="those of them to train on")
    parser.add_argument("--work", type=Path, help="folder for datasets that are made and deleted")
    arguments = parser.parse_args()
    for part in arguments.part or PARTS[:3]:
        module = importlib.import_module(f"tests.benchmarks.{part}")
        print(f"## {part.capitalize()}\n\n{circumstances(module.PACKAGES)}\n", flush=True)
        before = load()
        print(module.run(**{name: getattr(arguments, name) for name in ARGUMENTS[part]}))
        print(
            f"\nLoad of the machine: {number(before, 2)} before, {number(load(), 2)} after (with our own).\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
