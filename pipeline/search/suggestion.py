"""An Optuna trial as the one who chooses."""

from dataclasses import dataclass

import optuna

from pipeline.search.space import Name, Number


@dataclass(frozen=True)
class TrialChooser:
    """Lets ``trial`` choose; the names are those that Optuna's own tools show."""

    trial: optuna.Trial

    def integer(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""
        return self.trial.suggest_int(name, low, high, step=step, log=log)

    def real(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a real number from ``low`` to ``high``, rounded to four digits."""
        return float(f"{self.trial.suggest_float(name, low, high, log=log):.4g}")

    def named(self, name: str, choices: tuple[Name, ...]) -> Name:
        """Return one of ``choices``."""
        drawn = self.trial.suggest_categorical(name, choices)
        return choices[choices.index(drawn)]

    def listed(self, name: str, values: tuple[Number, ...]) -> Number:
        """Return one of ``values``, chosen by index, so that their order is known."""
        return values[self.integer(f"{name}.index", 0, len(values) - 1)]
