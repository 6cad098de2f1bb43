"""A sweep in a notebook: tables as pandas DataFrames, figures that display themselves.

Everything is read from the sweep's folder, as ``report`` reads it; a sweep that is still
running shows what it has so far, and ``load_sweep`` again shows more.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import PROJECT_ROOT
from pipeline.core.errors import ConfigurationError, StorageError, one_of
from pipeline.core.trial import COSTS, EpochResult, TrialRecord
from pipeline.reporting.comparison import read_comparison
from pipeline.reporting.figures import has_points, pareto_figure, png
from pipeline.reporting.files import read_summary, sweeps, sweeps_dir
from pipeline.reporting.leading_on import sweep_command
from pipeline.reporting.map_figures import read_maps
from pipeline.reporting.progress import read_records
from pipeline.reporting.sentence import sweet_spot_sentence
from pipeline.tracking.curves import curves_png

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_RUNNING = "running"
#: Of a table of trials, where there is no trial yet; the costs that none has are not among them.
_COLUMNS = (
    "trial", "architecture", "reference", "outcome", "val_accuracy", "batch_size", "optimizer",
    "learning_rate", "schedule", "augmentation", "depth", "epochs", "on_front", "sweet_spot",
    "reason", "started", "ended",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture that shows itself as the last value of a notebook's cell.

    Parameters
    ----------
    png
        The content of a PNG file.
    description
        What is seen, for those who cannot see it.
    """

    png: bytes = field(repr=False)
    description: str

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        """Return the picture with its description, as IPython asks for it."""
        return self.png, {"alt": self.description}

    def save(self, path: str | Path) -> None:
        """Write the picture to a file."""
        Path(path).write_bytes(self.png)


class Pictures(tuple[Picture, ...]):
    """Several pictures that show themselves below each other."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return a page's part that holds every picture."""
        return "".join(
            f'<figure style="margin:0 0 1em"><img style="max-width:100%" '
            f'alt="{escape(picture.description)}" '
            f'src="data:image/png;base64,{b64encode(picture.png).decode()}"></figure>'
            for picture in self
        )


def load_sweep(name: str | None = None, mlruns: str | Path | None = None) -> "Sweep":
    """Return a sweep by its name, or else the one that changed last.

    Parameters
    ----------
    mlruns
        The folder that sweeps are under; default: the project's ``mlruns``.

    Raises
    ------
    StorageError
        There is no such sweep, or none of its trials has ended yet.
    """
    folder = PROJECT_ROOT / "mlruns" if mlruns is None else Path(mlruns).expanduser().resolve()
    if name is None:
        known = sweeps(folder)
        if not known:
            raise StorageError(f"there is no sweep under {sweeps_dir(folder)} yet")
        name = known[0][0]
    return Sweep(sweeps_dir(folder) / name)


