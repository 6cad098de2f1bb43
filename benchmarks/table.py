"""The README's table of what was measured, from the newest dated result of each benchmark.

    python -m benchmarks.table

Written again whenever benchmarks have run. A row whose result is not there, or was measured in
another way, says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fronts import THEY_NEVER, ratio_of
from benchmarks.results_files import RESULTS, newest, newest_of_each
from pipeline.reporting.wording import counted

README = RESULTS.parent.parent / "README.md"
#: Of `throughput`, what was set out to be reached.
_THROUGHPUT = 4.0
BEGIN, END = "<!-- measured: written by python -m benchmarks.table -->", "<!-- end of measured -->"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Parameters
    ----------
    against
        What it is compared with.
    wanted
        What was set out to be reached.
    benchmark
        Its name; with ``-seed-N`` behind it what it has found with that seed.
    reached
        Reads what was reached from the benchmark's result; an old result may lack the key.
    """

    what: str
    against: str
    wanted: str
    benchmark: str
    reached: Callable[[dict[str, Any]], str]
    #: Whether the newest result of every machine has a row.
    each_machine: bool = False


def _front_time(name: str, wanted: float) -> Callable[[dict[str, Any]], str]:
    def reached(result: dict[str, Any]) -> str:
        rows = {row["name"]: row for row in result["rows"]}
        own, ours = rows[name], rows["sweetspot"]
        both = len(set(own["seeds"]) & set(ours["seeds"]))
        if not both:
            raise KeyError(name)  # not run yet
        if own["ratio"] == THEY_NEVER:
            end = _times(own["ratio_to_its_end"])
            return f"it never gets there ({counted(both, 'seed')}); to what it ends with {end}"
        said = [f"{_times(own['ratio'])}{_missed(own['ratio'], wanted)} ({counted(both, 'seed')})"]
        if own["ratio_on_a_new_machine"] is not None:
            said.append(f"calibrating first, once, {_times(own['ratio_on_a_new_machine'])}")
        if name == "plain TPE":
            # The hypervolume owes much to the cheapest networks; this does not.
            beaten = dict(zip(ours["seeds"], ours["seconds_to_beat_all"], strict=True))
            whole = dict(zip(own["seeds"], own["seconds_to_beat_all"], strict=True))
            common = beaten.keys() & whole.keys()
            ratio = ratio_of((whole[s], beaten[s]) for s in common)
            said.append(f"to beat every network of its front {_times(ratio)}")
        return "; ".join(said)

    return reached


def _missed(ratio: float | str | None, wanted: float) -> str:
    return ", not reached" if isinstance(ratio, float) and ratio < wanted else ""


def _times(ratio: float | str | None) -> str:
    if ratio is None:
        raise KeyError  # not run yet
    return ratio if isinstance(ratio, str) else f"{ratio:.1f}×"


def _gpu(result: dict[str, Any]) -> str:
    return f"{result['ratio']:.1f}× in training steps alone, with {result['backend']}"


def _overhead(result: dict[str, Any]) -> str:
    total = sum(result["seconds"].values())
    waiting, end = (result["seconds"].get(name, 0.0) / total for name in ("waiting", "end"))
    return (
        f"{result['idle_share']:.1%} at most; of its workers' time {result['outside_share']:.1%}, "
        f"{waiting:.1%} of it waiting while another one measures and {end:.1%} with nothing left "
        "to do at the end"
    )


def _throughput(result: dict[str, Any]) -> str:
    most = result["ratio"] / result["share_of_used_precision"]
    missed = _missed(result["ratio"], _THROUGHPUT)
    return f"{result['ratio']:.1f}×{missed} (all of the machine's matrix product: {most:.1f}×)"


def _carried(result: dict[str, Any]) -> str:
    return f"{result['carried']:,.0f} with {result['carried_workers']} workers"


def _recipe(result: dict[str, Any]) -> str:
    plain = result["rows"][0]
    ours = [row for row in result["rows"] if "precision" in row and not row["overrides"]]
    enough = [row for row in ours if row["accuracy"] >= plain["accuracy"]]
    row = min(enough, key=lambda r: r["seconds"]) if enough else ours[-1]
    difference = 100 * (row["accuracy"] - plain["accuracy"])
    return f"{row['time_share']:.0%}, {difference:+.1f} points of accuracy"


