"""Imports Keras without the libraries that it takes along only in case somebody wants them."""

import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

#: Keras imports these for its galleries, its wrappers and further kinds of input, where they are
#: installed, and does without where they are not. Together they take as long as Keras itself.
OPTIONAL = frozenset({"IPython", "matplotlib", "pandas", "sklearn"})


class _Refusal:
    """Tells one thread's imports that a library is not installed; other threads get it."""

    def __init__(self, names: frozenset[str]) -> None:
        # Half of a library is worse than all of it.
        self._names = names - set(sys.modules)
        self._thread = threading.get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse, or leave the search to the finders behind this one."""
        if name.partition(".")[0] in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not imported here", name=name)
        return None


@contextmanager
def without(names: frozenset[str] = OPTIONAL) -> Iterator[None]:
    """Import less, and faster, inside the block: what is optional can be imported after it.

    Nothing that an import makes is garbage, so the collector pauses meanwhile, too.

    Parameters
    ----------
    names
        Libraries that are not imported by this thread, unless they are loaded already.
    """
    refusal = _Refusal(names)
    collecting = gc.isenabled()
    gc.disable()
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)
        if collecting:
            gc.enable()