class Sweep:
    """What a sweep has found, as it was when this was made.

    Parameters
    ----------
    folder
        The sweep's folder.

    Raises
    ------
    StorageError
        There is no such sweep, it has no summary yet, or a file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary: Mapping[str, Any] = read_summary(folder)
        self._records: tuple[TrialRecord, ...] = tuple(read_records(folder))

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.folder.name

    @property
    def costs(self) -> tuple[str, ...]:
        """The costs that the sweep looks at; the first one leads."""
        return tuple(self.summary["costs"])

    @cached_property
    def sentence(self) -> str:
        """The answer in one plain sentence."""
        spot = self.summary["sweet_spot"]
        comparison = read_comparison(self.folder, spot["trial"] if spot else None)
        return sweet_spot_sentence(self.summary, comparison)

    def trials(self) -> "DataFrame":
        """Return a row a trial, by number; running ones have the outcome ``running``.

        Columns: ``architecture``, ``reference``, ``outcome``, ``val_accuracy`` in [0, 1], every
        cost that some trial has, ``batch_size``, ``optimizer``, ``learning_rate``,
        ``schedule``, ``augmentation``, ``depth``, ``epochs`` (that were trained), ``on_front``,
        ``sweet_spot``, ``reason`` (why it ended like this), ``started`` and ``ended`` (UTC).
        """
        import pandas as pd

        front = {member["trial"] for member in self.summary["front"]}
        spot = self.summary["sweet_spot"]
        chosen = spot["trial"] if spot else None
        costs = [cost for cost in COSTS if any(cost in record.costs for record in self._records)]
        table = pd.DataFrame(
            [
                {
                    "trial": record.number,
                    **_described(record),
                    **{cost: record.costs.get(cost) for cost in costs},
                    **_recipe(record),
                    "on_front": record.number in front,
                    "sweet_spot": record.number == chosen,
                    "reason": record.reason,
                    "started": record.started,
                    "ended": record.ended,
                }
                for record in self._records
            ],
            columns=None if self._records else _COLUMNS,
        )
        for column in ("started", "ended"):
            table[column] = pd.to_datetime(table[column], unit="s", utc=True)
        return table.set_index("trial").sort_index()

    def front(self) -> "DataFrame":
        """Return the rows of ``trials`` that are on the front, the cheapest first."""
        numbers = [member["trial"] for member in self.summary["front"]]
        return self.trials().loc[numbers]

    def sweet_spot(self) -> "Series[Any] | None":
        """Return what the summary says of the sweet spot, with rule and reason; None without."""
        import pandas as pd

        spot = self.summary["sweet_spot"]
        return None if spot is None else pd.Series(spot, name="sweet spot", dtype=object)

    def epochs(self, trial: int) -> "DataFrame":
        """Return a row an epoch of a trial: losses, accuracies, seconds, images a second.

        Raises
        ------
        ConfigurationError
            There is no such trial.
        """
        import pandas as pd

        history = self._record(trial).history
        columns = [field.name for field in fields(EpochResult)]
        return pd.DataFrame(map(asdict, history), columns=columns).set_index("epoch")

    def pareto(self, cost: str | None = None) -> Picture:
        """Return the figure of accuracy against a cost; default: the leading one.

        Raises
        ------
        ConfigurationError
            The sweep does not look at this cost.
        StorageError
            No trial has both an accuracy and this cost yet.
        """
        cost = cost or self.costs[0]
        if cost not in self.costs:
            raise ConfigurationError(f"{self.name} has no cost {cost}; choose {one_of(self.costs)}")
        if not has_points(self._records, cost):
            raise StorageError(f"{self.name} has no trial to draw against {cost} yet")
        figure = pareto_figure(self.summary, self._records, cost)
        return Picture(
            png=png(figure),
            description=f"{self.name}: validation accuracy against {cost} of every trial, with "
            f"the front, the references and the sweet spot. {self.sentence}",
        )

    def curves(self, trial: int) -> Picture:
        """Return the learning curves of a trial.

        Raises
        ------
        ConfigurationError
            There is no such trial.
        """
        record = self._record(trial)
        label = record.specification.label
        return Picture(
            png=curves_png(label, record.history),
            description=f"Loss and accuracy of trial {label} over its epochs",
        )

    def maps(self, trial: int | None = None) -> Pictures:
        """Return the pictures that ``sweetspot maps`` has made of a trial; default: of all.

        Raises
        ------
        StorageError
            There are none.
        """
        found = read_maps(self.folder)
        if not found or (trial is not None and trial not in found):
            run = () if trial is None else (f"maps.run={trial}",)
            makes = sweep_command(self.folder, "maps", self.name, *run)
            raise StorageError(f"{self.name} has no feature maps yet: {makes} makes them")
        chosen = found.values() if trial is None else [found[trial]]
        return Pictures(
            Picture(png=path.read_bytes(), description=f"{picture.title}. {picture.description}")
            for pictures in chosen
            for picture, path in pictures
        )

    def _record(self, trial: int) -> TrialRecord:
        for record in self._records:
            if record.number == trial:
                return record
        if not self._records:
            raise ConfigurationError(f"{self.name} has no trial yet")
        numbers = one_of(record.number for record in self._records)
        raise ConfigurationError(f"{self.name} has no trial {trial}; choose {numbers}")

    def __repr__(self) -> str:
        return f"{self.name}: {self.sentence}"

    def _repr_html_(self) -> str:
        """Return the sentence as a page's part."""
        return f"<p><b>{escape(self.name)}</b></p><p>{escape(self.sentence)}</p>"


def _described(record: TrialRecord) -> dict[str, Any]:
    return {
        "architecture": record.specification.architecture.notation,
        "reference": record.specification.reference,
        "outcome": _RUNNING if record.outcome is None else record.outcome.value,
        "val_accuracy": record.val_accuracy,
    }


def _recipe(record: TrialRecord) -> dict[str, Any]:
    recipe = record.specification.recipe
    return {
        "batch_size": recipe.batch_size,
        "optimizer": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "schedule": recipe.schedule,
        "augmentation": recipe.augmentation,
        "depth": record.specification.architecture.depth,
        "epochs": len(record.history),
    }
