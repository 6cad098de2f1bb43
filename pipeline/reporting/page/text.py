"""Text on the page: whatever comes in is shown as text, and only as text."""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

#: Marks that turn the reading direction: a name with one of them could reorder what follows.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KEPT = frozenset("\n\t")
_PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")


def shown(value: Any) -> Any:
    """Return text without what no page can show; other values as they are.

    Control characters, lone surrogates and marks that turn the reading direction become ``�``.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(
        "�" if (unicodedata.category(c) in ("Cc", "Cs") and c not in _KEPT) or c in _TURNING else c
        for c in value
    )


def plain(value: Any) -> Any:
    """Return values for JSON in the page: text as ``shown``, numbers that are none as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {shown(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return shown(value)


def without_passwords(text: str) -> str:
    """Return text in which the password of an address, such as a database's, is hidden."""
    return _PASSWORD.sub(r"\1:…@", text)
