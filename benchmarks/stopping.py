"""What stopping early saves and costs, on recorded learning curves and a simulated clock.

    make bench ARGS=stopping

Replays recorded curves (``benchmarks/curves``, of Fashion-MNIST or what ``data=`` names, each of
``seeds=`` by itself) through the real study, sampler and rungs:

1. in 100 resampled orders, with rungs and without: the epochs until both have the hypervolume
   that full training ends with, and how often a member of the final front was stopped;
2. the samplers, with a stopped trial told as PRUNED and, for comparison, as COMPLETE with what
   it had reached, and with the start-up networks in random order; networks that were not recorded
   learn as their nearest neighbours;
3. one to 16 workers.
"""

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from benchmarks.recording import curves_of
from benchmarks.results_files import AUTO, NotHereError, keep
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import Config
from pipeline.core.front import pareto_front
from pipeline.core.journey import ImageShape
from pipeline.core.outcome import Ending
from pipeline.core.summary import HYPERVOLUME_COST_FACTOR
from pipeline.core.trial import Outcome, TrialRecord, TrialSpecification
from pipeline.launching.training_rate import OPERATIONS_A_MAC
from pipeline.search.ledger import Claim
from pipeline.search.space import SearchSpace
from pipeline.search.startup import startup_proposals
from pipeline.search.storage import StudyStorage
from pipeline.search.study import SweepStudy
from pipeline.testing.curves import Curve, Recording, read_recording
from pipeline.testing.neighbours import NearestCurves
from pipeline.testing.simulation import OrderedSpace, Simulation, Simulator

ORDERS, ORDERS_OF_WORKERS = 100, 20
SEEDS, SEARCH_TRIALS = 20, 60
WORKERS = (1, 4, 16)
#: Of one thread: the time of an image whatever the network, and the operations of training.
SECONDS_AN_IMAGE, OPERATIONS_A_SECOND = 1e-5, 7e10
#: Of the final hypervolume: what is called the same, and what is close.
SAME, CLOSE = 1.0 - 1e-12, 0.999
NO_RUNGS, EARLIER = "search.rungs.enabled=false", "search.rungs.first=1"
#: Of the best way's final hypervolume: what a search is timed to.
NEARLY = 0.99


def main(short: bool, data: str = AUTO, seeds: Sequence[int] = (0,)) -> None:
    """Run the comparisons; ``short`` with a tenth of the orders and seeds."""
    for seed in seeds:
        _replay_all(curves_of(data, seed), short, data, seed)


