"""Who is told how a trial goes."""

from typing import Protocol

from pipeline.core.trial import EpochResult


class TrialObserver(Protocol):
    """What a trainer tells while it trains; each call may end the trial by raising."""

    def measured(
        self,
        costs: dict[str, float],
        measurements: dict[str, float],
        summary: str,
        *,
        again: bool = False,
    ) -> None:
        """Hear what the untrained network costs, as far as that decides about it.

        ``again`` where it was measured before an interruption, on whatever device.
        """

    def epoch_ended(
        self, result: EpochResult, costs: dict[str, float], *, last: bool = False
    ) -> None:
        """Hear how an epoch and its validation went, and the costs that training has shown.

        ``last`` where none comes after it, however many there might have been.
        """

    def between_executions(self) -> None:
        """Hear that some steps are done and nothing runs on the device; often, so be cheap."""

    def between_measurements(self) -> None:
        """Hear that another measurement, or another turn of one, would come; often, so be cheap."""