def _memory(result: dict[str, Any]) -> str:
    text = (
        f"{result['mib_a_trial_after_first']:.1f} MiB a trial in one process, which is replaced "
        f"after {result['replaced_after']}"
    )
    highest = result.get("highest_mib_of_each_worker")
    if highest:
        grown = highest[-1] - highest[0]
        text += f"; all of a sweep {grown:+.0f} MiB from its first process to its last, of "
        text += f"{highest[0]:,.0f}"
    return text


def _epochs_saved(result: dict[str, Any]) -> str:
    found = result["orders"]
    ended = f"{found['orders_with_the_same']:.0%} of the orders end with all of it"
    in_all = f"{found['epoch_share']:.1%} in all"
    if found["epoch_share_to_the_same"] is not None:
        return f"{found['epoch_share_to_the_same']:.0%} (median; {ended}), {in_all}"
    return (
        f"{found['epoch_share_to_close']:.0%} to 99.9% of it (median; {ended}, and on average "
        f"with {found['hypervolume_share']:.2%}), {in_all}"
    )


def _front_stopped(result: dict[str, Any]) -> str:
    text = f"{result['orders']['front_stopped_share']:.1%}"
    earlier = result.get("orders_earlier")
    if earlier is not None:
        text += (
            f"; with `search.rungs.first=1` {earlier['front_stopped_share']:.1%}, and "
            f"{earlier['epoch_share']:.0%} of the epochs in all"
        )
    return text


def _unseen(result: dict[str, Any]) -> str:
    found = result["orders"]
    return (
        f"{found['front_stopped_share']:.1%}, in {found['epoch_share']:.1%} of the epochs; "
        f"{found['hypervolume_share']:.2%} of the hypervolume is kept"
    )


def _quiet(cost: str) -> Callable[[dict[str, Any]], str]:
    def reached(result: dict[str, Any]) -> str:
        of = result["median"]
        giving_way, not_giving_way = (
            f"{of[condition][cost] / of['alone'][cost] - 1:+.1%}"
            for condition in ("giving way", "not giving way")
        )
        return f"{giving_way}; where they do not, {not_giving_way}"

    return reached


