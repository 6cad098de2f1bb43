import pytest

from pipeline.core.numbers import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("007", 7), ("999999999", 999_999_999), ("", None), ("-1", None), ("1.0", None),
        ("²", None), ("٣", None), ("1_000", None), (" 1", None), ("1\n", None), ("9" * 10, None),
    ],
)  # fmt: skip
def test_whole_numbers_are_a_few_ascii_digits(text, number):
    assert whole_number(text) == number
