"""Numbers as sentences have them."""

#: Below this, a cost's four digits say more than whole numbers do.
_WHOLE_FROM = 1000.0
#: Below this a p-value calls a difference more than chance; there it gets the digits to show it.
SIGNIFICANT = 0.05
_LEAST_P = 0.001


def percentage(share: float) -> str:
    """Return a share such as an accuracy, in [0, 1], as a percentage with two decimals."""
    return f"{100 * share:.2f}%"


def number(value: float) -> str:
    """Return a number in full: whole where it is, or large; else with four digits."""
    if value.is_integer() or abs(value) >= _WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def share_of_draws(share: float) -> str:
    """Return the share of random draws in whole percent; ``100%`` is all of them, ``0%`` none."""
    said = f"{100 * share:.0f}%"
    if 0.0 < share < 1.0:
        said = {"100%": ">99%", "0%": "<1%"}.get(said, said)
    return said


def p_text(p_value: float) -> str:
    """Return a p-value, ``p = 0.031``, with the digits that show on which side of 0.05 it lies."""
    if p_value < _LEAST_P:
        return f"p < {_LEAST_P}"
    digits = 2
    while float(f"{p_value:.{digits}g}") == SIGNIFICANT != p_value:
        digits += 1
    return f"p = {p_value:.{digits}g}"
