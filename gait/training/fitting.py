"""A training run from its settings to the finished model: threads, device strategy, network, epochs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from gait import provenance
from gait.data.dataset import Dataset, open_dataset
from gait.provenance import cores
from gait.storage import files
from gait.storage.files import AnyPath
from gait.training import tensorboard as curves
from gait.training.feed import Feed
from gait.training.heads import LogProbability, MixtureLoss, mixture_in_logits, sizes
from gait.training.inputs import check_parameters
from gait.training.network import Adam, TrainingModel, dense_network, in_physical_units, swish
from gait.training.run import TENSORBOARD, Run, TrainingResult, load_run
from gait.training.settings import RunConfig, TrainingSettings, coordinates_of
from gait.training.state import R2, TrainingState


def choose_strategy(name: str) -> tf.distribute.Strategy:
    """Chooses the device strategy of a name in `gait.training.settings.STRATEGIES`."""
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and gpus):
        return tf.distribute.MirroredStrategy([device.name for device in gpus or tf.config.list_logical_devices("CPU")])
    return tf.distribute.get_strategy()


def _on_one_cpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether training has a CPU for itself: one replica, and no GPU."""
    return strategy.num_replicas_in_sync == 1 and not tf.config.list_logical_devices("GPU")


def batch_parts(strategy: tf.distribute.Strategy, batch_size: int) -> int:
    """Number of parts of a batch that go through the network side by side: one for each core, and one on a GPU."""
    return min(cores(), batch_size) if _on_one_cpu(strategy) else 1


def gathering_device(strategy: tf.distribute.Strategy, dataset: Dataset, config: RunConfig) -> str | None:
    """Name of the device that keeps the training split and makes the batches of it where the network needs them.

    A GPU does if the split takes up to a third of its memory, and without a GPU the CPU. It is None where tf.data makes
    the batches: of a larger split, one that is streamed from disk, or for several replicas.
    """
    if config.settings.cache != "memory" or strategy.num_replicas_in_sync > 1:
        return None
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        return "CPU:0"
    columns = config.width + len(config.settings.scenario.targets)
    return gpus[0].name if 3 * 4 * columns * dataset.count("train") <= device_memory(gpus[0].name) else None


def device_memory(name: str) -> int:
    """Memory [bytes] that TensorFlow may use on a device."""
    from tensorflow.python.client import device_lib  # no public function tells it

    return next((device.memory_limit for device in device_lib.list_local_devices() if device.name == name), 0)


