"""Numbers as people write them on a command line."""

import re

_WHOLE = re.compile("[0-9]{1,9}")


def whole_number(text: str) -> int | None:
    """Return what ASCII digits, nine at most, stand for; None of everything else.

    ``str.isdigit`` knows digits that ``int`` does not, such as a raised 2, and ``int`` refuses
    thousands of them.
    """
    return int(text) if _WHOLE.fullmatch(text) else None
