"""What a sweep's folder holds for MLflow beside the event logs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import Config
from pipeline.core.errors import StorageError
from pipeline.core.exports import EXPORT_DIR
from pipeline.core.trial import specification_to_json
from pipeline.tracking.curves import curves_png, history_csv
from pipeline.tracking.projection import RunView
from pipeline.tracking.run_state import RunContent
from pipeline.tracking.summary_metrics import description

_FILES = (
    "config.yaml", "summary.json", "importance.json", "front.csv", "networks.csv",
    "finalists.csv", "report.html",
)  # fmt: skip


def read_summary(sweep_dir: Path) -> dict[str, Any] | None:
    """Return ``summary.json``; None where there is none yet.

    Raises
    ------
    StorageError
        The summary is damaged.
    """
    path = sweep_dir / "summary.json"
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        description(summary)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{path} cannot be read: {error!r}") from error
    return summary


def sweep_content(sweep_dir: Path, view: RunView, summary: Mapping[str, Any] | None) -> RunContent:
    """Return what the sweep's own run is to hold."""
    files: dict[str, bytes | Path] = {
        name: path for name in _FILES if (path := sweep_dir / name).is_file()
    }
    files |= {f"figures/{path.name}": path for path in sorted(sweep_dir.glob("figures/*.png"))}
    files |= {
        f"{EXPORT_DIR}/{path.name}": path
        for path in sorted((sweep_dir / EXPORT_DIR).glob("*.json"))
    }
    if summary is not None:
        view = replace(view, tags={**view.tags, "mlflow.note.content": description(summary)})
    return RunContent(view=view, files=files)


def trial_content(
    sweep_dir: Path, view: RunView, config: Config, data_fingerprint: str
) -> RunContent:
    """Return what a trial's run is to hold."""
    assert view.story is not None
    trial = view.story.record
    files: dict[str, bytes | Path] = {
        name: text.encode("utf-8", errors="replace") for name, text in view.files.items()
    }
    # Of the configuration only what shapes this trial and stays the same in every session.
    settings = {
        "specification": specification_to_json(replace(trial.specification, attempt=0)),
        "training": config.training.model_dump(mode="json"),
        "measuring": config.measuring.model_dump(mode="json"),
        "data_fingerprint": data_fingerprint,
    }
    files["config.yaml"] = yaml.safe_dump(settings, sort_keys=False).encode()
    if view.ended is not None and trial.history:
        files["history.csv"] = history_csv(trial.history).encode()
        files["curves.png"] = curves_png(view.name, trial.history)
    return RunContent(view=view, files=files, keras_file=_kept_model(sweep_dir, view.model))


def _kept_model(sweep_dir: Path, path: str | None) -> Path | None:
    """Return the model's file, where it is there and in the sweep's folder."""
    if path is None:
        return None
    file = (sweep_dir / path).resolve()
    return file if file.is_file() and file.is_relative_to(sweep_dir.resolve()) else None
