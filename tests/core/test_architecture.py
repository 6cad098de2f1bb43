from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.architecture import REFERENCES, Architecture, ConvolutionBlock
from pipeline.core.errors import ConfigurationError

blocks = st.builds(
    ConvolutionBlock,
    filters=st.integers(1, 2000),
    kernel_size=st.integers(0, 20).map(lambda half: 2 * half + 1),
    padding=st.sampled_from(["valid", "same"]),
    pooling=st.sampled_from(["max", "average", "none"]),
    normalisation=st.sampled_from(["none", "batch"]),
)
architectures = st.builds(
    Architecture,
    blocks=st.lists(blocks, max_size=4).map(tuple),
    dense_units=st.integers(1, 5000),
    dropout=st.floats(0, 1, exclude_max=True),
)


@given(architectures)
def test_printing_then_parsing_is_the_identity(architecture):
    assert Architecture.parse(architecture.notation) == architecture


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d128", Architecture()),
        ("64k3-64k3-d128", REFERENCES["cnn"]),
        (
            "32k5sb-64k3a-d128p0.3",
            Architecture(
                blocks=(
                    ConvolutionBlock(
                        filters=32, kernel_size=5, padding="same", normalisation="batch"
                    ),
                    ConvolutionBlock(filters=64, kernel_size=3, pooling="average"),
                ),
                dropout=0.3,
            ),
        ),
        ("8k1n-d10p1e-05", Architecture(
            blocks=(ConvolutionBlock(filters=8, kernel_size=1, pooling="none"),),
            dense_units=10, dropout=1e-05)),
    ],
)  # fmt: skip
def test_known_notations(text, expected):
    assert Architecture.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "must end with dUNITS"),
        ("64k3", "must end with dUNITS"),
        ("d", "must end with dUNITS"),
        ("d0", "must end with dUNITS"),
        ("d128p1.0", "dropout must be at least 0 and less than 1"),
        ("64k4-d128", "kernel_size must be odd"),
        ("64-d128", "'64' is not a block"),
        ("64k3bs-d128", "'64k3bs' is not a block"),
        ("-d128", "'' is not a block"),
        ("٣k3-d128", "is not a block"),
        (f"{'9' * 5000}k3-d1", "is not a block"),
        (f"d{'9' * 5000}", "must end with dUNITS"),
    ],
)
def test_what_is_no_architecture_is_refused_by_name(text, word):
    with pytest.raises(ConfigurationError, match=word):
        Architecture.parse(text)


@given(st.text(max_size=30))
def test_parsing_raises_nothing_else(text):
    with suppress(ConfigurationError):
        Architecture.parse(text)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ConvolutionBlock(filters=0, kernel_size=3),
        lambda: ConvolutionBlock(filters=1, kernel_size=2),
        lambda: ConvolutionBlock(filters=1, kernel_size=-1),
        lambda: Architecture(dense_units=0),
        lambda: Architecture(dropout=1.0),
        lambda: Architecture(dropout=-0.1),
        lambda: Architecture(dropout=float("nan")),
    ],
)
def test_a_wrong_architecture_cannot_be_made(wrong):
    with pytest.raises(ConfigurationError):
        wrong()
