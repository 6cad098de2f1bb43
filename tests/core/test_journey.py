import pytest

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.core.journey import (
    after_convolution,
    after_pooling,
    counted_costs,
    macs,
    misfit,
    parameters,
    shape_journey,
    timed_beside,
)

IMAGE = (28, 28, 1)


def shapes(text, image=IMAGE, classes=10):
    return [stage.shape_text for stage in shape_journey(Architecture.parse(text), image, classes)]


def test_the_lessons_journey():
    assert shapes("64k3-64k3-d128") == [
        "28×28×1", "26×26×64", "13×13×64", "11×11×64", "5×5×64", "1600", "128", "10",
    ]  # fmt: skip


def test_the_references_have_the_lessons_parameters():
    assert parameters(REFERENCES["cnn"], IMAGE, 10) == 243_786
    assert parameters(REFERENCES["dnn"], IMAGE, 10) == 101_770


def test_multiply_accumulates_by_hand():
    assert macs(REFERENCES["dnn"], IMAGE, 10) == 784 * 128 + 128 * 10
    first, second = 26 * 26 * 9 * 64, 11 * 11 * 9 * 64 * 64
    assert macs(REFERENCES["cnn"], IMAGE, 10) == first + second + 1600 * 128 + 128 * 10


def test_batch_normalisation_replaces_the_bias_by_four_values_a_channel():
    plain = parameters(Architecture.parse("8k3-d4"), IMAGE, 10)
    assert parameters(Architecture.parse("8k3b-d4"), IMAGE, 10) == plain - 8 + 4 * 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8k3s-d4", ["28×28×1", "28×28×8", "14×14×8", "1568", "4", "10"]),
        ("8k3n-d4", ["28×28×1", "26×26×8", "5408", "4", "10"]),
        ("8k5a-d4", ["28×28×1", "24×24×8", "12×12×8", "1152", "4", "10"]),
        ("d4", ["28×28×1", "784", "4", "10"]),
    ],
)
def test_padding_and_pooling(text, expected):
    assert shapes(text) == expected


def test_images_need_not_be_square_nor_grey():
    assert shapes("8k3-d4", (10, 21, 3), 2) == ["10×21×3", "8×19×8", "4×9×8", "288", "4", "2"]


def test_what_does_not_fit_is_named():
    with pytest.raises(ConfigurationError, match=r"block 3 \(64k3\): a 3×3 kernel does not fit"):
        shapes("64k3-64k3-64k3-d128", (10, 10, 1))
    with pytest.raises(ConfigurationError, match="too small to pool"):
        shapes("8k3-d4", (3, 3, 1))


# The lesson's quiz.
@pytest.mark.parametrize(("side", "kernel", "left"), [(28, 3, 26), (13, 3, 11), (28, 5, 24)])
def test_a_filter_shrinks_the_image(side, kernel, left):
    assert after_convolution(side, kernel, "valid") == left
    assert after_convolution(side, kernel, "same") == side


@pytest.mark.parametrize(("side", "left"), [(26, 13), (11, 5), (2, 1), (1, 0)])
def test_pooling_halves(side, left):
    assert after_pooling(side) == left


def test_each_size_comes_with_its_reason():
    reasons = [
        stage.reason for stage in shape_journey(Architecture.parse("64k3-64k5s-d9"), IMAGE, 10)
    ]
    assert reasons == [
        "the image: 28 by 28 pixels, 1 channel",
        "3×3 filters need 1 pixel around the centre: 28 - 2 = 26",
        "keeps the largest of each 2×2 square: half of 26",
        "5×5 filters with zeros around the edge keep 13",
        "keeps the largest of each 2×2 square: half of 13 and drops the last row and column",
        "6 × 6 × 64 values in one row",
        "9 units, each sees all 2304 values",
        "one probability for each of 10 classes",
    ]
    oblong = shape_journey(Architecture.parse("4k3-4k5s-4k1-d9"), (28, 29, 1), 10)
    assert [stage.reason for stage in oblong[1:6]] == [
        "3×3 filters need 1 pixel around the centre: 28 - 2 = 26 and 29 - 2 = 27",
        "keeps the largest of each 2×2 square: half of 26 and 27 and drops the last column",
        "5×5 filters with zeros around the edge keep 13",
        "keeps the largest of each 2×2 square: half of 13 and drops the last row and column",
        "1×1 filters keep 6",
    ]
    wide = shape_journey(Architecture.parse("4k7ab-8k1n-d9"), IMAGE, 10)
    assert wide[1].reason == "7×7 filters need 3 pixels around the centre: 28 - 6 = 22"
    assert wide[2].reason == "batch normalisation keeps the size"
    assert wide[3].reason == "keeps the mean of each 2×2 square: half of 22"
    assert wide[4].reason == "1×1 filters keep 11"


def test_networks_are_timed_beside_the_cnn_where_it_fits():
    assert timed_beside(IMAGE, 10) == "cnn"
    assert timed_beside((10, 10, 1), 10) == "cnn"
    assert timed_beside((8, 8, 1), 10) == "dnn"


def test_the_counted_costs_are_parameters_and_macs():
    network = Architecture.parse("4k3-d9")
    assert counted_costs(network, IMAGE, 10) == {
        "parameters": parameters(network, IMAGE, 10),
        "macs": macs(network, IMAGE, 10),
    }


def test_a_misfit_says_why():
    network = Architecture.parse("4k7-d9")
    assert misfit(network, IMAGE, 10) is None
    assert misfit(network, (4, 4, 1), 10) == (
        f"block 1 ({network.blocks[0].notation}): a 7×7 kernel does not fit a 4×4 feature map"
    )
