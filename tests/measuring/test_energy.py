import pytest

from pipeline.measuring.energy import EnergyCounter, EnergyMeter, open_meter


def zone(powercap, name, called, microjoules, most=1_000_000):
    folder = powercap / name
    folder.mkdir()
    (folder / "name").write_text(f"{called}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder / "energy_uj"


def test_the_packages_are_added_and_nothing_within_them_is_counted_twice(tmp_path):
    first = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    within = zone(tmp_path, "intel-rapl:0:0", "core", 0)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 200)
    board = zone(tmp_path, "intel-rapl:2", "psys", 0)
    meter = open_meter(powercap=tmp_path)
    before = meter.read()
    for path in (within, board):
        path.write_text("999999\n")
    first.write_text("300100\n")
    second.write_text("400200\n")
    assert meter.joules_since(before) == {"cpu": pytest.approx(0.7)}


def test_a_counter_that_started_again_is_followed(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 900_000)
    meter = open_meter(powercap=tmp_path)
    before = meter.read()
    counter.write_text("150000\n")
    assert meter.joules_since(before) == {"cpu": pytest.approx(0.25)}


def test_a_part_with_a_counter_that_cannot_be_read_is_left_out(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    lost = zone(tmp_path, "intel-rapl:1", "package-1", 0)
    meter = open_meter(powercap=tmp_path)
    before = meter.read()
    lost.unlink()
    assert meter.joules_since(before) == {}


def test_counters_of_others_are_not_taken_up(tmp_path):
    (zone(tmp_path, "intel-rapl:0", "package-0", 0)).unlink()
    assert open_meter(powercap=tmp_path).counters == ()


def test_a_machine_without_counters_reports_nothing(tmp_path):
    meter = open_meter(powercap=tmp_path / "nowhere")
    assert meter.joules_since(meter.read()) == {}


def test_an_unknown_gpu_has_no_counter(tmp_path):
    assert open_meter(gpu_uuid="GPU-none", powercap=tmp_path).counters == ()


def test_a_counter_that_went_back_without_a_range_is_not_believed():
    values = iter([5.0, 3.0])
    meter = EnergyMeter(counters=(EnergyCounter(part="gpu", read=lambda: next(values)),))
    assert meter.joules_since(meter.read()) == {}
