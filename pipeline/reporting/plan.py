"""What ``sweep --dry-run`` says: the space, its ends, the trials and the minutes."""

from dataclasses import dataclass
from typing import TextIO

from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.reporting.console import terminal
from pipeline.reporting.wording import printable

_A_MINUTE = 1.5
_HOURS_FROM = 90
_MOST_NAMES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A plan in numbers.

    Parameters
    ----------
    networks
        How many different networks and recipes the space holds, continuous dimensions aside.
    continuous
        The continuous dimensions.
    cheapest, dearest
        The networks with the fewest and the most multiply-accumulates.
    cheapest_macs, dearest_macs
        Those multiply-accumulates.
    trials
        The budget, references included.
    workers
        Processes that train side by side.
    first
        Networks that the sweep begins with after the references.
    finalists, seeds
        The most networks that are trained again, and how often each.
    minutes
        Of training the trials on this machine, and finalists again.
    finalist_minutes
        Of these, the finalists'.
    search_minutes
        After which the search ends; None where the trials alone decide.
    without_gpu
        The minutes are the processor's, as nobody knows yet how fast the GPU is.
    """

    networks: int
    continuous: tuple[str, ...]
    cheapest: Architecture
    dearest: Architecture
    cheapest_macs: int
    dearest_macs: int
    trials: int
    workers: int
    finalists: int
    seeds: int
    minutes: float
    finalist_minutes: float
    first: tuple[Architecture, ...] = ()
    search_minutes: float | None = None
    without_gpu: bool = False


def plan_lines(sweep: str, continues: bool, data: DataDescription, estimate: Estimate) -> list[str]:
    """Return the plan as lines of text."""
    height, width, channels = data.image_shape
    besides = (
        f", times any {' and '.join(estimate.continuous).replace('_', ' ')} in its range"
        if estimate.continuous
        else ""
    )
    state = "exists and would be continued" if continues else "would be new"
    return [
        f"sweep     {sweep} ({state})",
        f"data      {data.name}: {data.train:,} images to train, {data.validation:,} to validate, "
        f"{data.test:,} to test; {height}×{width}×{channels}, {len(data.classes)} classes",
        f"space     {estimate.networks:,} networks and recipes{besides}",
        f"cheapest  {estimate.cheapest} ({estimate.cheapest_macs:,} multiply-accumulates an image)",
        f"dearest   {estimate.dearest} ({estimate.dearest_macs:,} multiply-accumulates an image)",
        *_beginning(estimate),
        f"trials    {estimate.trials}, the two references included, {estimate.workers} at a time"
        f"{_search_end(estimate)}",
        f"finalists {_finalists(estimate)}",
        f"time      about {_minutes(estimate.minutes)} on this machine{_whose(estimate)}",
    ]


def _search_end(estimate: Estimate) -> str:
    minutes = estimate.search_minutes
    if minutes is None:
        return ""
    # As it was set: what was chosen is not rounded.
    return f", and none is begun after {minutes:,.10g} minute{'' if minutes == 1 else 's'}"


def _whose(estimate: Estimate) -> str:
    if not estimate.without_gpu:
        return ""
    return "'s processor; its GPU is faster"


def _beginning(estimate: Estimate) -> list[str]:
    """Return what the sweep begins with; no line where it is the references alone."""
    if not estimate.first:
        return []
    named = [str(network) for network in estimate.first[:_MOST_NAMES]]
    more = len(estimate.first) - len(named)
    return [f"begins    with {', '.join(named)}{f' and {more} more' if more else ''}"]


def _finalists(estimate: Estimate) -> str:
    if not estimate.finalists:
        return "none, each network is trained once"
    times = "once more" if estimate.seeds == 1 else f"{estimate.seeds} times more"
    return (
        f"at most {estimate.finalists}, each trained {times} after the search, about "
        f"{_minutes(estimate.finalist_minutes)} of the time below"
    )


def show_plan(
    sweep: str,
    continues: bool,
    data: DataDescription,
    estimate: Estimate,
    stream: TextIO | None = None,
) -> None:
    """Print the plan."""
    console = terminal(stream)
    for line in plan_lines(sweep, continues, data, estimate):
        console.print(printable(line, console.encoding), soft_wrap=True)


def _minutes(minutes: float) -> str:
    if minutes < _A_MINUTE:
        return "a minute"
    if minutes < _HOURS_FROM:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.1f} hours"
