"""What a network says of pictures: as a table for people, as JSON and CSV for programs."""

import csv
import io
import json
from dataclasses import dataclass
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.console import terminal
from pipeline.reporting.wording import printable

_RUNNERS_UP = 2
_WORTH_NAMING = 0.005  # shown as 1% or more


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Pictures and the probability of each class.

    Parameters
    ----------
    model
        What the network is called.
    names
        Of the pictures.
    classes
        Their names.
    probabilities
        float32, shape ``(pictures, classes)``.
    """

    model: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]

    def best(self, index: int) -> list[tuple[str, float]]:
        """Return the classes of a picture with their probabilities, the likeliest first."""
        row = self.probabilities[index]
        return [(self.classes[label], float(row[label])) for label in np.argsort(-row)]


def predictions_json(predictions: Predictions) -> str:
    """Return the predictions as JSON: the model, and for each picture every probability."""
    pictures = []
    for index, name in enumerate(predictions.names):
        best = predictions.best(index)
        pictures.append(
            {
                "picture": name,
                "class": best[0][0],
                "probability": best[0][1],
                "probabilities": {
                    label: float(share)
                    for label, share in zip(
                        predictions.classes, predictions.probabilities[index], strict=True
                    )
                },
            }
        )
    return json.dumps({"model": predictions.model, "pictures": pictures}, indent=1)


def predictions_csv(predictions: Predictions) -> str:
    """Return the predictions as CSV: a line a picture, a column a class."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["picture", "class", "probability", *predictions.classes])
    for index, name in enumerate(predictions.names):
        label, share = predictions.best(index)[0]
        row = (f"{value:.6g}" for value in predictions.probabilities[index])
        writer.writerow([name, label, f"{share:.6g}", *row])
    return buffer.getvalue()


def show_predictions(predictions: Predictions, stream: TextIO | None = None) -> None:
    """Print a table: each picture, its class, and what else it might be."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("picture", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("or else", overflow="fold")
    encoding = console.encoding
    for index, name in enumerate(predictions.names):
        (label, share), *others = predictions.best(index)
        runners_up = ", ".join(
            f"{other} {100 * rest:.0f}%"
            for other, rest in others[:_RUNNERS_UP]
            if rest >= _WORTH_NAMING
        )
        cells = (name, label, f"{100 * share:.1f}%", runners_up)
        table.add_row(*(Text(printable(cell, encoding)) for cell in cells))
    console.print(table)
    console.print(Text(f"\nby {predictions.model}", style="dim"), soft_wrap=True)
