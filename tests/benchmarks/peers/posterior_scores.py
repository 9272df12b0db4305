"""What all posterior networks of the benchmark share: their recordings with the same noise, and their scores."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from gait.data.dataset import Dataset, Part, open_dataset
from gait.parameters import PAPER_PRIORS, Uniform
from gait.scenarios import SCENARIOS
from gait.training.inputs import add_fixed_noise

NAMES = ("mass", "stiffness", "rest_length")
LEVELS = (0.5, 0.8, 0.95)
SCENARIO = dataclasses.replace(SCENARIOS["three_parameter"], noise={"x": 0.005, "y": 0.005})
DRAWN, DRAWS = 2000, 500
"""Records of the test split that are drawn from, and draws of each."""
BATCH, LEARNING_RATE, PATIENCE = 200, 5e-4, 20
"""Of sbi, by default; all networks at equal conditions have the same."""
LAYERS, UNITS = 7, 50
"""Of the network that reads a recording."""


def noise_of(dataset: Dataset, split: str, seed: int) -> np.ndarray:
    """Noise that the recordings of a split get once and for all, shape [n, inputs]."""
    noise = np.zeros((dataset.count(split), len(SCENARIO.inputs) * dataset.samples), np.float32)
    add_fixed_noise(SCENARIO, noise, seed, split)
    return noise


@dataclasses.dataclass(frozen=True)
class NoisyDataset(Dataset):
    """A dataset whose recordings come with the noise of a seed, whoever reads them.

    Attributes:
        seed: of the noise.
    """

    seed: int = 0

    def scan(self, split, channels, take, shards=None):
        """Hands a split to a function, noise included; see `Dataset.scan`."""
        noise = noise_of(self, split, self.seed)

        def noisy(part: Part):
            return take(part._replace(inputs=part.inputs + noise[part.rows]))

        return super().scan(split, channels, noisy, shards)


def noisy(folder: str | Path, seed: int) -> NoisyDataset:
    """Opens the dataset in a folder, with the noise of a seed."""
    plain = open_dataset(Path(folder))
    return NoisyDataset(plain.folder, plain.manifest, seed=seed)


def records_of(folder: str | Path, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Recordings [n, inputs] with noise, and `NAMES` of their walkers [n, 3], float32, SI units."""
    found = noisy(folder, seed).load(split, SCENARIO.inputs)
    return found.inputs, found.parameters[list(NAMES)].to_numpy(np.float32)


def box(priors: Mapping[str, Uniform] = PAPER_PRIORS) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of the prior of `NAMES`, shape [3] both."""
    return np.array([priors[name].low for name in NAMES]), np.array([priors[name].high for name in NAMES])


def log_prior() -> float:
    """Log probability of every walker before there is a recording."""
    low, high = box()
    return -float(np.sum(np.log(high - low)))


def scores(truth: np.ndarray, log_p: np.ndarray, draws: np.ndarray) -> dict:
    """Scores of the posteriors of n recordings.

    Args:
        truth: `NAMES` of the walkers, shape [n, 3].
        log_p: log probability of the truth, SI units, shape [n].
        draws: `NAMES` of draws for the first recordings, shape [m, draws, 3]; those outside the prior count for
            `outside`, while the intervals are those of the others.

    Returns:
        `log_p`, its standard error `error`, and that with the density outside the prior given to the inside, `inside`;
        the share of draws `outside`; the share of true k/m that central intervals of `LEVELS` hold, `covered`.
    """
    low, high = box()
    within = np.all((draws >= low) & (draws <= high), axis=2)
    share = np.maximum(within.mean(axis=1), 1.0 / draws.shape[1])
    ratio = np.where(within, draws[..., 1] / draws[..., 0], np.nan)
    ratio = ratio[within.any(axis=1)]
    true_ratio = (truth[:, 1] / truth[:, 0])[: len(draws)][within.any(axis=1)]
    covered = []
    for level in LEVELS:
        ends = np.nanquantile(ratio, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=1)
        covered.append(float(np.mean((ends[0] <= true_ratio) & (true_ratio <= ends[1]))))
    return {
        "log_p": float(np.mean(log_p)), "error": float(np.std(log_p) / len(log_p) ** 0.5),
        "inside": float(np.mean(log_p) - np.mean(np.log(share))),
        "outside": float(1.0 - within.mean()), "covered": covered,
    }  # fmt: skip


def once(work: Callable[[], dict]) -> Callable[..., dict | None]:
    """A turn that does its work the first time only: a training takes too long to be repeated."""
    return lambda first=False: work() if first else None


class Stopwatch:
    """Processor time of this process since it was made, over all its threads."""

    def __init__(self):
        self._began = time.process_time()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.process_time() - self._began
