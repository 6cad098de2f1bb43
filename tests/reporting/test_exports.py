import io
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import StorageError
from pipeline.core.exports import SAME_LABELS
from pipeline.reporting.exports import (
    COLUMNS,
    export_failures,
    export_note,
    export_rows,
    read_exports,
    show_exports,
)


def test_a_row_for_each_format(exported: dict[str, Any]) -> None:
    assert export_rows(exported) == [
        ("Keras", "94.90%", "", "", "0.3 ms", ""),
        ("ONNX float32", "94.90%", "100.00%", "0.61 MB", "0.05 ms", "6.0 times faster"),
        ("ONNX int8", "93.00%", "97.00%", "0.16 MB", "0.6 ms, noisy", "2.0 times slower"),
        ("SavedModel", "94.90%", "100.00%", "0.90 MB", "0.3 ms", "as fast"),
    ]
    assert {len(row) for row in export_rows(exported)} == {len(COLUMNS)}
    assert export_failures(exported) == [
        "ONNX int8 is not kept: eight bits cost 1.90 points of accuracy, more than 0.5"
    ]


def test_a_format_that_is_kept_shows_the_share_that_it_was_judged_by(
    exported: dict[str, Any],
) -> None:
    forms = list(exported["exports"])
    shown = {form: row[2] for form, row in zip(forms, export_rows(exported)[1:], strict=True)}
    for form in ("onnx", "saved_model"):
        assert exported["exports"][form]["failure"] is None
        assert float(shown[form].removesuffix("%")) >= 100 * SAME_LABELS


def test_a_saved_model_of_an_earlier_version_shows_what_it_was_judged_by_then(
    exported: dict[str, Any],
) -> None:
    earlier = exported["exports"]["saved_model"]
    del earlier["same_labels_as_trained"]
    assert export_rows(exported)[-1][2] == "99.61%"


def test_the_terminal_says_where_the_files_are(exported: dict[str, Any]) -> None:
    stream = io.StringIO()
    show_exports(Path("/sweeps/lesson"), exported, stream)
    printed = stream.getvalue()
    assert "/sweeps/lesson/export/0003.onnx" in printed
    assert "/sweeps/lesson/export/0003.json has the names of the classes" in printed
    assert "Trial 3, 8k5-d128, trained in bfloat16; 255 validation images" in " ".join(
        printed.split()
    )


def test_those_of_a_sweep_are_read_and_of_other_versions_not(
    tmp_path: Path, exported: dict[str, Any]
) -> None:
    assert read_exports(tmp_path) == []
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "0003.json").write_text(json.dumps(exported))
    (tmp_path / "export" / "0004.json").write_text(json.dumps(exported | {"schema_version": 99}))
    assert read_exports(tmp_path) == [exported]
    (tmp_path / "export" / "0005.json").write_text("{")
    with pytest.raises(StorageError, match=r"cannot read .*0005\.json"):
        read_exports(tmp_path)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.99, "as fast"),
        (1.04, "as fast"),
        (1.1, "1.1 times slower"),
        (1 / 120, "120 times faster"),
    ],
)
def test_a_latency_beside_keras_is_said_as_everywhere(
    exported: dict[str, Any], ratio: float, said: str
) -> None:
    exported["exports"]["onnx"]["latency"]["ratio"] = ratio
    assert export_rows(exported)[1][-1] == said


def test_another_device_is_named_and_not_compared(exported: dict[str, Any]) -> None:
    exported["device"] = "NVIDIA H200"
    assert "on NVIDIA H200, threads" in export_note(exported)
    for form, result in exported["exports"].items():
        result["device"] = "NVIDIA H200" if form == "saved_model" else "EPYC with 16 cores"
    assert (
        "latency of one image on NVIDIA H200, of ONNX float32 and ONNX int8 on EPYC with 16 cores, "
        "threads: "
    ) in export_note(exported)
    assert [row[-1] for row in export_rows(exported)] == ["", "", "", "as fast"]
