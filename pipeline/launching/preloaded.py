"""Imported by the process that workers are forked from, and by nobody else.

What cannot be imported here is imported by each worker, which says in its log why it cannot.
"""

import gc
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext, suppress

from pipeline.launching.devices import lock_name
from pipeline.launching.forking import BLOCKED, IMPORT_AT_ONCE
from pipeline.measuring.machine import this_machine
from pipeline.measuring.quiet import QuietLock


def _while_nobody_measures() -> AbstractContextManager[None]:
    return nullcontext() if IMPORT_AT_ONCE in os.environ else QuietLock(lock_name()).training()


os.setsid()  # Ctrl-C reaches the supervisor alone, which tells its workers in good order
signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
# A driver of a GPU that is at work, or macOS' own libraries, do not survive a fork.
if sys.platform == "linux" and not this_machine().gpus:
    # Importing takes all that the processor has: not while somebody measures.
    with suppress(Exception), _while_nobody_measures():
        import pipeline.launching.keras_trainer
        import pipeline.launching.sweep_folder
        import pipeline.launching.worker
        import pipeline.search.journal
        import pipeline.training.rates  # noqa: F401
    # What is there now stays, in pages that the workers share; a collector would write to them.
    gc.collect()
    gc.freeze()
