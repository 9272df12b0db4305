"""The posterior network of BayesFlow: a coupling flow on JAX, by its defaults."""

from __future__ import annotations

import bayesflow
import keras
import numpy as np

from tests.benchmarks.peers.posterior_scores import (
    BATCH,
    DRAWN,
    DRAWS,
    LAYERS,
    UNITS,
    Stopwatch,
    once,
    records_of,
    scores,
)


@keras.saving.register_keras_serializable("gait_benchmark")
class DenseSummary(bayesflow.networks.SummaryNetwork):
    """Dense layers that read a recording."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = keras.Sequential([keras.layers.Dense(UNITS, "silu") for _ in range(LAYERS)])

    def build(self, input_shape):
        """Makes the weights."""
        self.dense.build(input_shape)

    def call(self, recordings, training=False, **options):
        """Summaries [n, UNITS] of recordings [n, inputs]."""
        return self.dense(recordings, training=training)

    def compute_output_shape(self, input_shape):
        """Shape of the summaries."""
        return (*input_shape[:-1], UNITS)


def train(data: str, seed: int):
    """Trains on the recordings of a dataset folder.

    Args:
        data: the folder.
        seed: of the noise and the network.
    """
    return once(lambda: _trained(data, seed))


def _records(data: str, split: str, seed: int) -> dict[str, np.ndarray]:
    recordings, truth = records_of(data, split, seed)
    return {"summary_variables": recordings, "inference_variables": truth}


def _trained(data: str, seed: int) -> dict:
    keras.utils.set_random_seed(seed)
    train_split, validation, test = (_records(data, split, seed) for split in ("train", "validation", "test"))
    watch = Stopwatch()
    workflow = bayesflow.BasicWorkflow(
        adapter=bayesflow.Adapter().convert_dtype("float64", "float32"),
        inference_network=bayesflow.networks.CouplingFlow(),
        summary_network=DenseSummary(),
        standardize=["inference_variables", "summary_variables"],
    )
    history = workflow.fit_offline(train_split, batch_size=BATCH, validation_data=validation, verbose=0)
    seconds = watch.seconds
    truth = test["inference_variables"]
    log_p = np.asarray(workflow.log_prob(test)).ravel()
    some = {"summary_variables": test["summary_variables"][:DRAWN]}
    draws = np.asarray(workflow.sample(num_samples=DRAWS, conditions=some)["inference_variables"])
    return scores(truth, log_p, draws) | {"seconds": seconds, "epochs": len(history.history["loss"]), "seed": seed}
