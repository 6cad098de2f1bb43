"""Commands that tidy up behind themselves, whatever ends them but SIGKILL."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from pipeline.core.errors import SIGNAL_STATUS

_TOLD_BY = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def leaving_in_order() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP, which end a process at once, into an exception inside the block.

    Who starts it with nohup wants it to outlive the terminal.
    """
    before = {number: signal.getsignal(number) for number in _TOLD_BY}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    for other in _TOLD_BY:  # being told again does not end the tidying up
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(SIGNAL_STATUS + number)
