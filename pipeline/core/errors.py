"""Errors a user can cause; each is one sentence on the terminal and exit status 2."""

from collections.abc import Iterable

#: Exit status of who leaves while there is work left, or nothing to do yet: EX_TEMPFAIL of
#: sysexits.h, later it may work.
AGAIN_STATUS = 75
#: An exit status above this is this and the number of the signal that told us to stop.
SIGNAL_STATUS = 128


class SweetspotError(Exception):
    """A sentence for the user: what is wrong, what was received, what would be valid.

    ``status`` is the exit status it ends a command with.
    """

    status = 2


class ConfigurationError(SweetspotError):
    """A setting breaks its rule."""


class DataError(SweetspotError):
    """The images or labels are missing, damaged, or do not fit together."""


class StorageError(SweetspotError):
    """What a sweep keeps on disk cannot be read or written."""


def one_of(values: Iterable[object]) -> str:
    """Return ``'a, b or c'`` for an error sentence; ``'nothing'`` for no values."""
    names = [str(value) for value in values]
    if len(names) < 2:
        return names[0] if names else "nothing"
    return f"{', '.join(names[:-1])} or {names[-1]}"
