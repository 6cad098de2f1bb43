"""A network's exports for people; see ``pipeline.core.exports``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pipeline.reporting.console import terminal
from pipeline.reporting.wording import accuracy_text, printable

_TITLES = {
    "onnx": "ONNX float32",
    "onnx_int8": "ONNX int8",
    "saved_model": "TensorFlow SavedModel",
}


def show_exports(sweep_dir: Path, outcome: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Print a line for each format, and where the files are."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    keras, images = outcome["keras"], outcome["images"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("format", no_wrap=True)
    for title in ("accuracy", "same labels", "size", "latency", "Keras takes"):
        table.add_column(title, justify="right")
    table.add_row(
        f"Keras, {keras['precision']}", accuracy_text(keras["accuracy"]), "", "",
        _latency(keras["latency"]), "",
    )  # fmt: skip
    for form, result in outcome["exports"].items():
        table.add_row(
            _TITLES.get(form, form),
            accuracy_text(result["accuracy"]),
            accuracy_text(result["same_labels"]),
            f"{result['bytes'] / 1e6:.2f} MB",
            _latency(result["latency"]),
            f"{1.0 / result['latency']['ratio']:.2g} times as long",
        )
    console.print(table)
    note = (
        f"\ntrial {outcome['trial']}, {outcome['architecture']}, on {images:,} validation images; "
        f"latency of one image on {outcome['device']}, threads: {outcome['threads']}"
    )
    console.print(Text(printable(note.lstrip(), console.encoding), style="dim"), soft_wrap=True)
    for result in outcome["exports"].values():
        if result["file"] is not None:
            console.print(Text(str(sweep_dir / result["file"])), soft_wrap=True)


def _latency(latency: Mapping[str, Any]) -> str:
    noisy = " (noisy)" if latency["noisy"] else ""
    return f"{latency['median_ms']:.3g} ms{noisy}"
