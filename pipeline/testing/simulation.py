"""A sweep on a simulated clock: recorded curves through the real claims, samplers and rungs.

Nothing is trained and nobody waits. The workers are entries in a queue of events, each at the
end of its trial's next epoch; what happens there is what happens in a sweep: the study hands
out trials, hears of rungs, decides who stops, and is told how trials ended.
"""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.config import Config
from pipeline.core.architecture import Architecture
from pipeline.core.front import hypervolume
from pipeline.core.outcome import StoppedAtRung, decide
from pipeline.core.records import comparable, point
from pipeline.core.trial import EpochResult, Recipe, TrialRecord, TrialSpecification
from pipeline.search.ledger import Claim
from pipeline.search.rungs import rung_epochs
from pipeline.search.space import Chooser, SearchSpace
from pipeline.search.storage import StudyStorage
from pipeline.search.study import SweepStudy
from pipeline.testing.curves import Curve
from pipeline.testing.faults import SimulatedClock
from pipeline.testing.memory import MemoryStudies

#: Building, tracing and measuring a network before its first epoch.
SECONDS_BEFORE_TRAINING = 1.5


@dataclass(frozen=True)
class OrderedSpace(SearchSpace):
    """A space that draws the networks it was given, in their order."""

    networks: Iterator[tuple[Architecture, Recipe]]

    def draw(self, chooser: Chooser) -> tuple[Architecture, Recipe]:
        """Return the next network, whatever the sampler would like."""
        return next(self.networks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What a sweep had come to when a trial ended.

    Parameters
    ----------
    seconds
        Simulated, since the sweep's start.
    epochs
        Trained so far, by all workers and in all trials.
    hypervolume
        Of the complete trials, over accuracy and log10 of each cost.
    """

    seconds: float
    epochs: int
    hypervolume: float


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A sweep that is over: its trials by number, and how it came to them."""

    records: tuple[TrialRecord, ...]
    moments: tuple[Moment, ...]

    @property
    def epochs(self) -> int:
        """The epochs that were trained in all."""
        return self.moments[-1].epochs

    @property
    def hypervolume(self) -> float:
        """What the sweep ended with."""
        return self.moments[-1].hypervolume

    def first(self, least: float) -> Moment | None:
        """Return the first moment with at least this hypervolume."""
        return next((moment for moment in self.moments if moment.hypervolume >= least), None)


@dataclass
class _Worker:
    name: str
    claim: Claim | None = None
    history: list[EpochResult] = field(default_factory=list)


@dataclass(kw_only=True)
class Simulator:
    """Simulates one sweep.

    Parameters
    ----------
    config
        Its configuration; costs that are measured come from the curves.
    space
        Where trials are drawn from.
    curve
        Returns how a trial's network learns.
    reference_point
        The worst accuracy and costs that count for the hypervolume.
    workers
        How many train at the same time.
    build_study
        Opens the study.
    most_epochs
        The sweep ends once so many are trained, whatever is left of its trials.
    """

    config: Config
    space: SearchSpace
    curve: Callable[[TrialSpecification], Curve]
    reference_point: tuple[float, ...]
    workers: int = 1
    build_study: Callable[[Config, SearchSpace, StudyStorage], SweepStudy] = SweepStudy
    most_epochs: int | None = None

    def run(self) -> Simulation:
        """Run the sweep to its budget."""
        clock = SimulatedClock()
        study = self.build_study(self.config, self.space, MemoryStudies(clock))
        events = [(0.0, number, _Worker(f"worker-{number}")) for number in range(self.workers)]
        records: list[TrialRecord] = []
        moments: list[Moment] = []
        epochs = 0
        while events and (self.most_epochs is None or epochs < self.most_epochs):
            now, number, worker = heapq.heappop(events)
            clock.sleep(now - clock.now())
            if worker.claim is None:
                worker.claim = study.claim(worker.name)
                if worker.claim is None:
                    continue  # the budget is used up: this worker leaves
                costs = self._costs(worker.claim)
                worker.claim.knows_costs(costs)
                wait = SECONDS_BEFORE_TRAINING + costs["epoch_seconds"]
            else:
                epochs += 1
                record = self._epoch(study, worker, worker.claim)
                wait = self._costs(worker.claim)["epoch_seconds"]
                if record is not None:
                    records.append(record)
                    volume = self._volume(records)
                    moments.append(Moment(seconds=now, epochs=epochs, hypervolume=volume))
                    worker.claim, worker.history, wait = None, [], 0.0
            heapq.heappush(events, (now + wait, number, worker))
        records.sort(key=lambda record: record.number)
        return Simulation(records=tuple(records), moments=tuple(moments))

    def _costs(self, claim: Claim) -> dict[str, float]:
        return dict(self.curve(claim.specification).costs)

    def _epoch(self, study: SweepStudy, worker: _Worker, claim: Claim) -> TrialRecord | None:
        """Train an epoch; return the trial's record if it was the last one."""
        specification = claim.specification
        curve, costs = self.curve(specification), self._costs(claim)
        epoch = len(worker.history) + 1
        accuracy = curve.val_accuracy[epoch - 1]
        worker.history.append(
            EpochResult(
                epoch=epoch,
                train_loss=curve.val_loss[epoch - 1],
                train_accuracy=accuracy,
                val_loss=curve.val_loss[epoch - 1],
                val_accuracy=accuracy,
                epoch_seconds=costs["epoch_seconds"],
                images_per_second=math.nan,
            )
        )
        reason = None
        if epoch in rung_epochs(self.config.search.rungs, self.config.training.epochs):
            reached = {done.epoch: done.val_accuracy for done in worker.history}
            claim.reached_rung(epoch, reached[epoch])
            if specification.reference is None:
                reason = study.reason_to_stop(claim, epoch, reached, costs)
        if reason is None and epoch < self.config.training.epochs:
            return None
        ending = decide(None if reason is None else StoppedAtRung(reason))
        record = TrialRecord(
            specification=specification,
            outcome=ending.outcome,
            val_accuracy=accuracy,
            costs=costs,
            history=tuple(worker.history),
            reason=ending.reason,
        )
        study.end(claim, ending, record)
        return record

    def _volume(self, records: list[TrialRecord]) -> float:
        costs = self.config.objective.costs
        points = [point(record, costs) for record in records if comparable(record, costs)]
        return hypervolume(
            [(accuracy, *map(math.log10, rest)) for accuracy, *rest in points],
            (self.reference_point[0], *map(math.log10, self.reference_point[1:])),
        )
