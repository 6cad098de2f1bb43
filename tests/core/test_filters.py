import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.classic_filters import CLASSIC_FILTERS, classic_filter
from pipeline.core.errors import ConfigurationError
from pipeline.core.filters import Filter, brightness_rule, filtered_side, size_rule


def own(*rows, **values):
    return Filter(name="own", rows=tuple(map(tuple, rows)), **values)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "a filter needs at least one number"),
        ([[]], "a filter needs at least one number"),
        ([[1, 2], [3, 4]], "sides must be odd, so that it has a centre, not 2×2"),
        ([[1, 2, 3]] * 2, "sides must be odd, so that it has a centre, not 2×3"),
        ([[1, 2, 3], [4], [1, 2, 3]], "row 1 has 3 numbers and row 2 has 1 number"),
        ([[1.0] * 101], "sides must be at most 99, not 1×101"),
        ([[float("nan")]], "numbers must be finite"),
    ],
)
def test_what_is_no_filter_is_refused(rows, said):
    with pytest.raises(ConfigurationError, match=said):
        own(*rows)


def test_an_infinite_bias_is_refused():
    with pytest.raises(ConfigurationError, match="factor and bias must be finite"):
        own([1.0], bias=float("inf"))


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (own([1.0]), "add up to 1: the picture keeps its brightness."),
        (own([1] * 3, factor=1 / 3), "times the factor add up to 1: the picture keeps its"),
        (own([1] * 3), "add up to 3: even areas become 3 times as bright."),
        (own([0.5]), "add up to 0.5: even areas become darker, 0.5 of their brightness."),
        (own([-1, 0, 1]), "add up to 0: even areas become black, and only edges stand out."),
        (own([-1, 0, 1], bias=128), "add up to 0: even areas become lifted to 128 by the bias"),
        (own([-1.0]), "add up to -1: bright turns dark (below 0), as in a negative."),
        (own([2.0], bias=5), "2 times as bright, then the bias adds 5."),
    ],
)
def test_the_sum_tells_the_brightness(kernel, said):
    assert said in brightness_rule(kernel)


def test_normalising_makes_the_sum_one_and_needs_another_sum_than_zero():
    assert own([1, 2, 1], factor=7).normalised().weights.tolist() == [[0.25, 0.5, 0.25]]
    assert own([-1.0]).normalised().sum == 1
    with pytest.raises(ConfigurationError, match="own cannot be normalised: its numbers add up to"):
        own([-1, 0, 1]).normalised()


@given(st.integers(1, 40), st.sampled_from([1, 3, 5, 7]), st.integers(1, 5))
def test_a_side_is_the_number_of_places_that_a_filter_finds(side, length, stride):
    places = range(0, side - length + 1, stride)
    assert max(filtered_side(side, length, "valid", stride), 0) == len(places)
    assert filtered_side(side, length, "same", stride) == len(range(0, side, stride))


def test_sizes_are_explained():
    assert size_rule(28, 3, "valid", 1) == "1 pixel around the centre must exist: 28 - 2 = 26"
    assert size_rule(28, 5, "valid", 2) == (
        "2 pixels around the centre must exist: 28 - 4 = 24, every 2nd of them: 12"
    )
    assert size_rule(28, 3, "same", 4) == "zeros around the edge keep 28, every 4th of them: 7"
    assert size_rule(28, 1, "valid", 1) == "a filter of 1 keeps 28: 28"
    assert size_rule(28, 3, "valid", 21).endswith("26, every 21st of them: 2")
    for stride, word in ((3, "3rd"), (11, "11th"), (12, "12th"), (22, "22nd"), (113, "113th")):
        assert f"every {word} of them" in size_rule(280, 1, "valid", stride)


def test_the_classics_are_there_with_sums_of_zero_or_one():
    for name, kernel in CLASSIC_FILTERS.items():
        assert kernel.name == name
        assert kernel.does
        dark = name.startswith(("edges", "sobel", "laplacian", "emboss", "lesson"))
        assert kernel.sum == (0 if dark else 1), name
    lesson = [CLASSIC_FILTERS[f"lesson_{name}"].rows for name in ("horizontal", "vertical", "all")]
    assert np.array_equal(lesson[0], np.transpose(lesson[1]))
    assert lesson[2] == ((0, 1, 0), (1, -4, 1), (0, 1, 0))
    with pytest.raises(ConfigurationError, match="'sobel' is not a filter; choose identity, blur"):
        classic_filter("sobel")


@pytest.mark.parametrize("number", [1e39, -1e7, 1e308, 1e-320, 1e-13])
@pytest.mark.parametrize("where", ["rows", "factor", "bias"])
def test_what_float32_pictures_cannot_hold_is_refused(where, number):
    row = (number if where == "rows" else 1.0, 1.0, 1.0)
    others = {where: number} if where != "rows" else {}
    with pytest.raises(ConfigurationError, match=r"must be 0 or between 1e-12 and 1e\+06 in size"):
        Filter(name="own", rows=(row,), **others)


@pytest.mark.parametrize("number", [1e6, -1e6, 255.0])
def test_the_largest_filters_can_be_normalised(number):
    rows = ((number,) * 99,) * 99
    assert Filter(name="own", rows=rows, bias=-1e6).normalised().sum == 1.0
