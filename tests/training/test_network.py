"""The network while it is fitted: parts of a batch side by side, and batches made on a device."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from gait.data.dataset import open_dataset
from gait.scenarios import SCENARIOS
from gait.training import fitting
from gait.training.feed import Feed
from gait.training.fitting import batch_parts, compiled_network, gathering_device, train
from gait.training.network import Adam, TrainingModel, dense_network, swish
from gait.training.run import RunConfig, TrainingSettings, load_run
from gait.training.state import R2
from tests.helpers.walks import SMALL_NETWORK
from tests.training.test_inputs import NOISY
from tests.training.test_training import history

DEFAULT = tf.distribute.get_strategy()


def settings(scenario="two_parameter", **changes):
    scenario = SCENARIOS.get(scenario, NOISY)
    return TrainingSettings(scenario, **({"epochs": 3, "batch_size": 100} | SMALL_NETWORK | changes))


def one_step(parts, rows=1000, evaluate=False):
    """Weights and scores after a step of plain gradient descent, of rate 1, from the same weights on the same batch."""
    keras.utils.set_random_seed(3)
    generator = np.random.default_rng(0)
    batch = generator.normal(size=(rows, 20)), generator.normal(size=(rows, 2))
    model = TrainingModel(dense_network(20, 2, "swish", layers=3, units=30), parts)
    before = [weight.copy() for weight in model.get_weights()]
    model.compile(keras.optimizers.SGD(1.0), loss="mse", metrics=[R2(("a", "b"))], jit_compile=False)
    data = tf.data.Dataset.from_tensors(tuple(tf.constant(array, tf.float32) for array in batch))
    if evaluate:
        return model.evaluate(data, verbose=0, return_dict=True)
    scores = model.fit(data, shuffle=False, verbose=0).history
    return [after - was for after, was in zip(model.get_weights(), before, strict=True)], scores


@pytest.mark.parametrize(("rows", "parts"), [(1000, 2), (7, 3), (7, 7)])
def test_parts_have_the_gradient_of_the_batch(rows, parts):
    """To the rounding of float32, also where parts differ in size; and so are loss and R²."""
    (whole, scores), (summed, same) = one_step(1, rows), one_step(parts, rows)
    size = max(np.abs(gradient).max() for gradient in whole)
    for gradient, expected in zip(summed, whole, strict=True):
        np.testing.assert_allclose(gradient, expected, atol=2e-6 * size)
        assert np.abs(expected).max() > 1e-3 * size  # negative control: there is something to agree
    assert scores.keys() == same.keys() == {"loss", "r2_a", "r2_b"}
    for name in scores:
        np.testing.assert_allclose(same[name], scores[name], rtol=1e-5, atol=1e-6)


def test_swish_is_that_of_keras():
    """Values to the last bit, and its gradient to the rounding of float32, also where exp overflows.

    The sigmoid rounds to 1 at 17, where Keras's gradient is off by as much: 17 / 2**24.
    """
    inputs = tf.constant(np.concatenate([np.linspace(-20, 20, 10_001), [-1e4, -90, 90, 1e4]]).astype(np.float32))

    def of(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            values = function(inputs)
        return values.numpy(), tape.gradient(values, inputs).numpy()

    (values, gradient), (expected, slope) = of(swish), of(keras.activations.silu)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_allclose(gradient, slope, atol=5e-7)
    x = inputs.numpy()[:10_001].astype(float)
    sigmoid = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(gradient[:10_001], sigmoid + x * sigmoid * (1 - sigmoid), atol=17 / 2**24)


def test_a_network_is_fitted_with_the_swift_gradient_and_saved_as_keras_has_it():
    """Negative control: other activations are left as they are."""

    def hidden(model):
        return {layer.activation for layer in model.layers if layer.name.startswith("hidden")}

    assert hidden(compiled_network(settings(), 60, 16, DEFAULT)) == {swish}
    assert hidden(compiled_network(settings(activation="tanh"), 60, 16, DEFAULT)) == {keras.activations.tanh}
    assert hidden(fitting.new_network(settings(), 60)) == {keras.activations.silu}


def test_adam_is_that_of_keras():
    """Weights and moments after forty steps with a falling rate, to the rounding of float32; not Nadam's."""

    def after(kind):
        rate = keras.optimizers.schedules.InverseTimeDecay(0.004, decay_steps=10, decay_rate=1.0)
        optimizer, generator = kind(rate), np.random.default_rng(0)
        variables = [keras.Variable(generator.normal(size=shape), dtype="float32") for shape in ((20, 30), (30,))]
        optimizer.build(variables)
        for _ in range(40):
            gradients = [tf.constant(generator.normal(size=variable.shape), tf.float32) for variable in variables]
            optimizer.apply(gradients, variables)
        assert int(optimizer.iterations) == 40
        return [variable.numpy() for variable in (*variables, *optimizer.variables)]

    found, expected = after(Adam), after(keras.optimizers.Adam)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=1e-5)
    assert np.abs(found[0] - after(keras.optimizers.Nadam)[0]).max() > 1e-3


