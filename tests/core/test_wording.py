"""Numbers as sentences have them."""

import pytest

from pipeline.core.wording import p_text, share_of_draws


@pytest.mark.parametrize(
    ("p_value", "said"),
    [
        (0.0004, "p < 0.001"),
        (0.03125, "p = 0.031"),
        (0.0496, "p = 0.0496"),
        (0.0504, "p = 0.0504"),
        (0.04996, "p = 0.04996"),
        (0.05, "p = 0.05"),
        (0.22, "p = 0.22"),
        (1.0, "p = 1"),
    ],
)
def test_a_p_value_shows_on_which_side_it_lies(p_value: float, said: str) -> None:
    assert p_text(p_value) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.0, "100%"), (0.999, ">99%"), (0.99, "99%"), (0.5, "50%"), (0.004, "<1%"), (0.0, "0%"),
    ],
)  # fmt: skip
def test_a_share_is_all_of_them_where_it_is(share: float, said: str) -> None:
    assert share_of_draws(share) == said
