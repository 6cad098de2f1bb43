"""The model card of a champion: what it is, how good, at what cost, and where it fails.

After M. Mitchell et al., "Model cards for model reporting", FAT* 2019, 220-229.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.description import DataDescription
from pipeline.core.journey import shape_journey
from pipeline.core.promotion import Verdict
from pipeline.core.statistics import wilson_interval
from pipeline.core.trial import REFERENCE_BATCH_SIZE, Recipe, TrialRecord, peak_rate
from pipeline.reporting.wording import accuracy_text, cost_label, cost_text
from pipeline.tracking.summary_metrics import escaped

_WEAKEST = 3
_MOST_NAMES = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class CardContent:
    """What a card tells of.

    Parameters
    ----------
    test_accuracy
        None where test was not read.
    labels, predicted
        Of the validation images, shape ``(images,)`` each.
    references
        As in ``summary.json``.
    precision
        The Keras dtype policy that it was trained in.
    adam_beta_2
        Of Adam, where it was trained by that.
    averaging, averaged_epochs
        The settings.
    verdict
        What the gate said, and ``forced`` whether it was overruled.
    """

    sweep: str
    data: DataDescription
    trial: TrialRecord
    test_accuracy: float | None
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    references: Mapping[str, Mapping[str, Any]]
    device: str
    precision: str
    adam_beta_2: float
    averaging: str
    averaged_epochs: float
    epochs: int
    git_commit: str | None
    verdict: Verdict
    forced: bool


def model_card(content: CardContent) -> str:
    """Return the card in Markdown."""
    trial, data = content.trial, content.data
    architecture, recipe = trial.specification.architecture, trial.specification.recipe
    height, width, channels = data.image_shape
    colour = "grey" if channels == 1 else f"{channels} channels"
    stages = shape_journey(architecture, data.image_shape, len(data.classes))
    return "\n".join(
        [
            f"**{architecture.notation}** tells {len(data.classes)} classes of "
            f"{escaped(data.name)} apart: {_named(data.classes)}.",
            "",
            f"It takes pictures of {height}×{width} pixels, {colour}, as whole numbers from 0 to "
            "255, scales them itself, and gives a probability for each class. "
            "`sweetspot predict` brings pictures of other sizes into this form.",
            "",
            "## How good",
            "",
            *_accuracy_table(content),
            "",
            _weakest(content),
            "",
            "## At what cost",
            "",
            f"Measured on {escaped(content.device)}.",
            "",
            "| cost | value |",
            "| --- | --- |",
            *(
                f"| {cost_label(name)} | {cost_text(name, value)} |"
                for name, value in trial.costs.items()
            ),
            "",
            "## Why it is the champion",
            "",
            _why(content),
            "",
            "## Where it comes from",
            "",
            f"Trial {trial.number} of the sweep {escaped(content.sweep)}, trained on "
            f"{data.train:,} images for {content.epochs} epochs: {_optimizer(content)}, "
            f"{_peak_rate(recipe)}, schedule {escaped(recipe.schedule)}, batches of "
            f"{recipe.batch_size}, augmentation {escaped(recipe.augmentation)}, "
            f"{escaped(content.precision)}{_average(content)}. Commit "
            f"{content.git_commit or 'unknown'}, data fingerprint {data.fingerprint}.",
            "",
            "The image on its way: " + " → ".join(stage.shape_text for stage in stages) + ".",
            "",
            "## Limits",
            "",
            "It knows its classes only, and names one of them for any picture. Pictures that "
            "differ from those it was trained on (another background, turned, cropped) are "
            "classified worse than the table says.",
            "",
        ]
    )


def _optimizer(content: CardContent) -> str:
    name = content.trial.specification.recipe.optimizer
    return f"{name} (beta_2 {content.adam_beta_2:g})" if name == "adam" else name


def _average(content: CardContent) -> str:
    if content.averaging == "none":
        return ""
    return f", training.averaging={content.averaging} over about {content.averaged_epochs:g} epochs"


def _peak_rate(recipe: Recipe) -> str:
    said = f"peak learning rate {peak_rate(recipe):.3g}"
    if recipe.batch_size == REFERENCE_BATCH_SIZE:
        return said
    return f"{said} ({recipe.learning_rate:.3g} for batches of {REFERENCE_BATCH_SIZE})"


def _named(classes: Sequence[str]) -> str:
    names = [escaped(name) for name in classes[:_MOST_NAMES]]
    more = [f"and {len(classes) - _MOST_NAMES} more"] if len(classes) > _MOST_NAMES else []
    return ", ".join([*names, *more])


def _accuracy_table(content: CardContent) -> list[str]:
    rows = [
        "| network | validation | test |",
        "| --- | --- | --- |",
        f"| champion | {_with_interval(_share(content), content.data.validation)} | "
        f"{_with_interval(content.test_accuracy, content.data.test)} |",
    ]
    return rows + [
        f"| {name} reference | {accuracy_text(reference['val_accuracy'])} | "
        f"{accuracy_text(reference['test_accuracy'])} |"
        for name, reference in content.references.items()
    ]


def _share(content: CardContent) -> float:
    return float((content.labels == content.predicted).mean())


def _with_interval(share: float | None, images: int) -> str:
    if share is None:
        return "not read"
    interval = wilson_interval(round(share * images), images)
    return (
        f"{accuracy_text(share)} (95% interval {accuracy_text(interval.low)} to "
        f"{accuracy_text(interval.high)}, {images:,} images)"
    )


def _weakest(content: CardContent) -> str:
    """Name the classes that are recognised worst, and what they are taken for."""
    rates: list[tuple[float, str]] = []
    names = content.data.classes
    for label, name in enumerate(names):
        of_class = content.labels == label
        if not of_class.any():
            continue
        wrong = content.predicted[of_class & (content.predicted != label)]
        rate = 1.0 - len(wrong) / int(of_class.sum())
        said = f"{escaped(name)}: {accuracy_text(rate)}"
        if len(wrong):
            said += f" (most often taken for {escaped(names[int(np.bincount(wrong).argmax())])})"
        rates.append((rate, said))
    weakest: Sequence[tuple[float, str]] = sorted(rates)[:_WEAKEST]
    return "Recognised worst, of the validation images: " + "; ".join(s for _, s in weakest) + "."


def _why(content: CardContent) -> str:
    reason = escaped(content.verdict.reason)
    if content.forced:
        return f"Somebody decided so (`--force`). The gate said: {reason}."
    return f"{reason[0].upper()}{reason[1:]}. The test images had no say in that."
