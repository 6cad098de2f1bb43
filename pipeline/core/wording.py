"""Numbers as sentences have them."""

#: Below this, a cost's four digits say more than whole numbers do.
_WHOLE_FROM = 1000.0


def percentage(share: float) -> str:
    """Return a share such as an accuracy, in [0, 1], as a percentage with two decimals."""
    return f"{100 * share:.2f}%"


def number(value: float) -> str:
    """Return a number in full: whole where it is, or large; else with four digits."""
    if value.is_integer() or abs(value) >= _WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.4g}"
