"""A network's exports for people; see ``pipeline.core.exports``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pipeline.reporting.console import terminal
from pipeline.reporting.wording import accuracy_text, printable

_TITLES = {
    "onnx": "ONNX float32",
    "onnx_int8": "ONNX int8",
    "saved_model": "SavedModel",
}


def show_exports(sweep_dir: Path, outcome: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Print a line for each format, and where the files are."""
    from rich.table import Table
    from rich.text import Text

    console = terminal(stream)
    keras, images = outcome["keras"], outcome["images"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("format", no_wrap=True)
    for title in ("accuracy", "same labels", "size", "latency", "than Keras"):
        table.add_column(title, justify="right")
    table.add_row("Keras", accuracy_text(keras["accuracy"]), "", "", _latency(keras["latency"]), "")
    for form, result in outcome["exports"].items():
        table.add_row(
            _TITLES.get(form, form),
            accuracy_text(result["accuracy"]),
            accuracy_text(result["same_labels"]),
            f"{result['bytes'] / 1e6:.2f} MB",
            _latency(result["latency"]),
            _against_keras(result["latency"]["ratio"]),
        )
    console.print(table)
    note = (
        f"Trial {outcome['trial']}, {outcome['architecture']}, trained in {keras['precision']}; "
        f"{images:,} validation images; latency of one image on {outcome['device']}, threads: "
        f"{outcome['threads']}."
    )
    console.print()
    console.print(Text(printable(note, console.encoding), style="dim"))
    for result in outcome["exports"].values():
        if result["file"] is not None:
            console.print(Text(str(sweep_dir / result["file"])), soft_wrap=True)


def _latency(latency: Mapping[str, Any]) -> str:
    noisy = ", noisy" if latency["noisy"] else ""
    return f"{latency['median_ms']:.3g} ms{noisy}"


def _against_keras(ratio: float) -> str:
    return f"{1.0 / ratio:.2g}× faster" if ratio <= 1.0 else f"{ratio:.2g}× slower"
