"""Which characters the terminal of a command can show."""

import codecs
import os
import sys
from collections.abc import Mapping

_PLAIN = ("C", "POSIX")


def asks_for_ascii(environment: Mapping[str, str]) -> bool:
    """Whether somebody asked for the locale ``C``, which knows ASCII alone.

    Python itself writes UTF-8 there, and says so in ``LC_CTYPE``; a locale that is not set at
    all, as in many containers, asks for nothing. ``PYTHONIOENCODING`` and ``PYTHONUTF8`` decide
    where they are set.
    """
    if environment.get("PYTHONIOENCODING") or environment.get("PYTHONUTF8"):
        return False
    chosen = environment.get("LC_ALL")
    if not chosen and environment.get("LC_CTYPE") not in (None, "", "C.UTF-8"):
        chosen = environment["LC_CTYPE"]
    return (chosen or environment.get("LANG")) in _PLAIN


def respect_locale() -> None:
    """Write ASCII alone where that was asked for, ``?`` for everything else.

    Elsewhere what the output cannot show is no failure: file names may hold any bytes.
    """
    if asks_for_ascii(os.environ):
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="ascii", errors="replace")  # type: ignore[union-attr]
    elif sys.stdout.errors == "strict":
        as_they_are = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        errors = "surrogateescape" if as_they_are else "backslashreplace"
        sys.stdout.reconfigure(errors=errors)  # type: ignore[union-attr]
