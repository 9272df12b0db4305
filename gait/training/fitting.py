"""A training run from its settings to the finished model: threads, device strategy, network, epochs."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from gait import data as dataset
from gait import provenance
from gait.data import manifest
from gait.data.manifest import Manifest
from gait.provenance import cores
from gait.storage import files
from gait.storage.files import AnyPath
from gait.training import run as runs
from gait.training.feed import VALIDATION_BATCH, Feed
from gait.training.network import dense_network, in_physical_units
from gait.training.run import Run, Settings
from gait.training.state import R2, Journal


def choose_strategy(name: str) -> tf.distribute.Strategy:
    """The device strategy of a name in `STRATEGIES`."""
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and gpus):
        return tf.distribute.MirroredStrategy([device.name for device in gpus or tf.config.list_logical_devices("CPU")])
    return tf.distribute.get_strategy()


def use_threads_well() -> None:
    """One thread an operation, operations side by side: the layers are too small to be cut up further."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(cores())
    except RuntimeError:  # TensorFlow is in use already, as in tests; this concerns nothing but speed
        return


def train(data: AnyPath, folder: AnyPath, settings: Settings, verbose: int | str = "auto") -> dict:
    """Trains a scenario's network on a dataset, or continues an interrupted training.

    Args:
        data: dataset folder.
        folder: run folder; gets config.json, history.csv, model.keras and result.json.
        settings: what to train and how.
        verbose: see `keras.Model.fit`.

    Returns:
        Content of result.json: epochs, best epoch and its validation loss, seconds, peak memory.

    Raises:
        InputError: if the data or the folder do not fit the settings, or if training diverges.
    """
    described = manifest.read(data)
    dataset.require_channels(described, settings.row.inputs)
    config = runs.configuration(settings, described)
    runs.check_same_run(folder, config)
    run = Run(folder)
    if runs.is_finished(run):
        return _finished(run)
    use_threads_well()
    tf.get_logger().setLevel("ERROR")
    keras.utils.set_random_seed(settings.seed)
    feed = Feed(described, settings)
    files.make_folder(folder)
    with files.locked(folder):
        # Once more: while the data were read, another process may have come first.
        runs.check_same_run(folder, config)
        if runs.is_finished(run):
            return _finished(run)
        files.write_sealed(run.config, config)
        run.result.unlink(missing_ok=True)  # of a model that is gone
        return _train_locked(run, settings, described, feed, verbose)


def _finished(run: Run) -> dict:
    result = runs.read_finished(run.folder).result
    run.checkpoint.unlink(missing_ok=True)  # a kill may have come between the result and this
    return result


def _train_locked(run: Run, settings: Settings, described: Manifest, feed: Feed, verbose) -> dict:
    strategy = choose_strategy(settings.strategy)
    with strategy.scope():
        core = compiled_network(settings, feed.steps, described.samples, strategy)
        targets = settings.row.targets
        columns = [p + name for name in ("loss", *(f"r2_{t}" for t in targets)) for p in ("", "val_")]
        journal = Journal(run, feed, settings.checkpoint_every, columns)
        journal.set_model(core)
        finished = journal.resume()
    if finished < settings.epochs:
        core.fit(
            feed.train,
            shuffle=False,  # the feed does it
            validation_data=feed.validation,
            initial_epoch=finished,
            epochs=settings.epochs,
            callbacks=[journal],
            verbose=verbose,
        )
    # Not the compiled network itself: its metric would be saved with it, and plain Keras does not know it.
    best = new_network(settings, described.samples)
    best.set_weights(journal.best_weights)
    inputs, outputs = feed.input_moments, feed.target_moments
    model = in_physical_units(best, inputs.mean, inputs.sd, outputs.mean, outputs.sd)
    with files.replacing(run.model) as temporary:
        model.save(temporary)
    result = {
        "epochs": settings.epochs,
        "best_epoch": journal.best_epoch,
        "best_val_loss": journal.best_loss,
        "seconds": float(runs.read_history(run)["seconds"].sum()),
        "peak_memory_bytes": provenance.peak_memory(),
        "model_sha256": files.sha256(run.model),
        "history_sha256": files.sha256(run.history),
    }
    files.write_sealed(run.result, result)
    run.checkpoint.unlink(missing_ok=True)
    return result


def new_network(settings: Settings, samples: int) -> keras.Model:
    """The scenario's network with fresh weights."""
    row = settings.row
    return dense_network(len(row.inputs) * samples, len(row.targets), settings.activation)


def compiled_network(settings: Settings, steps: int, samples: int, strategy: tf.distribute.Strategy) -> keras.Model:
    """The scenario's network, ready to be fitted to standardised batches."""
    core = new_network(settings, samples)
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=settings.epochs * steps)
    elif settings.schedule == "inverse":
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=10 * steps, decay_rate=1.0)
    optimizer = keras.optimizers.get({"class_name": settings.optimizer, "config": {"learning_rate": rate}})
    core.compile(
        optimizer,
        loss="mse",
        metrics=[R2(settings.row.targets)],
        # Several batches in one call of the graph. With several replicas, Keras fails at more than one.
        steps_per_execution=min(steps, 100) if strategy.num_replicas_in_sync == 1 else 1,
        jit_compile=False if not tf.config.list_logical_devices("GPU") else "auto",  # slower on a CPU
    )
    core.optimizer.build(core.trainable_variables)
    return core


def estimator(run: Run) -> Callable[[np.ndarray], np.ndarray]:
    """A finished run's network as a function.

    Args:
        run: see `gait.training.run.read_finished`.

    Returns:
        Maps recordings, shape [n, c * samples], SI units, to targets in the run's order, shape [n, t], SI
        units, float32.
    """
    with files.local_copy(run.model) as path:
        model = keras.saving.load_model(path, compile=False)
    return lambda inputs: model.predict(inputs, batch_size=VALIDATION_BATCH, verbose=0)
