"""The standard streams of a command: closed ones, and an output that cannot be written."""

import errno
import os
import sys

_CANNOT_BE_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_closed_streams() -> None:
    """Open nothing in the place of what was closed (``<&-``, ``>&-``).

    Else the first file that is opened would get its number, and what is printed.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def is_of_the_output(error: OSError) -> bool:
    """Whether an error is that of the standard output: one of a file names the file."""
    return error.filename is None and error.errno in _CANNOT_BE_WRITTEN


def discard_output() -> None:
    """Let nobody write what is still in the buffer of the standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
