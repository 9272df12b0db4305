"""The posterior network of sbi: neural posterior estimation with a masked autoregressive flow, by its defaults."""

from __future__ import annotations

import itertools
import tempfile

import numpy as np
import torch
from sbi.inference import NPE
from sbi.neural_nets import posterior_nn
from sbi.utils import BoxUniform
from sbi.utils.tracking import TensorBoardTracker
from torch.utils.tensorboard import SummaryWriter

from tests.benchmarks.peers.posterior_scores import (
    BATCH,
    DRAWN,
    DRAWS,
    LAYERS,
    LEARNING_RATE,
    PATIENCE,
    UNITS,
    Stopwatch,
    box,
    once,
    records_of,
    scores,
)

_ROWS = 1000  # recordings at a time


def train(data: str, seed: int):
    """Trains on the recordings of a dataset folder; as many as in its validation split decide when to stop.

    Args:
        data: the folder.
        seed: of the noise and the network.
    """
    return once(lambda: _trained(data, seed))


def _trained(data: str, seed: int) -> dict:
    torch.manual_seed(seed)
    splits = [records_of(data, split, seed) for split in ("train", "validation")]
    recordings, truth = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*splits, strict=True))
    watch = Stopwatch()
    widths = [recordings.shape[1], *[UNITS] * LAYERS]
    layers = [part for a, b in itertools.pairwise(widths) for part in (torch.nn.Linear(a, b), torch.nn.SiLU())]
    low, high = (torch.tensor(end, dtype=torch.float32) for end in box())
    network = posterior_nn("maf", embedding_net=torch.nn.Sequential(*layers))
    with tempfile.TemporaryDirectory() as logs:  # by default they go to the working directory
        tracker = TensorBoardTracker(SummaryWriter(logs))
        inference = NPE(BoxUniform(low, high), density_estimator=network, tracker=tracker, show_progress_bars=False)
        inference.append_simulations(truth, recordings)
        estimator = inference.train(
            training_batch_size=BATCH, learning_rate=LEARNING_RATE, stop_after_epochs=PATIENCE,
            validation_fraction=len(splits[1][0]) / len(truth),
        )  # fmt: skip
        seconds, epochs = watch.seconds, inference.summary["epochs_trained"][-1]
    return _scored(estimator, *records_of(data, "test", seed)) | {"seconds": seconds, "epochs": epochs, "seed": seed}


@torch.no_grad()
def _scored(estimator: torch.nn.Module, recordings: np.ndarray, truth: np.ndarray) -> dict:
    log_p, draws = [], []
    for first in range(0, len(truth), _ROWS):
        some, true = (torch.tensor(array[first : first + _ROWS]) for array in (recordings, truth))
        log_p.append(estimator.log_prob(true[None], condition=some)[0].numpy())
        if first < DRAWN:
            draws.append(estimator.sample((DRAWS,), condition=some).numpy().swapaxes(0, 1))
    return scores(truth, np.concatenate(log_p), np.concatenate(draws))
