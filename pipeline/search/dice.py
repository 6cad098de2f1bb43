"""Chance as the one who chooses: draws from a space without a study."""

import random

import numpy as np

from pipeline.search.space import Name, Number


class Dice:
    """Draws at random; the same seed draws the same networks."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""
        if log:
            return min(high, int(np.exp(self._random.uniform(np.log(low), np.log(high + 1)))))
        return self._random.randrange(low, high + 1, step)

    def real(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a real number from ``low`` to ``high``, rounded to four digits."""
        drawn = (
            self._random.uniform(*np.log((low, high))) if log else self._random.uniform(low, high)
        )
        return float(f"{np.exp(drawn) if log else drawn:.4g}")

    def named(self, name: str, choices: tuple[Name, ...]) -> Name:
        """Return one of ``choices``."""
        return self._random.choice(choices)

    def listed(self, name: str, values: tuple[Number, ...]) -> Number:
        """Return one of ``values``."""
        return values[self.integer(f"{name}.index", 0, len(values) - 1)]
