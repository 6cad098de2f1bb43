"""Learning curves of one trial: a picture and a table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache

from pipeline.core.trial import EpochResult

_MANY_EPOCHS = 500  # from here on, looking for the best place of the legend takes long


def history_csv(history: Sequence[EpochResult]) -> str:
    """Return the epochs as CSV, one row each."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, fieldnames=list(EpochResult.__dataclass_fields__), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(asdict(result) for result in history)
    return text.getvalue()


@lru_cache(maxsize=64)  # a pass that has to be repeated draws nothing twice
def curves_png(title: str, history: tuple[EpochResult, ...]) -> bytes:
    """Return loss and accuracy over the epochs, for training and validation, as PNG.

    The same history always gives the same bytes.
    """
    # matplotlib takes a second to import, and only ended trials are drawn. Without pyplot
    # there is no global state, so any thread may draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6))
    # Fixed margins: finding them automatically takes three times as long as drawing.
    figure.subplots_adjust(left=0.07, right=0.98, top=0.88, bottom=0.15, wspace=0.2)
    figure.suptitle(title)
    epochs = [result.epoch for result in history]
    panels = (
        ("loss", "train_loss", "val_loss"),
        ("accuracy", "train_accuracy", "val_accuracy"),
    )
    for axes, (label, train, validation) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.plot(epochs, [getattr(r, train) for r in history], "o-", label="training")
        axes.plot(epochs, [getattr(r, validation) for r in history], "s--", label="validation")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.grid(alpha=0.3)
        axes.legend(loc="best" if len(history) < _MANY_EPOCHS else "upper center")
    picture = io.BytesIO()
    canvas = FigureCanvasAgg(figure)
    canvas.print_png(picture, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return picture.getvalue()
