"""How long a sweep takes to propose a trial and to hear of its end, the more trials it has.

    make bench ARGS=asking

1. Ask and tell with 100, 1,000 and 10,000 finished trials behind them, on the journal, TPE.
2. 100 trivial trials through all that a worker does but training (claim, event log, outcome,
   models and summary, tell), against Optuna alone with the same sampler on the same journal; and
   apart from it what is left for the mirror, which brings MLflow up to date beside the workers.

Nothing is trained, so no data are needed.
"""

import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmarks.results_files import keep
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import Config
from pipeline.core.outcome import decide
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.launching.planning import SweepPlan, create_folder, plan_sweep
from pipeline.launching.worker import work
from pipeline.search.experimental import experiments_accepted
from pipeline.search.ledger import COSTS, Claim
from pipeline.search.sampler import build_sampler
from pipeline.search.space import SearchSpace
from pipeline.search.storage import StudyStorage
from pipeline.search.study import SweepStudy
from pipeline.testing.faults import SimulatedClock
from pipeline.testing.memory import MemoryStudies
from pipeline.testing.simulated import SimulatedTrainer
from pipeline.tracking.event_log import read, training_log_paths

SIZES = (100, 1_000, 10_000)
REPEATS = 15
TEMPLATES = 100
TRIVIAL_TRIALS = 100
IMAGE_SHAPE, CLASSES = (28, 28, 1), 10


