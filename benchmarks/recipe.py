"""What the default recipe buys: the ``cnn`` reference's accuracy, and the time that it takes.

    make bench ARGS=recipe

Keras' ``fit`` with its defaults trains the network for five epochs, with three seeds, one after
the other on all cores; a sweep trains it with the default recipe for fewer epochs, twice a worker.
A network's time is the wall time by the number of networks, evaluation after every epoch included
on both sides. How Keras stood at its best epoch is told, too, where that was not the last, and what
the recipe owes to a shorter memory of Adam and the higher rate that goes with it. Data: the
complete Fashion-MNIST where it can be had, else digits.
"""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results_files import AUTO, keep
from benchmarks.running import export_images, plain_keras
from benchmarks.throughput import train_reference

SEEDS, PLAIN_EPOCHS = (0, 1, 2), 5
EPOCHS = (2, 3)
#: The default recipe until November 2026: Adam as it is in Keras, with a lower peak rate.
BEFORE = (
    "training.adam_beta_2=0.999", "training.learning_rate=0.004", "training.averaging=none"
)  # fmt: skip


def main(short: bool, data: str = AUTO) -> None:
    """Run the benchmark; ``short`` trains a single seed and epoch each."""
    seeds, plain_epochs, epochs = (SEEDS[:1], 1, (1,)) if short else (SEEDS, PLAIN_EPOCHS, EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        images, _, _ = export_images(Path(folder) / "data.npz", data)
        plain = [plain_keras("accuracy", images, plain_epochs, seed) for seed in seeds]
    by_epoch = list(zip(*(trained["accuracies"] for trained in plain), strict=True))
    best = max(range(plain_epochs), key=lambda epoch: statistics.mean(by_epoch[epoch]))
    seconds = statistics.mean(trained["seconds"] for trained in plain) / plain_epochs
    told = {plain_epochs: "after"}
    told.setdefault(best + 1, "at its best after")
    rows = [
        {
            "name": f"Keras' `fit`, batch 32, float32, {name} {epoch} epochs",
            "epochs": epoch,
            "accuracies": list(by_epoch[epoch - 1]),
            "seconds": seconds * epoch,
        }
        for epoch, name in told.items()
    ]
    rows += [_swept(count, data) for count in epochs]
    rows.append(_swept(epochs[0], data, *BEFORE))
    for row in rows:
        row["accuracy"] = statistics.mean(row["accuracies"])
        row["time_share"] = row["seconds"] / rows[0]["seconds"]
    lines = _lines(rows)
    print("\n".join(lines))
    print(keep("recipe", {"rows": rows}, lines, short=short, data=data))


def _swept(epochs: int, data: str, *overrides: str) -> dict[str, Any]:
    found = train_reference(epochs, data, *overrides)
    return {
        "name": f"the default recipe, {epochs} epochs"
        + (f", with {' '.join(f'`{text}`' for text in overrides)}" if overrides else ""),
        "overrides": overrides,
        "epochs": epochs,
        "precision": found["precision"],
        "accuracies": found["val_accuracy"],
        "seconds": found["trained_seconds"] / found["trials"],
    }


def _lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [
        "| the `cnn` reference by | networks | validation accuracy | seconds a network | of the "
        "time |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row['name']} | {len(row['accuracies'])} | {row['accuracy']:.2%} "
            f"({min(row['accuracies']):.2%} to {max(row['accuracies']):.2%}) | "
            f"{row['seconds']:.0f} | {row['time_share']:.0%} |"
            for row in rows
        ),
    ]
