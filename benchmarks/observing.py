"""Trainings that nobody watches."""

from pipeline.core.trial import EpochResult


class SilentObserver:
    """Lets every training go on to its end."""

    def measured(
        self,
        costs: dict[str, float],
        measurements: dict[str, float],
        summary: str,
        *,
        again: bool = False,
    ) -> None:
        """Take note of the costs."""

    def epoch_ended(
        self, result: EpochResult, costs: dict[str, float], *, last: bool = False
    ) -> None:
        """Take note of one more epoch."""

    def between_executions(self) -> None:
        """Take note of some more steps."""

    def between_measurements(self) -> None:
        """Take note of one more measurement."""
