import pytest

from pipeline.testing.curves import Curve, add_curve, read_recording, start_recording


def test_a_curve_survives_being_written(recording):
    for curve in recording.curves:
        assert Curve.from_json(curve.to_json()) == curve


def test_a_recording_that_was_cut_off_goes_on_behind_its_last_whole_line(recording, tmp_path):
    path = tmp_path / "curves.jsonl"
    assert start_recording(path, recording.origin).curves == ()
    for curve in recording.curves[:2]:
        add_curve(path, curve)
    with path.open("a") as file:
        file.write('{"architecture": "64k')
    assert start_recording(path, recording.origin).curves == recording.curves[:2]
    for curve in recording.curves[2:]:
        add_curve(path, curve)
    assert read_recording(path) == recording


def test_curves_that_were_recorded_otherwise_are_not_mixed(recording, tmp_path):
    path = tmp_path / "curves.jsonl"
    start_recording(path, recording.origin)
    with pytest.raises(ValueError, match=r"recorded with another epochs, train"):
        start_recording(path, {**recording.origin, "epochs": 5, "train": 1})
