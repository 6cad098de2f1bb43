"""The lesson's quiz, in its own words, answered by the project's own arithmetic."""

import pytest

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.journey import macs, parameters, shape_journey

FASHION = (28, 28, 1)
TEN_CLASSES = 10


def journey(notation, image=FASHION):
    return shape_journey(Architecture.parse(notation), image, TEN_CLASSES)


def shapes(notation, image=FASHION):
    return [stage.shape_text for stage in journey(notation, image)]


@pytest.mark.parametrize(
    ("side", "filter_size", "left"),
    [
        (28, 3, 26),  # "How does a 3x3 filter change a 28x28 image?" One pixel less on each side
        (28, 5, 24),
        (28, 7, 22),
        (28, 1, 28),
        (13, 3, 11),
        (11, 3, 9),
        (3, 3, 1),
    ],
)
def test_an_image_under_a_filter_loses_its_edge(side, filter_size, left):
    after = journey(f"4k{filter_size}n-d8", (side, side, 1))[1]
    assert after.shape == (left, left, 4)


def test_with_same_padding_it_keeps_its_size():
    assert shapes("4k3sn-d8")[1] == "28×28×4"


@pytest.mark.parametrize(
    ("side", "pooled"),
    [
        (26, 13),  # "After max pooling a 26x26 image with a 2x2 filter": 13x13
        (11, 5),  # an odd row at the edge is left out
        (28, 14),
        (2, 1),
    ],
)
@pytest.mark.parametrize("pooling", ["", "a"])
def test_pooling_by_two_halves_each_side(side, pooled, pooling):
    stage = journey(f"4k1{pooling}-d8", (side, side, 1))[2]
    assert stage.shape == (pooled, pooled, 4)


def test_pooling_keeps_a_quarter_of_the_values_and_every_filter():
    convolution, pooling = journey("64k3-d128")[1:3]
    assert (convolution.shape, pooling.shape) == ((26, 26, 64), (13, 13, 64))
    assert 4 * 13 * 13 * 64 == 26 * 26 * 64


def test_the_lessons_table_of_shapes():
    # The course prints this summary of its network and asks why 28 becomes 26 and then 13.
    assert shapes("64k3-64k3-d128") == [
        "28×28×1", "26×26×64", "13×13×64", "11×11×64", "5×5×64", "1600", "128", "10",
    ]  # fmt: skip


def test_the_lessons_table_of_parameters():
    stages = journey("64k3-64k3-d128")
    assert [stage.parameters for stage in stages] == [0, 640, 0, 36_928, 0, 0, 204_928, 1_290]
    assert parameters(REFERENCES["cnn"], FASHION, TEN_CLASSES) == 243_786
    assert parameters(REFERENCES["dnn"], FASHION, TEN_CLASSES) == 101_770


def test_a_filter_is_nine_weights_and_a_bias():
    # "64 filters of 3x3 on a grey image": 64 * (3*3*1 + 1); on 64 channels: 64 * (3*3*64 + 1)
    first, second = (s for s in journey("64k3-64k3-d128") if s.kind == "convolution")
    assert first.parameters == 64 * (3 * 3 * 1 + 1)
    assert second.parameters == 64 * (3 * 3 * 64 + 1)


def test_how_many_values_reach_the_dense_layer():
    def flattened(notation):
        return next(s for s in journey(notation) if s.kind == "flatten").shape

    assert flattened("d128") == (784,)  # 28 * 28
    assert flattened("64k3-d128") == (10_816,)  # 13 * 13 * 64: without the final convolution
    assert flattened("64k3-64k3-d128") == (1_600,)  # 5 * 5 * 64
    assert flattened("64k3-64k3-64k3-d128") == (64,)  # 1 * 1 * 64: one convolution more
    assert flattened("16k3-16k3-d128") == (400,)  # fewer than the 784 of the image itself


def test_a_third_convolution_just_fits():
    assert shapes("64k3-64k3-64k3-d128")[5:8] == ["3×3×64", "1×1×64", "64"]


def test_exercise_three_one_convolution_and_one_pool_on_mnist():
    assert shapes("32k3-d128") == ["28×28×1", "26×26×32", "13×13×32", "5408", "128", "10"]


def test_a_convolution_has_few_weights_and_much_work():
    # "Is it faster?" Weights are shared: 640 of them, used at each of 26 * 26 places.
    convolution = journey("64k3-d128")[1]
    assert convolution.macs == 26 * 26 * 9 * 64 == 389_376
    dnn, cnn = (macs(REFERENCES[name], FASHION, TEN_CLASSES) for name in ("dnn", "cnn"))
    assert dnn == 784 * 128 + 128 * 10 == 101_632
    assert cnn == 389_376 + 11 * 11 * 9 * 64 * 64 + 1_600 * 128 + 128 * 10 == 5_056_000