def _replay_all(curves: Path, short: bool, data: str, seed: int) -> None:
    if not curves.exists():
        options = [f"data={data}"] if data != AUTO else []
        options += [f"seeds={seed}"] if seed else []
        raise NotHereError(
            f"no learning curves of {curves.stem} are recorded; the benchmark recording does it"
            + (f", with {' '.join(options)}" if options else "")
        )
    recording = at_even_pace(read_recording(curves))
    share = 10 if short else 1
    orders = compare_orders(recording, ORDERS // share)
    earlier = compare_orders(recording, ORDERS // share, EARLIER)
    samplers = compare_samplers(recording, SEEDS // share)
    workers = compare_workers(recording, ORDERS_OF_WORKERS // share)
    lines = [
        *_order_lines(recording, orders),
        *_earlier_lines(earlier),
        *_sampler_lines(samplers),
        *_worker_lines(workers),
    ]
    print("\n".join(lines))
    result = {
        "recording": dict(recording.origin),
        "networks": len(recording.curves),
        "orders": orders,
        "orders_earlier": earlier,
        "samplers": samplers,
        "workers": workers,
    }
    name = f"stopping{f'-seed-{seed}' if seed else ''}"
    print(keep(name, result, lines, short=short, data=data))


def at_even_pace(recording: Recording) -> Recording:
    """Return the recording with epochs that take time in proportion to their work.

    The recorded seconds are those of a machine that did other things, too.
    """
    images = recording.origin["train"]
    curves = tuple(
        replace(
            curve,
            costs={
                **curve.costs,
                "epoch_seconds": images
                * (SECONDS_AN_IMAGE + OPERATIONS_A_MAC * curve.costs["macs"] / OPERATIONS_A_SECOND),
            },
        )
        for curve in recording.curves
    )
    return replace(recording, curves=curves)


def settings(recording: Recording, trials: int, *overrides: str) -> Config:
    """Return the configuration of a simulated sweep over accuracy and MACs.

    Its references have the recipe that the recorded ones had.
    """
    recipe = next(curve.recipe for curve in recording.curves if curve.reference is not None)
    return compose(
        CommandLine(
            command="sweep",
            overrides=("data=digits", "objective=macs", "sweep_name=simulated",
                       f"training.epochs={recording.epochs}", f"search.trials={trials}",
                       f"training.learning_rate={recipe.learning_rate}",
                       *overrides),
        )
    )  # fmt: skip


def reference_point(recording: Recording) -> tuple[float, ...]:
    """Return the point of a sweep's summary: chance, and ten times the cnn's MACs."""
    cnn = next(curve for curve in recording.curves if curve.reference == "cnn")
    return (1.0 / recording.origin["classes"], HYPERVOLUME_COST_FACTOR * cnn.costs["macs"])


def replay(recording: Recording, config: Config, seed: int, workers: int = 1) -> Simulation:
    """Return a sweep over the recorded networks, the references first, the rest shuffled."""
    by_network = {(c.architecture, c.recipe): c for c in recording.curves}
    others = [curve for curve in recording.curves if curve.reference is None]
    random.Random(seed).shuffle(others)

    def curve(specification: TrialSpecification) -> Curve:
        return by_network[specification.architecture, specification.recipe]

    height, width, channels = recording.origin["image_shape"]
    shape: ImageShape = (height, width, channels)
    networks = iter([(c.architecture, c.recipe) for c in others])
    return Simulator(
        config=config,
        space=OrderedSpace(config.space, shape, recording.origin["classes"], networks),
        curve=curve,
        reference_point=reference_point(recording),
        workers=workers,
    ).run()


def final_front(recording: Recording) -> set[tuple[Any, Any]]:
    """Return the networks on the front once everything is trained to its end."""
    points = [(curve.val_accuracy[-1], curve.costs["macs"]) for curve in recording.curves]
    members = [recording.curves[index] for index in pareto_front(points)]
    return {(curve.architecture, curve.recipe) for curve in members}


def compare_orders(
    recording: Recording, orders: int, *overrides: str, workers: int = 1
) -> dict[str, Any]:
    """Return what rungs save and cost in so many orders, against training everything."""
    trials, front = len(recording.curves), final_front(recording)
    config = settings(recording, trials, *overrides)
    without = settings(recording, trials, NO_RUNGS)
    rows = []
    for seed in range(orders):
        full, stopping = (replay(recording, c, seed, workers) for c in (without, config))
        stopped = [r for r in stopping.records if r.outcome is Outcome.STOPPED]
        row: dict[str, Any] = {
            "epochs": stopping.epochs,
            "epochs_of_full": full.epochs,
            "seconds": stopping.moments[-1].seconds,
            "seconds_of_full": full.moments[-1].seconds,
            "hypervolume_share": stopping.hypervolume / full.hypervolume,
            "stopped": len(stopped),
            "front_stopped": sum(
                (r.specification.architecture, r.specification.recipe) in front for r in stopped
            ),
        }
        for name, level in (("same", SAME), ("close", CLOSE)):
            for which, simulation in (("", stopping), ("_of_full", full)):
                moment = simulation.first(level * full.hypervolume)
                row[f"epochs_to_{name}{which}"] = moment.epochs if moment else None
        rows.append(row)
    return {"front": len(front), "orders": rows, **_summary(rows, len(front))}


def _summary(rows: Sequence[dict[str, Any]], front: int) -> dict[str, Any]:
    close = [row for row in rows if row["epochs_to_close"] is not None]
    same = [row for row in rows if row["epochs_to_same"] is not None]

    def ratio(name: str) -> float | None:
        """Return the median over all orders; one that never comes there is the longest."""
        epochs = [(row[f"epochs_to_{name}"], row[f"epochs_to_{name}_of_full"]) for row in rows]
        median = statistics.median(math.inf if own is None else own / of for own, of in epochs)
        return median if math.isfinite(median) else None

    return {
        "epoch_share": statistics.mean(row["epochs"] / row["epochs_of_full"] for row in rows),
        "second_share": statistics.mean(row["seconds"] / row["seconds_of_full"] for row in rows),
        "hypervolume_share": statistics.mean(row["hypervolume_share"] for row in rows),
        "least_hypervolume_share": min(row["hypervolume_share"] for row in rows),
        "orders_with_the_same": len(same) / len(rows),
        "epoch_share_to_the_same": ratio("same"),
        "orders_close": len(close) / len(rows),
        "epoch_share_to_close": ratio("close"),
        "front_stopped_share": sum(row["front_stopped"] for row in rows) / (front * len(rows)),
    }


class ToldComplete(SweepStudy):
    """A study that tells a stopped trial as COMPLETE with what it had reached."""

    def _end(self, claim: Claim, ending: Ending, record: TrialRecord) -> bool:
        if ending.outcome is not Outcome.STOPPED:
            return super()._end(claim, ending, record)
        claim.trial.set_user_attr("stopped", True)
        return super()._end(claim, Ending(outcome=Outcome.COMPLETE), record)

    def _latest(self) -> dict[Any, FrozenTrial]:
        # For its peers at the rungs such a trial has no final accuracy all the same.
        return {run: _unfinished(trial) for run, trial in super()._latest().items()}


def _unfinished(trial: FrozenTrial) -> FrozenTrial:
    if "stopped" not in trial.user_attrs:
        return trial
    return optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs=trial.user_attrs)


@dataclass(frozen=True, kw_only=True)
class SearchVariant:
    """A way to search.

    Parameters
    ----------
    study
        Tells stopped trials in its own way.
    cheapest_first
        Whether it starts with its cheapest networks, as sweeps do.
    """

    name: str
    overrides: tuple[str, ...]
    study: type[SweepStudy] = SweepStudy
    cheapest_first: bool = True

    def build(self, config: Config, space: SearchSpace, storage: StudyStorage) -> SweepStudy:
        """Return the study of a sweep that searches like this."""
        first = startup_proposals(config, space, ())
        if not self.cheapest_first:
            first = tuple(random.Random(config.search.seed).sample(first, len(first)))
        return self.study(config, space, storage, first)


VARIANTS = (
    SearchVariant(name="random, no rungs", overrides=("search=random", NO_RUNGS)),
    SearchVariant(name="random, rungs", overrides=("search=random",)),
    SearchVariant(name="TPE, no rungs", overrides=("search=tpe", NO_RUNGS)),
    SearchVariant(name="TPE, rungs, stopped is PRUNED", overrides=("search=tpe",)),
    SearchVariant(
        name="TPE, rungs, stopped is COMPLETE", overrides=("search=tpe",), study=ToldComplete
    ),
    SearchVariant(name="TPE, rungs from the first epoch on", overrides=("search=tpe", EARLIER)),
    SearchVariant(
        name="TPE, rungs, start-up in random order", overrides=("search=tpe",), cheapest_first=False
    ),
)


def compare_samplers(
    recording: Recording, seeds: int, variants: Iterable[SearchVariant] = VARIANTS
) -> list[dict[str, Any]]:
    """Return what each way to search reaches in the same number of epochs, over seeds."""
    found = {variant.name: _searches(recording, seeds, variant) for variant in variants}
    means = {
        name: statistics.mean(simulation.hypervolume for simulation in own)
        for name, own in found.items()
    }
    level = NEARLY * max(means.values())
    rows = []
    for name, own in found.items():
        volumes = [simulation.hypervolume for simulation in own]
        moments = [simulation.first(level) for simulation in own]
        times = [math.inf if moment is None else moment.seconds for moment in moments]
        seconds = statistics.median(times)
        rows.append(
            {
                "name": name,
                "hypervolume": means[name],
                "standard_error": statistics.stdev(volumes) / len(volumes) ** 0.5
                if len(volumes) > 1 else None,
                "trials": statistics.mean(len(simulation.records) for simulation in own),
                "seconds_to_nearly": seconds if math.isfinite(seconds) else None,
                "hypervolumes": volumes,
            }
        )  # fmt: skip
    return rows


def _searches(recording: Recording, seeds: int, variant: SearchVariant) -> list[Simulation]:
    curves, found = NearestCurves(recording), []
    height, width, channels = recording.origin["image_shape"]
    for seed in range(seeds):
        # More trials than epochs allow, cut where the budget of epochs ends.
        config = settings(recording, 3 * SEARCH_TRIALS, f"search.seed={seed}", *variant.overrides)
        space = SearchSpace(config.space, (height, width, channels), recording.origin["classes"])
        found.append(
            Simulator(
                config=config,
                space=space,
                curve=curves,
                reference_point=reference_point(recording),
                workers=2,
                build_study=variant.build,
                most_epochs=SEARCH_TRIALS * recording.epochs,
            ).run()
        )
    return found


def compare_workers(recording: Recording, orders: int) -> list[dict[str, Any]]:
    """Return what rungs save with several workers, of which none waits for another."""
    rows = []
    for workers in WORKERS:
        found = compare_orders(recording, orders, workers=workers)
        rows.append({"workers": workers} | {k: v for k, v in found.items() if k != "orders"})
    return rows


def _order_lines(recording: Recording, found: dict[str, Any]) -> list[str]:
    origin, orders = recording.origin, len(found["orders"])
    same, close = found["epoch_share_to_the_same"], found["epoch_share_to_close"]
    return [
        f"{len(recording.curves)} networks of the default space, {origin['epochs']} epochs of "
        f"{origin['train']:,} images of {origin['data']} each, replayed in {orders} orders. "
        "Hypervolume over accuracy and log10 of MACs.",
        "",
        f"All trials with rungs take **{found['epoch_share']:.1%}** of the epochs of full training "
        f"({found['second_share']:.0%} of its training time).",
        "",
        f"The same hypervolume as full training's at its end is reached in "
        f"{found['orders_with_the_same']:.0%} of the orders, in **{_percent(same)}** (median) of "
        f"the epochs that full training takes to it; 99.9% of it in {found['orders_close']:.0%} "
        f"of the orders, in {_percent(close)} of the epochs (at most: 50%). What is left at the "
        f"end is {found['hypervolume_share']:.4%} of it on average, at least "
        f"{found['least_hypervolume_share']:.3%}.",
        "",
        f"Stopped although on the final front of {found['front']}: "
        f"**{found['front_stopped_share']:.1%}** (at most: 2%).",
        "",
    ]  # fmt: skip


def _earlier_lines(found: dict[str, Any]) -> list[str]:
    return [
        f"With `{EARLIER}`, though a first epoch may be an unlucky one: {found['epoch_share']:.0%} "
        f"of the epochs, the same hypervolume in {found['orders_with_the_same']:.0%} of the orders "
        f"({_percent(found['epoch_share_to_the_same'])} of the epochs, median), "
        f"{found['front_stopped_share']:.1%} of the final front stopped.",
        "",
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _sampler_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"Two workers, {SEARCH_TRIALS} trials' worth of epochs, {len(rows[0]['hypervolumes'])} "
        "seeds; networks that were not recorded learn as their nearest neighbours:",
        "",
        f"| search | trials | hypervolume | standard error | seconds to {NEARLY:.0%} of the best |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row['name']} | {row['trials']:.0f} | {row['hypervolume']:.4f} | "
            + (f"{row['standard_error']:.4f} | " if row["standard_error"] else "– | ")
            + (f"{row['seconds_to_nearly']:.0f} |" if row["seconds_to_nearly"] else "– |")
            for row in rows
        ),
        "",
    ]


def _worker_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [
        "| workers | epochs against full training | final hypervolume | front members stopped |",
        "| --- | --- | --- | --- |",
        *(
            f"| {row['workers']} | {row['epoch_share']:.0%} | {row['hypervolume_share']:.3%} | "
            f"{row['front_stopped_share']:.1%} |"
            for row in rows
        ),
    ]