def main(short: bool) -> None:
    """Run the benchmark; ``short`` leaves the 10,000 trials out."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = SIZES[:2] if short else SIZES
        asked = {size: ask_and_tell(Path(folder) / str(size), size) for size in sizes}
        trivial = trivial_trials(Path(folder))
    ratio = asked[1_000]["seconds"] / asked[100]["seconds"]
    lines = [
        "| finished trials | ask + tell, median ms | of it ask |",
        "| --- | --- | --- |",
        *(
            f"| {size:,} | {1e3 * row['seconds']:.1f} | {1e3 * row['ask_seconds']:.1f} |"
            for size, row in asked.items()
        ),
        "",
        f"At 1,000 trials **{ratio:.1f} times** that at 100 (at most: 4, aim 2).",
        "",
        f"{TRIVIAL_TRIALS} trivial trials through all that a worker does: "
        f"{trivial['complete_seconds']:.2f} s, Optuna alone {trivial['optuna_seconds']:.2f} s, "
        f"**{trivial['ratio']:.1f} times** (at most: 5, aim 2). MLflow, which is kept up to date "
        f"beside the workers, was given all of them behind the last one, {trivial['events']:,.0f} "
        f"events in {trivial['runs']:.0f} runs: {trivial['mirror_seconds']:.1f} s.",
    ]
    print("\n".join(lines))
    result = {"ask_and_tell": asked, "ratio_1000_to_100": ratio, "trivial": trivial}
    print(keep("asking", result, lines, short=short))


def settings(mlruns: Path, *overrides: str) -> Config:
    """Return the configuration of a sweep without end."""
    words = ("data=digits", "search=tpe", "objective=macs", "sweep_name=asking",
             "search.trials=1000000", "search.rungs.enabled=false", "measuring=quick",
             "finalists=off", "tracking=off", f"mlruns={mlruns}", *overrides)  # fmt: skip
    return compose(CommandLine(command="sweep", overrides=words))


def ask_and_tell(mlruns: Path, size: int) -> dict[str, float]:
    """Return the median seconds of a claim and its end behind ``size`` finished trials."""
    config = settings(mlruns)
    space = SearchSpace(config.space, IMAGE_SHAPE, CLASSES)
    config.sweep_dir.mkdir(parents=True)
    study = SweepStudy(config, space)
    fill(study.storage, config, space, size)
    asked, both = [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        claim = study.claim("benchmark")
        assert claim is not None
        asked.append(time.perf_counter() - start)
        end_trial(study, claim)
        both.append(time.perf_counter() - start)
    return {"seconds": statistics.median(both), "ask_seconds": statistics.median(asked)}


def end_trial(study: SweepStudy, claim: Claim) -> None:
    """End a trial with an accuracy and costs that follow from its number."""
    number = claim.specification.number
    record = TrialRecord(
        specification=claim.specification,
        outcome=Outcome.COMPLETE,
        val_accuracy=accuracy(number),
        costs=costs(number),
    )
    study.end(claim, decide(None), record)


def accuracy(number: int) -> float:
    """Return the validation accuracy that the trial of this number is said to reach."""
    return 0.85 + 0.1 * (number * 7919 % 1000) / 1000


def costs(number: int) -> dict[str, float]:
    """Return what the network of this trial is said to cost."""
    macs = 1e5 * (1 + number * 104729 % 1000)
    return {"macs": macs, "epoch_seconds": 1.0, "latency_ms": 1.0, "parameters": 1e4}


def fill(storage: StudyStorage, config: Config, space: SearchSpace, size: int) -> None:
    """Give the study ``size`` finished trials, as a sweep would have left them."""
    templates = _templates(config, space)
    name = config.sweep_name
    study = optuna.load_study(study_name=name, storage=storage.optuna)
    # The two references wait at the beginning of every study.
    claimed = SweepStudy(config, space, storage)
    for _ in range(2):
        claim = claimed.claim("benchmark")
        assert claim is not None
        end_trial(claimed, claim)
    study.add_trials([_copy(templates[n % TEMPLATES], n) for n in range(2, size)])


def _templates(config: Config, space: SearchSpace) -> list[FrozenTrial]:
    """Return finished trials of a random search in memory."""
    search = config.search.model_copy(update={"sampler": "random"})
    random = config.model_copy(update={"search": search})
    storage = MemoryStudies(SimulatedClock())
    study = SweepStudy(random, space, storage)
    for _ in range(TEMPLATES + 2):
        claim = study.claim("benchmark")
        assert claim is not None
        end_trial(study, claim)
    name = config.sweep_name
    return optuna.load_study(study_name=name, storage=storage.optuna).get_trials()[2:]


def _copy(template: FrozenTrial, number: int) -> FrozenTrial:
    attributes: dict[str, Any] = {**template.user_attrs, "number": number}
    record = TrialRecord.from_json(json.loads(attributes["record"]))
    specification = replace(record.specification, number=number)
    record = replace(
        record, specification=specification, costs={**record.costs, "macs": 1e4 + number}
    )
    attributes["record"] = json.dumps(record.to_json())
    attributes[COSTS] = record.costs
    assert record.val_accuracy is not None
    distributions: dict[str, BaseDistribution] = template.distributions
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE,
        values=[record.val_accuracy, record.costs["macs"]],
        params=template.params,
        distributions=distributions,
        user_attrs=attributes,
    )


def trivial_trials(folder: Path) -> dict[str, float]:
    """Return the seconds of trivial trials through the whole of a worker, and of Optuna alone."""
    trials = f"search.trials={TRIVIAL_TRIALS}"
    plan = plan_sweep(settings(folder / "complete", trials, "training.epochs=1"), print)
    create_folder(plan)
    start = time.perf_counter()
    for _ in range(TRIVIAL_TRIALS):  # a worker leaves now and then, to be replaced
        if work(plan.config, lambda data, threads: _trainer(plan)) == 0:
            break
    complete = time.perf_counter() - start
    backlog = mirrored(plan)
    alone = optuna_alone(plan, folder / "alone.journal")
    return {
        "complete_seconds": complete,
        "optuna_seconds": alone,
        "ratio": complete / alone,
        **backlog,
    }


def mirrored(plan: SweepPlan) -> dict[str, float]:
    """Return how long MLflow takes to be told of a sweep that is over, and of how much."""
    from pipeline.tracking.mirror import Mirror

    sweep_dir = plan.config.sweep_dir
    events = sum(len(read(path)) for path in training_log_paths(sweep_dir).values())
    tracking = plan.config.tracking.model_copy(update={"enabled": True})
    config = plan.config.model_copy(update={"tracking": tracking})
    start = time.perf_counter()
    with Mirror(sweep_dir, config, plan.description) as mirror:
        report = mirror.sync()
    seconds = time.perf_counter() - start
    if report.failure is not None:
        raise RuntimeError(report.failure)
    return {"events": events, "runs": report.runs, "mirror_seconds": seconds}


def _trainer(plan: SweepPlan) -> SimulatedTrainer:
    return SimulatedTrainer(config=plan.config, description=plan.description)


def optuna_alone(plan: SweepPlan, journal: Path) -> float:
    """Return the seconds of as many trials of the same space with Optuna and nothing else."""
    from pipeline.search.suggestion import TrialChooser

    with experiments_accepted():
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))),
            directions=["maximize", "minimize"],
            sampler=build_sampler(plan.config.search, 0),
        )
    start = time.perf_counter()
    for number in range(TRIVIAL_TRIALS):
        trial = study.ask()
        plan.space.draw(TrialChooser(trial))
        study.tell(trial, [0.85 + number / 1e4, 1e5 + number])
    return time.perf_counter() - start
