import csv
import io
from dataclasses import replace

import matplotlib.image
import numpy as np

from pipeline.core.trial import EpochResult
from pipeline.tracking.curves import curves_png, history_csv

HISTORY = tuple(
    EpochResult(
        epoch=epoch,
        train_loss=1 / epoch,
        train_accuracy=0.5,
        val_loss=1.5 / epoch,
        val_accuracy=0.4,
        epoch_seconds=2.0,
        images_per_second=100.0,
    )
    for epoch in (1, 2, 3)
)


def test_the_table_has_a_row_for_each_epoch() -> None:
    rows = list(csv.DictReader(io.StringIO(history_csv(HISTORY))))
    assert [EpochResult(epoch=int(row.pop("epoch")), **_numbers(row)) for row in rows] == list(
        HISTORY
    )


def test_the_picture_is_the_same_each_time_and_shows_the_history() -> None:
    picture = curves_png("007 d128", HISTORY)
    curves_png.cache_clear()
    assert picture == curves_png("007 d128", HISTORY)
    assert picture != curves_png("007 d128", HISTORY[:2])
    pixels = matplotlib.image.imread(io.BytesIO(picture))
    assert pixels.shape[1] > pixels.shape[0] and np.ptp(pixels) > 0.5


def test_losses_that_are_not_finite_can_be_drawn() -> None:
    diverged = replace(HISTORY[-1], epoch=4, train_loss=float("nan"), val_loss=float("inf"))
    assert curves_png("x", (*HISTORY, diverged)).startswith(b"\x89PNG")


def _numbers(row: dict[str, str]) -> dict[str, float]:
    return {name: float(text) for name, text in row.items()}
