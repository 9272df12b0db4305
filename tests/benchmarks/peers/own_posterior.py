"""This package's posterior network, from the conditions of its peers to its own defaults."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from gait.data.dataset import Dataset, open_dataset
from gait.inference.mixture import GaussianMixtures
from gait.inference.network_posterior import NetworkAnswers
from gait.training.feed import Feed
from gait.training.fitting import compiled_network, configure_threads, new_network
from gait.training.heads import OUTPUTS, LogProbability, mixture_in_logits
from gait.training.saved_model import outputs_of
from gait.training.settings import TrainingSettings, coordinates_of
from tests.benchmarks.peers.posterior_scores import (
    DRAWN,
    DRAWS,
    NAMES,
    SCENARIO,
    Stopwatch,
    noisy,
    once,
    records_of,
    scores,
)


class Progress(keras.callbacks.Callback):
    """Turns the feed to each epoch, and notes processor time and log p of the validation split after it.

    Attributes:
        curve: one pair an epoch.
    """

    def __init__(self, feed: Feed, watch: Stopwatch):
        super().__init__()
        self._feed, self._watch = feed, watch
        self.curve: list[tuple[float, float]] = []

    def on_epoch_begin(self, epoch, logs=None):
        """Turns the feed to an epoch."""
        self._feed.begin(epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Notes an epoch."""
        self.curve.append((self._watch.seconds, float(logs["val_log_p"])))


def train(data: str, seed: int, fresh: bool, **settings):
    """Trains a mixture on the recordings of a dataset folder.

    Args:
        data: the folder.
        seed: of the noise and the network.
        fresh: whether every epoch has noise of its own.
        settings: see `TrainingSettings`.
    """
    configure_threads()
    scenario = SCENARIO if fresh else dataclasses.replace(SCENARIO, noise=None)
    chosen = TrainingSettings.of(scenario, "posterior", seed=seed, **settings)
    dataset = open_dataset(data) if fresh else noisy(data, seed)
    return once(lambda: _trained(dataset, chosen) | {"seed": seed})


def _trained(dataset: Dataset, settings: TrainingSettings) -> dict:
    keras.utils.set_random_seed(settings.seed)
    watch = Stopwatch()
    feed = Feed(dataset, settings)
    core = compiled_network(settings, feed.width, feed.steps, tf.distribute.get_strategy(), targets=feed.outputs)
    constants = [slope - float(np.sum(np.log(feed.target_moments.sd))) for slope in feed.log_slope.values()]
    progress = Progress(feed, watch)
    best = keras.callbacks.EarlyStopping("val_loss", patience=settings.early_stopping, restore_best_weights=True)
    callbacks = [LogProbability(*constants), progress, best]
    core.fit(feed.train, shuffle=False, validation_data=feed.validation, epochs=settings.epochs, verbose=0,
             callbacks=callbacks)  # fmt: skip
    seconds = watch.seconds
    inputs, logits = feed.input_moments, feed.target_moments
    plain = new_network(settings, feed.width, feed.outputs)
    plain.set_weights(core.get_weights())
    model = mixture_in_logits(
        plain, settings.components, (inputs.mean, inputs.sd), (logits.mean, logits.sd), feed.whitening
    )
    return _scored(model, dataset, settings) | {
        "seconds": seconds, "epochs": len(progress.curve), "curve": progress.curve
    }  # fmt: skip


def _scored(model: keras.Model, dataset: Dataset, settings: TrainingSettings) -> dict:
    recordings, truth = records_of(dataset.folder, "test", settings.seed)
    found = outputs_of(model, recordings)
    mixtures = GaussianMixtures(*(found[name].astype(float) for name in OUTPUTS))
    answers = NetworkAnswers(coordinates_of(settings, dataset.priors), mixtures, {})
    log_p = answers.log_prob(dict(zip(NAMES, truth.T, strict=True)))
    first = NetworkAnswers(answers.coordinates, mixtures[:DRAWN], {})
    drawn = first.draw(DRAWS, np.random.default_rng(settings.seed))
    return scores(truth, log_p, np.stack([drawn[name] for name in NAMES], axis=2))
