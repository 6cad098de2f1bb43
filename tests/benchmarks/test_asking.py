"""The benchmark of ask and tell, in small: it measures what a sweep would do."""

from benchmarks import asking
from pipeline.search.space import SearchSpace
from pipeline.search.study import SweepStudy


def test_a_filled_study_is_one_that_a_sweep_goes_on_with(tmp_path):
    config = asking.settings(tmp_path)
    config.sweep_dir.mkdir(parents=True)
    space = SearchSpace(config.space, asking.IMAGE_SHAPE, asking.CLASSES)
    study = SweepStudy(config, space)
    asking.fill(study.storage, config, space, 30)
    records = study.records()
    assert [record.number for record in records] == list(range(30))
    assert [record.specification.reference for record in records[:3]] == ["dnn", "cnn", None]
    claim = study.claim("benchmark")
    assert claim is not None and claim.specification.number == 30
    asking.end_trial(study, claim)
    assert len(study.records()) == 31 and study.is_idle()


def test_ask_is_a_part_of_ask_and_tell(tmp_path):
    found = asking.ask_and_tell(tmp_path, 10)
    assert 0 < found["ask_seconds"] < found["seconds"]


def test_trivial_trials_go_through_a_worker_and_through_optuna(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "TRIVIAL_TRIALS", 3)
    found = asking.trivial_trials(tmp_path)
    assert found["ratio"] == found["complete_seconds"] / found["optuna_seconds"] > 0
    # A run for the sweep and each of its trials; a trial tells of its start, costs, epoch and end.
    assert found["runs"] == 1 + 3 and found["events"] >= 4 * 3
    assert found["mirror_seconds"] > 0