ROWS = (
    Row(
        what="images a second while the `cnn` reference trains, all of a sweep's time",
        against="Keras' `fit`, batch 32, float32", wanted=f"{_THROUGHPUT:.0f}×",
        benchmark="throughput",
        reached=_throughput,
    ),
    Row(
        what="the same", against="the machine's matrix product in the precision used",
        wanted="20%", benchmark="throughput",
        reached=lambda result: f"{result['share_of_used_precision']:.1%}",
    ),
    Row(
        what="images a second while the `cnn` reference trains, on a GPU",
        against="Keras' `fit` there, batch 32, float32", wanted="–", benchmark="gpu",
        reached=_gpu,
    ),
    Row(
        what="what `auto` decides on a GPU", against="the best of the ways measured there",
        wanted="at least 90%", benchmark="gpu",
        reached=lambda result: f"{result['auto_against_best']:.0%}",
    ),
    Row(
        what="the same on a processor", against="the same there", wanted="at least 90%",
        benchmark="calibration", reached=lambda result: f"{result['auto_against_best']:.0%}",
    ),
    Row(
        what="calibration of a machine, once, TensorFlow's import included", against="–",
        wanted="well under a minute", benchmark="calibration",
        reached=lambda result: f"{result['seconds']:.0f} s",
    ),
    Row(
        what="time to train the `cnn` reference as accurately, by the default recipe",
        against="Keras' `fit`, batch 32, float32, five epochs", wanted="a quarter",
        benchmark="recipe", reached=_recipe,
    ),
    *(
        Row(what="time to the hypervolume that the plain script reaches in 25 minutes",
            against=against, wanted=f"{wanted:.0f}×", benchmark="front_time",
            reached=_front_time(name, wanted), each_machine=True)
        for name, against, wanted in (
            ("plain TPE", "plain Optuna and Keras, TPE", 8.0),
            ("plain NSGA-II", "plain Optuna and Keras, NSGA-II", 8.0),
            ("KerasTuner Hyperband", "KerasTuner's Hyperband", 5.0),
            ("Syne Tune MO-ASHA", "Syne Tune's MO-ASHA", 5.0),
        )
    ),
    Row(
        what="a sweep of 24 trials, without finalists: wall time in which nobody trains, evaluates "
        "or measures", against="all of it", wanted="at most 3%", benchmark="overhead",
        reached=_overhead,
    ),
    Row(
        what="`sweetspot sweep` to the first training step, which is measured",
        against="`import tensorflow` alone",
        wanted="at most 1.4×", benchmark="start_up",
        reached=lambda result: f"{result['ratios']['stepped']:.2f}×",
    ),
    Row(
        what="100 trivial trials through all that a worker does",
        against="Optuna alone, same sampler and journal", wanted="at most 5×",
        benchmark="asking", reached=lambda result: f"{result['trivial']['ratio']:.1f}×",
    ),
    Row(
        what="ask and tell with 1,000 finished trials", against="with 100",
        wanted="at most 4×", benchmark="asking",
        reached=lambda result: f"{result['ratio_1000_to_100']:.1f}×",
    ),
    Row(
        what="trials of 10 s an hour that one journal carries at 85% efficiency, behind 100 trials",
        against="–",
        wanted="–", benchmark="scaling", reached=_carried,
    ),
    Row(
        what="memory over 100 trials", against="–", wanted="flat", benchmark="memory",
        reached=_memory,
    ),
    Row(
        what="epochs of a sweep that stops early, to full training's final hypervolume",
        against="training every network to its end", wanted="under half", benchmark="stopping",
        reached=_epochs_saved,
    ),
    Row(
        what="members of the final front that are stopped early", against="all of them",
        wanted="at most 2%", benchmark="stopping",
        reached=_front_stopped,
    ),
    Row(
        what="the same with other networks, recorded when the settings were settled",
        against="the same", wanted="at most 2%", benchmark="stopping-seed-2",
        reached=_unseen,
    ),
    Row(
        what="the time of an epoch, measured while others train and give way",
        against="measured alone", wanted="within 5%", benchmark="quiet",
        reached=_quiet("epoch_seconds"),
    ),
    Row(
        what="latency, measured in the same way", against="measured alone", wanted="within 5%",
        benchmark="quiet", reached=_quiet("latency_ms"),
    ),
    Row(
        what="a network's training step against the reference's, in five processes",
        against="itself, standard deviation", wanted="at most 5%", benchmark="repeatability",
        reached=lambda result: f"{result['median_deviation']['step_ratio']:.1%}",
    ),
    Row(
        what="its latency against the reference's", against="the same", wanted="at most 5%",
        benchmark="repeatability",
        reached=lambda result: f"{result['median_deviation']['latency_ratio']:.1%}",
    ),
)  # fmt: skip


def table(results: Path = RESULTS) -> str:
    """Return the table as Markdown."""
    lines = ["| what | against | wanted | reached | measured |", "| --- | --- | --- | --- | --- |"]
    for row in ROWS:
        latest = newest(row.benchmark, results)
        found = [latest] if latest else []
        if row.each_machine:
            found = newest_of_each(row.benchmark, results)
        start = f"| {row.what} | {row.against} | {row.wanted}"
        measured = [line for result in found if (line := _measured(row, result))]
        if not measured:
            why = "to be measured again" if found else "not measured yet"
            measured = [f"{why} | –"]
        lines += [f"{start} | {line} |" for line in measured]
    return "\n".join(lines)


def _measured(row: Row, result: dict[str, Any]) -> str | None:
    """Return the last two cells of a row; None where the result does not tell."""
    try:
        reached = row.reached(result)
    except KeyError:
        return None
    device = result["device"]
    cores = "" if device["device"] == "gpu" else f", {device['cores']} cores"
    return f"{reached} | {result['date']}, {device['name']}{cores}"


def written(text: str, results: Path = RESULTS) -> str:
    """Return a page with the table between its two marks as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(results)}\n{picture(results)}{END}{after}"


def picture(results: Path = RESULTS) -> str:
    """Return the newest picture of hypervolume over time as Markdown; nothing where none is."""
    found = sorted(results.glob("*-front_time.png"))
    if not found:
        return ""
    address = found[-1].relative_to(results.parent.parent)
    return f"\n![What the searches have found, over time]({address})\n"


def write() -> None:
    """Write the table into the README."""
    README.write_text(written(README.read_text()))


if __name__ == "__main__":
    write()
