"""What a trial spends outside training, evaluation and measuring.

    make bench ARGS=overhead

Runs a real sweep (one worker, so that nobody waits for anybody) and reads the clocks of its
trials from storage. Data: the complete Fashion-MNIST where it can be had, else digits.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.results_files import keep
from pipeline.core.trial import TrialRecord
from pipeline.reporting.progress import read_records

WORK = ("training", "first_step", "evaluation", "measuring")
TRIALS = 12


def main(short: bool) -> None:
    """Run the benchmark; ``short`` uses the embedded digits."""
    data = "digits" if short else "auto"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pipeline", "sweep", f"mlruns={folder}", "calibrate=false",
             f"data={data}", "space=small", "training=quick", "search=random",
             f"search.trials={TRIALS}",
             "search.rungs.enabled=false", "launch.workers=1", "launch.threads=2",
             "sweep_name=overhead"],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
        records = read_records(Path(folder) / "sweeps" / "overhead")
    rows = [outside(record) for record in records]
    median = statistics.median(row["outside_seconds"] for row in rows)
    names = sorted({name for record in records for name in record.clocks})
    lines = [
        f"{len(rows)} trials, median time outside training, evaluation and measuring: "
        f"**{median:.2f} s** (at least: under 0.5 s).",
        "",
        "| clock | median seconds a trial |",
        "| --- | --- |",
        *(
            f"| {name} | {statistics.median(r.clocks.get(name, 0.0) for r in records):.3f} |"
            for name in names
        ),
    ]
    print("\n".join(lines))
    print(keep("overhead", {"median_outside_seconds": median, "trials": rows}, lines, short=short))


def outside(record: TrialRecord) -> dict[str, Any]:
    """Return a trial's wall time, and what of it is none of the work a sweep is for."""
    assert record.started is not None and record.ended is not None
    wall = record.ended - record.started
    work = sum(record.clocks.get(name, 0.0) for name in WORK)
    return {
        "trial": record.number,
        "architecture": record.specification.architecture.notation,
        "wall_seconds": wall,
        "outside_seconds": wall - work,
        "clocks": record.clocks,
    }
