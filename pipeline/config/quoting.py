"""How a value is written for Hydra's command line, whatever its grammar thinks of it."""

import re

#: Other characters mean something to Hydra, or nothing it knows.
_PLAIN = re.compile(r"[A-Za-z0-9_/.:@%+ -]*")


def quoted(value: str) -> str:
    """Return a value between the quotation marks that Hydra takes off again."""
    # A backslash counts twice before a quotation mark, the last one included.
    text = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), value)
    return f"'{text}'"


def hydra_value(value: str) -> str:
    """Return a path or an address as it is where Hydra takes it so, else quoted."""
    return value if _PLAIN.fullmatch(value) else quoted(value)
