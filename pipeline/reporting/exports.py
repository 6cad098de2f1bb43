"""A network's exports for people; see ``pipeline.core.exports``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pipeline.core.errors import StorageError
from pipeline.core.exports import EXPORT_DIR, EXPORTS_SCHEMA_VERSION
from pipeline.reporting.console import terminal
from pipeline.reporting.files import write_atomically
from pipeline.reporting.ratios import order, times
from pipeline.reporting.wording import accuracy_text, printable

COLUMNS = ("format", "accuracy", "same labels", "size", "latency", "than Keras")
_TITLES = {
    "onnx": "ONNX float32",
    "onnx_int8": "ONNX int8",
    "saved_model": "SavedModel",
}


def read_exports(sweep_dir: Path) -> list[dict[str, Any]]:
    """Return what came of each network that was exported, by trial; those of other versions not.

    Raises
    ------
    StorageError
        A file cannot be read, or is damaged.
    """
    found = []
    for path in sorted((sweep_dir / EXPORT_DIR).glob("*.json")):
        try:
            outcome = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read {path}: {error}") from error
        if isinstance(outcome, dict) and outcome.get("schema_version") == EXPORTS_SCHEMA_VERSION:
            found.append(outcome)
    return found


def rename_in_exports(sweep_dir: Path) -> None:
    """Give what is kept of exports the name of the sweep's folder.

    Raises
    ------
    StorageError
        A file cannot be read or written, or is damaged.
    """
    for outcome in read_exports(sweep_dir):
        text = json.dumps(outcome | {"sweep": sweep_dir.name}, indent=1) + "\n"
        write_atomically(export_file(sweep_dir, int(outcome["trial"])), text)


def export_file(sweep_dir: Path, trial: int) -> Path:
    """Return where it is kept what came of a network."""
    return sweep_dir / EXPORT_DIR / f"{trial:04d}.json"


def export_rows(outcome: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row of text for the network as it was trained and each format, by ``COLUMNS``."""
    keras = outcome["keras"]
    rows: list[tuple[str, ...]] = [
        ("Keras", accuracy_text(keras["accuracy"]), "", "", _latency(keras["latency"]), "")
    ]
    for form, result in outcome["exports"].items():
        rows.append(
            (
                _TITLES.get(form, form),
                accuracy_text(result["accuracy"]),
                accuracy_text(_same_labels(form, result)),
                f"{result['bytes'] / 1e6:.2f} MB",
                _latency(result["latency"]),
                _against_keras(outcome, result),
            )
        )
    return rows


def export_failures(outcome: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each format that failed its check."""
    return [
        f"{_TITLES.get(form, form)} is not kept: {result['failure']}"
        for form, result in outcome["exports"].items()
        if result["failure"] is not None
    ]


def export_note(outcome: Mapping[str, Any]) -> str:
    """Return what the numbers of the rows are about."""
    others: dict[str, list[str]] = {}
    for form, result in outcome["exports"].items():
        device = _device(outcome, result)
        if device != outcome["device"]:
            others.setdefault(device, []).append(_TITLES.get(form, form))
    elsewhere = "".join(f", of {' and '.join(forms)} on {at}" for at, forms in others.items())
    return (
        f"Trial {outcome['trial']}, {outcome['architecture']}, trained in "
        f"{outcome['keras']['precision']}; {outcome['images']:,} validation images; latency of one "
        f"image on {outcome['device']}{elsewhere}, threads: {outcome['threads']}."
    )


def show_exports(sweep_dir: Path, outcome: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Print a line for each format, and where the files and the names of the classes are."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in COLUMNS:
        first = title == COLUMNS[0]
        table.add_column(title, justify="left" if first else "right", no_wrap=first)
    for row in export_rows(outcome):
        table.add_row(*row)
    console.print(table)
    console.print()
    console.print(Text(printable(export_note(outcome), console.encoding), style="dim"))
    for result in outcome["exports"].values():
        if result["file"] is not None:
            console.print(Text(str(sweep_dir / result["file"])), soft_wrap=True)
    kept = export_file(sweep_dir, outcome["trial"])
    console.print(
        Text(f"{kept} has the names of the classes, in the order of the probabilities"),
        soft_wrap=True,
    )


def _same_labels(form: str, result: Mapping[str, Any]) -> float:
    """Return the share of the labels that a format is judged by, int8 aside.

    That is the share of the same weights in float32; a SavedModel computes as the network was
    trained. Exports of earlier versions have the first one only, and were judged by it.
    """
    share: float = result["same_labels"]
    if form == "saved_model":
        share = result.get("same_labels_as_trained", share)
    return share


def _latency(latency: Mapping[str, Any]) -> str:
    noisy = ", noisy" if latency["noisy"] else ""
    return f"{latency['median_ms']:.3g} ms{noisy}"


def _against_keras(outcome: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return how a format's latency compares; nothing where another device shows its own."""
    if _device(outcome, result) != outcome["device"]:
        return ""
    ratio = result["latency"]["ratio"]
    sign = order(ratio)
    return "as fast" if sign == 0 else f"{times(ratio)} {'slower' if sign > 0 else 'faster'}"


def _device(outcome: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return what a format ran on; exports of earlier versions name one device for all."""
    return str(result.get("device", outcome["device"]))
