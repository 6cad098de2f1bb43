"""What the lesson's networks cost, measured in one run: a training step, and one image alone.

    make bench ARGS=lesson

The networks are those of the experiments of ``docs/lesson.md``; each is measured as trials
measure them, untrained, on one thread, in turn with the ``cnn``. Data: the complete
Fashion-MNIST where it can be had, else digits.
"""

import statistics
from typing import Any

from benchmarks.results_files import keep
from pipeline.core.architecture import REFERENCES
from pipeline.core.wording import number

CNN = REFERENCES["cnn"].notation

NETWORKS = (
    "d128", CNN,
    "16k3-16k3-d128", "32k3-32k3-d128", "128k3-128k3-d128", "64k3-d128", "64k3-64k3-64k3-d128",
    "64k5-64k5-d128", "64k7-64k7-d128", "64k3a-64k3a-d128", "64k3n-64k3n-d128",
)  # fmt: skip
ROUNDS = 3


def main(short: bool) -> None:
    """Run the benchmark; ``short`` measures three of them once, on digits."""
    from benchmarks.measured import measure, open_session, settings, specification
    from pipeline.launching.devices import lock_name
    from pipeline.measuring.quiet import QuietLock

    config = settings(
        "calibrate=false", f"data={'digits' if short else 'auto'}", "training.jit_compile=off"
    )
    names = NETWORKS[:3] if short else NETWORKS
    session = open_session(config, QuietLock(lock_name()))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(1 if short else ROUNDS):
        for name in names:
            found[name].append(measure(session, specification(config, name)))
    rows = _rows(found, config.training.recipe.batch_size)
    lines = [
        f"Medians of {len(found[names[0]])}, on one thread, each in turn with the `cnn`:",
        "",
        "| network | µs an image in training | times the `cnn` | latency (ms) | times the `cnn` |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| `{row['network']}` | {number(row['step_us_an_image'])} | {row['step_ratio']:.2f} | "
            f"{row['latency_ms']:.3g} | {row['latency_ratio']:.2f} |"
            for row in rows
        ),
    ]
    print("\n".join(lines))
    print(keep("lesson", {"rows": rows}, lines, short=short))


def _rows(found: dict[str, list[dict[str, float]]], batch_size: int) -> list[dict[str, Any]]:
    """Return the networks' costs: the median of each one's ratios, times what the ``cnn`` takes."""

    def median(name: str, key: str) -> float:
        return statistics.median(values[key] for values in found[name])

    step, latency = median(CNN, "step_ms"), median(CNN, "latency_ms")
    return [
        {
            "network": name,
            "step_ratio": median(name, "step_ratio") / median(CNN, "step_ratio"),
            "latency_ratio": median(name, "latency_ratio") / median(CNN, "latency_ratio"),
            "step_us_an_image": 1e3 * step * median(name, "step_ratio") / batch_size,
            "latency_ms": latency * median(name, "latency_ratio"),
        }
        for name in found
    ]