def test_other_optimizers_and_devices_have_keras_s_own(monkeypatch):
    def kind(**changes):
        return type(compiled_network(settings(**changes), 60, 16, DEFAULT).optimizer)

    assert kind() is Adam
    assert kind(optimizer="nadam") is keras.optimizers.Nadam
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [tf.config.LogicalDevice("GPU:0", "GPU")])
    assert kind() is keras.optimizers.Adam


@pytest.mark.parametrize("rows", [1000, 1])
def test_parts_evaluate_like_the_batch(rows):
    """Also with fewer rows than parts."""
    whole, parts = one_step(1, rows, evaluate=True), one_step(3, rows, evaluate=True)
    assert whole.keys() == parts.keys()
    for name in whole:
        assert parts[name] == pytest.approx(whole[name], rel=1e-5, abs=1e-6)


def test_one_part_for_each_core(monkeypatch):
    monkeypatch.setattr(fitting, "cores", lambda: 4)
    assert batch_parts(DEFAULT, 1000) == 4
    assert batch_parts(DEFAULT, 3) == 3
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [tf.config.LogicalDevice("GPU:0", "GPU")])
    assert batch_parts(DEFAULT, 1000) == 1


@pytest.mark.usefixtures("no_figure")
def test_a_run_keeps_its_parts(small_dataset, tmp_path, monkeypatch, cut_after_checkpoint):
    """Stated in its configuration; a run that continues on more cores ends as it would have on those it began on."""
    whole, folder, chosen = tmp_path / "whole", tmp_path / "run", settings(epochs=2, checkpoint_every=1)
    monkeypatch.setattr(fitting, "cores", lambda: 3)
    train(small_dataset, whole, chosen, verbose=0)
    assert load_run(whole).config.parts == 3

    cut_after_checkpoint(train, small_dataset, folder, chosen, verbose=0)
    monkeypatch.setattr(fitting, "cores", lambda: 2)
    train(small_dataset, folder, chosen, verbose=0)
    assert load_run(folder).config.parts == 3
    assert history(folder) == history(whole)


# A split kept on a device --------------------------------------------------------------------


def batches(feed, epoch):
    feed.begin(epoch)
    made = [feed.batch(*arguments) for arguments in feed.train] if feed.batch else list(feed.train)
    return [np.concatenate(arrays) for arrays in zip(*made, strict=True)]


@pytest.mark.parametrize("scenario", ["two_parameter", "noisy"])
def test_a_device_gathers_the_same_batches(small_dataset, scenario):
    """The CPU stands in for a GPU."""
    dataset, chosen = open_dataset(small_dataset), settings(scenario)
    here, there = Feed(dataset, chosen), Feed(dataset, chosen, device="CPU:0")
    assert here.batch is None
    for epoch in (0, 1):
        for expected, found in zip(batches(here, epoch), batches(there, epoch), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("no_figure")
@pytest.mark.parametrize("strategy", ["default", pytest.param("mirrored", marks=pytest.mark.slow)])
@pytest.mark.parametrize("scenario", ["two_parameter", "noisy"])
def test_training_from_a_device_ends_alike(small_dataset, tmp_path, monkeypatch, strategy, scenario):
    """To the last bit whether the network gathers its batches, part by part, or tf.data does."""
    chosen = settings(scenario, strategy=strategy, epochs=2)
    train(small_dataset, tmp_path / "there", chosen, verbose=0)
    used = []
    monkeypatch.setattr(fitting, "gathering_device", lambda *arguments: used.append(None))
    train(small_dataset, tmp_path / "here", chosen, verbose=0)
    assert used == [None]
    assert history(tmp_path / "there") == history(tmp_path / "here")


def test_the_cpu_gathers_where_there_is_no_gpu(small_dataset):
    """Negative controls: neither what is streamed, nor for several replicas."""
    dataset = open_dataset(small_dataset)

    def device(strategy=DEFAULT, **changes):
        return gathering_device(strategy, dataset, RunConfig.of(settings(**changes), dataset, parts=2))

    assert device() == "CPU:0"
    assert device(cache="none") is None
    assert device(types.SimpleNamespace(num_replicas_in_sync=2)) is None


def test_a_split_stays_on_a_gpu_with_three_times_its_size(small_dataset, monkeypatch):
    dataset, size = open_dataset(small_dataset), 1600 * (60 + 2) * 4

    def device(*scenario, **changes):
        return gathering_device(DEFAULT, dataset, RunConfig.of(settings(*scenario, **changes), dataset, parts=1))

    gpu = tf.config.LogicalDevice("/device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [gpu])
    monkeypatch.setattr(fitting, "device_memory", lambda name: 3 * size)
    assert device() == gpu.name
    assert device(cache="none") is None
    assert device("force_plate") is None  # three targets: a little more
    monkeypatch.setattr(fitting, "device_memory", lambda name: 3 * size - 1)
    assert device() is None


def test_memory_of_a_device():
    (device,) = tf.config.list_logical_devices("CPU")[:1]
    assert fitting.device_memory(device.name) > 0
    assert fitting.device_memory("no such device") == 0


def test_compiled_network_takes_the_place_of_the_plain_one():
    plain = fitting.new_network(settings(), 60)
    model = compiled_network(settings(), 60, 16, DEFAULT, parts=2)
    assert [tuple(weight.shape) for weight in model.weights] == [tuple(weight.shape) for weight in plain.weights]
