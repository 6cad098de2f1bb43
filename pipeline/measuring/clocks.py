"""Where a trial's time goes: named clocks of which one runs at a time.

The clocks of a trial add up to its wall time as long as one of them is always on, and none of
them is "the rest": a clock that is switched on inside another one pauses it, so no second is
counted twice.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

ClockName = Literal[
    "build_and_trace", "first_step", "training", "evaluation", "measuring", "tracking", "waiting"
]
CLOCK_NAMES: tuple[ClockName, ...] = get_args(ClockName)


class Clocks:
    """Named, exclusive clocks.

    Parameters
    ----------
    now
        Returns seconds that never go back; replaced in tests.
    switched
        Is told which clock runs whenever that changes; None where none does.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        switched: Callable[[ClockName | None], None] = lambda name: None,
    ) -> None:
        self._now = now
        self._switched = switched
        self._totals: dict[ClockName, float] = dict.fromkeys(CLOCK_NAMES, 0.0)
        self._running: list[ClockName] = []
        self._since = 0.0

    @contextmanager
    def on(self, name: ClockName) -> Iterator[None]:
        """Run one clock inside the ``with`` block; a clock that is already on pauses.

        Raises
        ------
        ValueError
            There is no clock of this name.
        """
        if name not in self._totals:
            raise ValueError(f"a clock is one of {', '.join(CLOCK_NAMES)}, not {name!r}")
        self._settle()
        self._running.append(name)
        self._switched(name)
        try:
            yield
        finally:
            self._settle()
            self._running.pop()
            self._switched(self._running[-1] if self._running else None)

    def seconds(self) -> dict[str, float]:
        """Return seconds by clock name, the running clock up to this moment; 0 if never on."""
        self._settle()
        return {name: total for name, total in self._totals.items()}

    def _settle(self) -> None:
        now = self._now()
        if self._running:
            self._totals[self._running[-1]] += now - self._since
        self._since = now
