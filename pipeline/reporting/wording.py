"""How numbers and names are put into words, the same in every table, figure and sentence."""

import unicodedata
from typing import Final

from pipeline.core.wording import percentage

_LABELS: Final = {
    "epoch_seconds": "epoch time (s)",
    "latency_ms": "latency (ms)",
    "train_seconds": "training time (s)",
    "time_to_accuracy_seconds": "time to accuracy (s)",
    "device_memory_mib": "device memory (MiB)",
    "parameters": "parameters",
    "macs": "multiply-accumulates",
}
_WHOLE = ("parameters", "macs")
_MILLIONS_FROM = 10_000_000
_THREE_DIGITS = 100
_MINUTE = 60

_IN_ASCII = str.maketrans({"±": "+-", "×": "x", "…": "...", "–": "-", "→": "->"})


def cost_label(cost: str) -> str:
    """Return a cost's name with its unit, such as ``epoch time (s)``."""
    return _LABELS.get(cost, cost)


def cost_text(cost: str, value: float | None) -> str:
    """Return a cost's value without its unit: three significant digits, or a whole number."""
    if value is None:
        return "-"
    if cost in _WHOLE and value >= _MILLIONS_FROM:
        return f"{value / 1e6:,.1f}M"
    if cost in _WHOLE or value >= _THREE_DIGITS:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def accuracy_text(accuracy: float | None) -> str:
    """Return an accuracy in [0, 1] as a percentage with two decimals."""
    return "-" if accuracy is None else percentage(accuracy)


def duration_text(seconds: float) -> str:
    """Return a duration in its two largest units: ``45 s``, ``4 min 10 s``, ``1 h 12 min``."""
    whole = round(max(seconds, 0.0))
    if whole < _MINUTE:
        return f"{whole} s"
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    first = next(index for index, (size, _) in enumerate(units) if whole >= size)
    (large, large_name), (small, small_name) = units[first], units[first + 1]
    return f"{whole // large} {large_name} {whole % large // small} {small_name}"


def counted(number: int, noun: str) -> str:
    """Return ``1 trial`` or ``2 trials``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return text that is safe to print: no control codes, nothing the encoding lacks.

    Line breaks and tabs become spaces; other control, format and surrogate characters (which
    could move the cursor, colour the screen or reverse the text) and characters outside the
    encoding become ``?``; those that our own sentences use, what stands for them in ASCII.
    """
    if encoding == "ascii":
        text = text.translate(_IN_ASCII)
    spaced = "".join(" " if character in "\n\r\t" else character for character in text)
    visible = "".join(
        "?" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
        for character in spaced
    )
    return visible.encode(encoding, errors="replace").decode(encoding)