def configure_threads() -> None:
    """Gives each operation one thread and runs operations side by side: the layers are too small to be cut further."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(cores())
    except RuntimeError:  # TensorFlow is in use already, as in tests; this concerns nothing but speed
        return


def train(
    data: str | AnyPath | Dataset,
    folder: str | AnyPath,
    settings: TrainingSettings,
    verbose: int | str = "auto",
    tensorboard: bool = False,
) -> TrainingResult:
    """Trains a scenario's network on a dataset, or continues an interrupted training.

    Args:
        data: the dataset, or its folder.
        folder: run folder; gets config.json, history.csv, model.keras, result.json and learning_curves.png.
        settings: what to train and how.
        verbose: see `keras.Model.fit`.
        tensorboard: whether to write curves for TensorBoard into the folder of the run, too. The result is the same.

    Returns:
        Epochs, best epoch and its validation loss, seconds, peak memory: the content of result.json.

    Raises:
        InputError: if the data or the folder do not fit the settings, if other code or versions have begun the run,
            if training diverges, if the shards change while they are streamed, or if TensorBoard is not installed.
    """
    if tensorboard:
        curves.check_installed()
    scenario = settings.scenario
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    dataset = dataset.viewed(scenario.duration, scenario.interval)
    run = Run(files.as_path(folder))
    dataset.require(scenario.inputs)
    check_parameters(scenario, dataset)
    configure_threads()
    strategy = choose_strategy(settings.strategy)
    config = RunConfig.of(settings, dataset, parts=batch_parts(strategy, settings.batch_size))
    run.check_same(config)
    if run.is_finished():
        return _finished(run, dataset, tensorboard)
    tf.get_logger().setLevel("ERROR")
    keras.utils.set_random_seed(settings.seed)
    feed = Feed(dataset, settings, gathering_device(strategy, dataset, config))
    files.make_folder(run.folder)
    with files.locked(run.folder):
        # Once more: while the data were read, another process may have come first.
        run.check_same(config)
        if not run.is_finished():
            result = _train_locked(run, config, feed, strategy, verbose, tensorboard)
            _draw_learning_curves(run, run.read_history(), settings, dataset)
            return result
    return _finished(run, dataset, tensorboard)


def _finished(run: Run, dataset: Dataset, tensorboard: bool) -> TrainingResult:
    """Result of a run that was finished before, with whatever a kill has left undone after it."""
    finished = load_run(run.folder)
    if tensorboard and not (run.folder / TENSORBOARD).is_dir():
        settings = finished.config.settings
        _write_curves(run, finished.history, settings, dataset.count("train") // settings.batch_size)
    if run.checkpoint.exists() or not run.learning_curves.exists():
        with files.locked(run.folder):
            run.checkpoint.unlink(missing_ok=True)
            if not run.learning_curves.exists():
                _draw_learning_curves(run, finished.history, finished.config.settings, dataset)
    return finished.result


def _draw_learning_curves(run: Run, history: pd.DataFrame, settings: TrainingSettings, dataset: Dataset) -> None:
    """Draws the history of a run beside the highest possible R² of its scenario, with noise a local bound.

    Posteriors, which tell more, take minutes: the evaluation has them.
    """
    from gait.limits.analysis import analyse_scenario  # only now: neither this nor matplotlib is needed to train
    from gait.report.learning_curves import plot_learning_curves
    from gait.report.log_probability import plot_log_probability
    from gait.report.style import save

    if settings.estimate == "posterior":
        coordinates = coordinates_of(settings, dataset.priors)
        save(plot_log_probability(history, coordinates.log_prior()), run.learning_curves)
        return
    analysis = analyse_scenario(settings.scenario, dataset.priors, dataset.settings, fits=0, walkers=0)
    ceilings = {target: analysis.ceilings[target] for target in settings.scenario.targets}
    local = settings.scenario.noise is not None
    save(plot_learning_curves(history, ceilings, local=local), run.learning_curves)


def _train_locked(
    run: Run,
    config: RunConfig,
    feed: Feed,
    strategy: tf.distribute.Strategy,
    verbose: int | str,
    tensorboard: bool,
) -> TrainingResult:
    settings = config.settings
    if run.checkpoint.exists():  # rounding differs between numbers of parts, and the epochs of a run should not
        config = dataclasses.replace(config, parts=run.read_config().parts)
    with strategy.scope():
        core = compiled_network(settings, feed.width, feed.steps, strategy, config.parts, feed.batch, feed.outputs)
        posterior = settings.estimate == "posterior"
        scores = ["log_p"] if posterior else [f"r2_{target}" for target in settings.scenario.targets]
        columns = [p + name for name in ("loss", *scores) for p in ("", "val_")]
        state = TrainingState(run, feed, settings.checkpoint_every, columns, settings.early_stopping)
        state.set_model(core)
        finished = state.resume()  # first of all: a run of other code is left as it is
    files.write_sealed(run.config, config.to_dict())
    run.result.unlink(missing_ok=True)  # of a model that is gone
    state.restore_history()
    if finished < settings.epochs and not state.is_exhausted(finished):
        if feed.batch is not None:  # Keras would take the arguments of `batch` for inputs to build its metrics with
            core.evaluate(feed.validation.take(1), verbose=0)
        callbacks: list[keras.callbacks.Callback] = [state]
        if posterior:
            inputs, targets = feed.input_moments, feed.target_moments
            constants = [slope - float(np.sum(np.log(targets.sd))) for slope in feed.log_slope.values()]
            callbacks.insert(0, LogProbability(*constants))
        if tensorboard:
            earlier = run.read_history() if finished else pd.DataFrame()
            _write_curves(run, earlier, settings, feed.steps)
            callbacks.append(curves.EpochCurves(run.folder / TENSORBOARD))
        try:
            core.fit(
                feed.train,
                shuffle=False,  # the feed does it
                validation_data=feed.validation,
                initial_epoch=finished,
                epochs=settings.epochs,
                callbacks=callbacks,
                verbose=verbose,
            )
        except tf.errors.OpError:
            feed.check_unchanged(thoroughly=True)  # a shard that is gone or damaged has a sentence of its own
            raise
    # Not the compiled network itself: its metric would be saved with it, and plain Keras does not know it.
    best = new_network(settings, feed.width, feed.outputs)
    best.set_weights(state.best_weights)
    inputs, outputs = feed.input_moments, feed.target_moments
    if posterior:
        moments = (inputs.mean, inputs.sd), (outputs.mean, outputs.sd)
        model = mixture_in_logits(best, settings.components, *moments, feed.whitening)
    else:
        model = in_physical_units(best, inputs.mean, inputs.sd, outputs.mean, outputs.sd, feed.whitening)
    with files.replacing(run.model) as temporary, files.dated_archives():
        model.save(temporary)
    history = run.read_history()
    result = TrainingResult(
        epochs=len(history),
        best_epoch=state.best_epoch,
        best_val_loss=state.best_loss,
        seconds=float(history["seconds"].sum()),
        peak_memory_bytes=provenance.peak_memory(),
        model_sha256=files.sha256(run.model),
        history_sha256=files.sha256(run.history),
    )
    files.write_sealed(run.result, result.to_dict())
    run.checkpoint.unlink(missing_ok=True)
    return result


def _write_curves(run: Run, history: pd.DataFrame, settings: TrainingSettings, steps: int) -> None:
    """Writes a history for TensorBoard, with the learning rates that its epochs ended with."""
    rate = learning_rate(settings, steps)
    fixed = isinstance(rate, float)
    curves.write_history(run.folder / TENSORBOARD, history, lambda epoch: float(rate if fixed else rate(epoch * steps)))


def new_network(
    settings: TrainingSettings, width: int, targets: int | None = None, activation: Callable[..., Any] | None = None
) -> keras.Model:
    """Makes the scenario's network with fresh weights.

    Args:
        settings: what is trained and how.
        width: number of inputs.
        targets: number of logits of a posterior; None for as many as there are targets.
        activation: function that takes the place of the activation in the settings; None for that one.
    """
    outputs = len(settings.scenario.targets)
    if settings.estimate == "posterior":
        outputs = sum(sizes(settings.components, targets or outputs))
    return dense_network(width, outputs, activation or settings.activation, settings.layers, settings.units)


def compiled_network(
    settings: TrainingSettings,
    width: int,
    steps: int,
    strategy: tf.distribute.Strategy,
    parts: int = 1,
    batch_of: Callable[..., Any] | None = None,
    targets: int | None = None,
) -> TrainingModel:
    """Makes the scenario's network, ready to be fitted to preprocessed batches.

    Args:
        settings: what is trained and how.
        width: number of inputs.
        steps: batches in an epoch.
        strategy: device strategy whose scope this is called in.
        parts, batch_of: see `TrainingModel`.
        targets: see `new_network`.
    """
    activation = swish if settings.activation == "swish" else None
    core = TrainingModel(new_network(settings, width, targets, activation), parts, batch_of)
    posterior = settings.estimate == "posterior"
    rate = learning_rate(settings, steps)
    if settings.optimizer == "adam" and _on_one_cpu(strategy):
        optimizer = Adam(rate)
    else:
        optimizer = keras.optimizers.get({"class_name": settings.optimizer, "config": {"learning_rate": rate}})
    core.compile(
        optimizer,
        loss=MixtureLoss(settings.components, targets or len(settings.scenario.targets)) if posterior else "mse",
        metrics=[] if posterior else [R2(settings.scenario.targets)],
        # Several batches in one call of the graph. With several replicas, Keras fails at more than one.
        steps_per_execution=min(steps, 100) if strategy.num_replicas_in_sync == 1 else 1,
        jit_compile="auto" if tf.config.list_logical_devices("GPU") else False,  # slower on a CPU
    )
    core.optimizer.build(core.trainable_variables)
    return core


def learning_rate(settings: TrainingSettings, steps: int) -> Any:
    """Course of the learning rate: a number, or a function of the number of batches.

    Args:
        settings: what is trained and how.
        steps: batches in an epoch.
    """
    rate, schedules = float(settings.learning_rate), keras.optimizers.schedules
    if settings.schedule == "cosine":
        return schedules.CosineDecay(rate, decay_steps=settings.epochs * steps)
    if settings.schedule == "inverse":
        return schedules.InverseTimeDecay(rate, decay_steps=10 * steps, decay_rate=1.0)
    if settings.schedule == "exponential":
        return schedules.ExponentialDecay(rate, decay_steps=steps, decay_rate=0.8)
    return rate
