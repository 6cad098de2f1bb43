from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.trial import Recipe
from pipeline.data.dataset import Split
from pipeline.training.augmentation import augmented, draws
from pipeline.training.backend import compute_threads, keras
from pipeline.training.batching import images_a_call, parts_of_batch
from pipeline.training.model import build_model
from pipeline.training.network import CompiledNetwork, DeviceData
from pipeline.training.stepping import epoch_order
from pipeline.training.training_graph import training_logits


@pytest.fixture(scope="module")
def build(session, data):
    """Build networks; the session has set the backend up."""
    on_device = DeviceData.place(data.train, 3)

    def build(
        notation="4k3-d8",
        *,
        optimizer="adam",
        looping=True,
        precision="float32",
        averaged_epochs=None,
        augmentation="none",
        images=on_device,
        learning_rate=0.01,
    ):
        return CompiledNetwork(
            Architecture.parse(notation),
            Recipe(
                batch_size=16,
                optimizer=optimizer,
                learning_rate=learning_rate,
                schedule="constant",
                augmentation=augmentation,
            ),
            seed=5,
            data=images,
            epochs=2,
            precision=precision,
            jit_compile=False,
            looping=looping,
            averaged_epochs=averaged_epochs,
        )

    return build


def weights_after(network, *spans):
    network.begin_epoch(1)
    order = network.order(1)
    means = [network.train(order, first, last) for first, last in spans]
    return network.weights(), means


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_steps_in_one_call_are_the_same_steps(build, optimizer):
    together, (mean,) = weights_after(build(optimizer=optimizer), (0, 6))
    apart, means = weights_after(build(optimizer=optimizer), (0, 1), (1, 4), (4, 6))
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(one, other)
    shares = np.array([1, 3, 2]) / 6
    np.testing.assert_allclose(shares @ np.array(means), mean, rtol=1e-5)


def test_steps_outside_the_graph_are_the_same_steps(build):
    inside, means = weights_after(build(), (0, 6))
    outside, others = weights_after(build(looping=False), (0, 6))
    for one, other in zip(inside, outside, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(means, others, rtol=1e-5)


def test_a_step_is_what_keras_does_with_the_same_batch(build, data):
    network = build(optimizer="sgd")
    plain = keras.models.clone_model(network.model)
    plain.set_weights(network.model.get_weights())
    plain.compile(
        keras.optimizers.SGD(0.01 * 16 / 128, momentum=0.9), "sparse_categorical_crossentropy"
    )
    batch = epoch_order(90, 16, 5, 1)[0]
    loss = plain.train_on_batch(data.train.images[batch], data.train.labels[batch])
    found, ((mean, _),) = weights_after(network, (0, 1))
    assert mean == pytest.approx(float(loss), rel=1e-5)
    for one, other in zip(found, plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_building_takes_no_step(build):
    for network in (build(), build(looping=False)):
        fresh = build()
        for one, other in zip(network.state(), fresh.state(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_restoring_a_state_undoes_everything(build):
    network = build("4k3b-d8p0.5")
    before = network.state()
    first, means = weights_after(network, (0, 6))
    assert any(not np.array_equal(a, b) for a, b in zip(before, network.state(), strict=True))
    network.restore(before)
    for one, other in zip(before, network.state(), strict=True):
        np.testing.assert_array_equal(one, other)
    second, again = weights_after(network, (0, 6))
    assert means == again
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_dropout_is_decided_by_seed_and_epoch(build):
    network = build("d8p0.5")
    before = network.state()
    losses = []
    for epoch in (1, 2, 1):
        network.restore(before)
        network.begin_epoch(epoch)
        losses.append(network.train(network.order(1), 0, 1)[0])
    assert losses[0] == losses[2] != losses[1]


def test_evaluation_is_the_same_in_any_batch_size(build, data):
    network = build()
    probabilities = network.infer(data.validation.images)
    labels = data.validation.labels
    expected = -np.log(probabilities[np.arange(50), labels]).mean()
    for batch_size in (1000, 50, 20, 7):
        found = network.evaluate(data.validation, batch_size)
        assert found.loss == pytest.approx(float(expected), rel=1e-5)
        assert found.accuracy == np.mean(probabilities.argmax(axis=1) == labels)
        np.testing.assert_array_equal(found.labels, probabilities.argmax(axis=1))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("notation", ["4k3-d8", "4k3b-d8"])
def test_mixed_precision_trains_float32_weights(build, precision, notation):
    network = build(notation, precision=precision)
    assert network.model.get_layer("convolution_1").compute_dtype == precision[6:]
    weights, ((loss, _),) = weights_after(network, (0, 6))
    assert np.isfinite(loss)
    assert {weight.dtype for weight in weights} == {np.dtype("float32")}
    assert network.infer(np.zeros((2, 8, 8, 1), dtype=np.uint8)).dtype == np.float32


def test_the_summary_names_layers_and_parameters(build):
    summary = build().summary()
    assert "convolution_1" in summary and "Total params: 363" in summary


@pytest.mark.parametrize(
    ("optimizer", "epochs", "steps"),
    [("adam", 1.0, 6), ("adam", 0.5, 3), ("sgd", 1, 6), ("rmsprop", 1, 6)],
)
def test_averaged_weights_are_the_exponential_average_and_training_goes_on(
    build, optimizer, epochs, steps
):
    network, plain = build(optimizer=optimizer, averaged_epochs=epochs), build(optimizer=optimizer)
    expected = None
    for step in range(6):
        raw, _ = weights_after(network, (step, step + 1))
        other, _ = weights_after(plain, (step, step + 1))
        if step == 2:  # in the middle, to see that nothing stays of it
            with network.averaged():
                assert not all(map(np.array_equal, network.weights(), raw))
        for one, two in zip(raw, other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-6)
        # An epoch has six steps; the first weights stand for themselves.
        share = 1 / steps if expected else 1.0
        before = expected or raw
        expected = [a + share * (b - a) for a, b in zip(before, raw, strict=True)]
    with network.averaged():
        for one, two in zip(network.weights(), expected or [], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("looping", [True, False], ids=["looping", "stepping"])
def test_a_step_sees_the_images_as_they_were_drawn(build, data, looping):
    network = build(augmentation="shift_flip_cutout", optimizer="sgd", looping=looping)
    found, _ = weights_after(network, (0, 1))
    batch = epoch_order(90, 16, 5, 1)[0]
    drawn = draws("shift_flip_cutout", 96, data.train.images.shape[1:3], 5, 1)[:16]
    images = data.train.images.copy()
    images[batch] = augmented(images[batch], drawn)
    assert not np.array_equal(images, data.train.images)
    before = DeviceData.place(replace(data.train, images=images), 3)
    expected, _ = weights_after(build(optimizer="sgd", images=before), (0, 1))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_augmented_steps_in_one_call_are_the_same_steps(build):
    together, _ = weights_after(build(augmentation="shift_flip"), (0, 6))
    apart, _ = weights_after(build(augmentation="shift_flip"), (0, 2), (2, 6))
    plain, _ = weights_after(build(), (0, 6))
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(together[0], plain[0])


def pictures(count, shape):
    generator = np.random.default_rng(11)
    images = generator.integers(0, 256, size=(count, *shape)).astype(np.uint8)
    return Split(images=images, labels=generator.integers(3, size=count))


def calls_of(network, monkeypatch, infer):
    """Return a list that gets the images of each call, which ``infer`` answers."""
    sizes: list[int] = []

    def counted(images):
        sizes.append(len(images))
        return infer(images)

    monkeypatch.setattr(network, "_validating", counted)
    return sizes


def test_large_images_are_evaluated_a_few_at_a_time(build, monkeypatch):
    monkeypatch.setattr("pipeline.training.batching.device_kind", lambda: "cpu")
    split = pictures(250, (96, 96, 3))
    network = build("64k3-d8", images=DeviceData.place(split, 3))
    probabilities = network.infer(split.images)
    truth = probabilities[np.arange(250), split.labels].astype(np.float64)
    sizes = calls_of(network, monkeypatch, network.infer)
    found = network.evaluate(split, 1000)
    # The convolution's 94x94x64 numbers of three images have 6.5 MiB.
    assert sizes == [3] * 84
    np.testing.assert_array_equal(found.labels, probabilities.argmax(axis=1))
    assert found.loss == pytest.approx(-np.log(truth).mean(), rel=1e-6)


def test_what_is_small_is_evaluated_as_many_at_a_time_as_is_said(build, monkeypatch):
    split = pictures(2000, (28, 28, 1))
    network = build("d128", images=DeviceData.place(split, 3))
    sizes = calls_of(network, monkeypatch, lambda images: np.full((len(images), 3), 1 / 3))
    network.evaluate(split, 1000)
    assert sizes == [1000, 1000]


@pytest.mark.parametrize(
    ("images", "momentum"), [(16, 0.5), (160, 0.6), (320, 0.8), (640, 0.9), (6400, 0.9)]
)
def test_moving_statistics_remember_a_quarter_of_an_epoch(build, images, momentum):
    network = build("4k3b-d8", images=DeviceData.place(pictures(images, (8, 8, 1)), 3))
    assert network.steps == images // 16
    layer = network.model.get_layer("normalisation_1")
    assert layer.momentum == pytest.approx(momentum)
    layer.moving_mean.assign(np.full(4, 100.0))
    weights_after(network, (0, 1))
    # The images, scaled to at most 1, give hardly anything beside it.
    np.testing.assert_allclose(layer.moving_mean, np.full(4, 100.0 * momentum), atol=1.0)


@pytest.mark.parametrize(("images", "kernel"), [(16, "4k3b-d8"), (48, "4k3b-4k3b-d8")])
def test_after_the_first_epoch_moving_statistics_know_nothing_of_their_start(build, images, kernel):
    """They are means over the batches, with the weights that the momentum gives them."""
    split = pictures(images, (12, 12, 1))
    network = build(kernel, images=DeviceData.place(split, 3), learning_rate=1e-12)
    order = network.order(1)
    seen = keras.Model(network.model.input, network.model.get_layer("convolution_1").output)
    rows = np.asarray(order)[:, :, 0]
    outputs = [np.asarray(seen(split.images[row])) for row in rows]
    momentum = network.model.get_layer("normalisation_1").momentum
    weights = np.array([momentum ** (len(rows) - 1 - step) for step in range(len(rows))])
    means, variances = (
        np.average([how(o, axis=(0, 1, 2)) for o in outputs], axis=0, weights=weights)
        for how in (np.mean, np.var)
    )
    network.train(order, 0, network.steps)
    network.end_epoch(1)
    layer = network.model.get_layer("normalisation_1")
    np.testing.assert_allclose(layer.moving_mean, means, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variances, rtol=1e-3, atol=1e-5)
    before = np.asarray(layer.moving_variance).copy()
    network.end_epoch(2)
    np.testing.assert_array_equal(layer.moving_variance, before)


def test_threads_share_what_their_caches_hold(build):
    assert compute_threads() == 1  # as the session was set up


@pytest.mark.parametrize(
    ("notation", "precision", "batch_size", "parts"),
    [
        ("64k3-64k3-d128", "float32", 128, 4),  # 26x26x64 numbers an image, 5.3 MiB for 32 images
        ("64k3-64k3-d128", "float32", 126, 6),  # in 4 parts of one size it cannot be
        ("64k3-64k3-d128", "float32", 127, 1),
        ("64k3-64k3-d128", "float32", 512, 8),  # at most
        ("64k3-64k3-d128", "mixed_bfloat16", 128, 1),
        ("16k3-d64", "float32", 128, 1),
        ("64k3n-16k3-d64", "float32", 128, 4),
        ("64k3b-64k3-d64", "float32", 128, 1),
        ("d128", "float32", 128, 1),
    ],
)
def test_a_batch_is_trained_on_in_the_parts_that_caches_hold(
    monkeypatch, *, notation, precision, batch_size, parts
):
    model = build_model(Architecture.parse(notation), (28, 28, 1), 10, 1, precision)
    monkeypatch.setattr("pipeline.training.batching.compute_threads", lambda: 1)
    assert parts_of_batch(model, batch_size) == parts
    monkeypatch.setattr("pipeline.training.batching.compute_threads", lambda: 8)
    assert parts_of_batch(model, 128) == 1


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_what_is_validated_is_the_model_that_is_saved(build, data, precision):
    network = build("6k3b-6k3nb-d8", precision=precision)
    weights_after(network, (0, 6))
    found = network.evaluate(data.train, 1000)
    probabilities = network.infer(data.train.images)
    truth = probabilities[np.arange(len(data.train)), data.train.labels].astype(np.float64)
    tolerance = 1e-4 if precision == "float32" else 0.02
    assert found.loss == pytest.approx(-np.log(truth).mean(), rel=tolerance)
    assert np.mean(found.labels == probabilities.argmax(axis=1)) > 0.98


def test_a_processor_trains_the_same_network_by_operations_that_suit_it(build, monkeypatch):
    seen, found = [], []

    def logits(model, **how):
        seen.append(how)
        return training_logits(model, **how)

    monkeypatch.setattr("pipeline.training.network.training_logits", logits)
    monkeypatch.setattr("pipeline.training.network.parts_of_batch", lambda model, size: 2)
    for device in ("cpu", "gpu"):
        monkeypatch.setattr("pipeline.training.network.device_kind", lambda device=device: device)
        weights, _ = weights_after(build("6k3-6k3nb-d8", optimizer="sgd"), (0, 4))
        found.append(weights)
    # And once more to validate, a processor does.
    assert seen == [{"parts": 2, "fused": True}, {"fused": True}, {"parts": 1, "fused": False}]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("device", "threads", "images"), [("cpu", 1, 48), ("cpu", 2, 96), ("gpu", 1, 1000)]
)
def test_a_processor_has_what_its_caches_hold(build, monkeypatch, *, device, threads, images):
    monkeypatch.setattr("pipeline.training.batching.device_kind", lambda: device)
    monkeypatch.setattr("pipeline.training.batching.compute_threads", lambda: threads)
    # Its first convolution has 26x26x64 numbers an image.
    model = build(REFERENCES["cnn"].notation, images=DeviceData.place(pictures(9, (28, 28, 1)), 3))
    assert images_a_call(model.model, 1000) == images
    assert images_a_call(model.model, 7) == 7
