"""The final round beside the search: claims, losses, and nothing that the search would see."""

from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.core.errors import StorageError
from pipeline.core.finalists import wanted_trainings
from pipeline.core.outcome import Ending, decide
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.search.moving import delete_study, rename_study
from pipeline.search.opening import open_storage
from pipeline.search.study import SweepStudy


@pytest.fixture
def searched(config, space):
    """Return a study after both references are complete."""
    study = SweepStudy(
        config.model_copy(update={"search": config.search.model_copy(update={"trials": 2})}), space
    )
    while (claim := study.claim("w")) is not None:
        finish(study, claim)
    return study


def finish(ledger, claim, ending=None):
    ending = ending or decide(None)
    record = TrialRecord(
        specification=claim.specification,
        outcome=ending.outcome,
        val_accuracy=0.9,
        costs={"macs": 1000.0},
    )
    ledger.end(claim, ending, record)
    return record


def test_claims_come_in_order_once_each(searched):
    wanted = wanted_trainings(searched.records(), 0, 2)
    claims = []
    while (claim := searched.finalists.claim("w", wanted)) is not None:
        claims.append(claim.specification)
    assert claims == wanted
    assert searched.finalists.claim("w", wanted) is None
    assert not searched.finalists.is_idle()
    assert searched.finalists.claim("w", wanted_trainings(searched.records(), 0, 3)) is not None


def test_the_search_knows_nothing_of_them(searched, config):
    before = optuna.load_study(study_name="test", storage=open_storage(config).optuna).get_trials()
    wanted = wanted_trainings(searched.records(), 0, 1)
    finish(searched.finalists, searched.finalists.claim("w", wanted))
    after = optuna.load_study(study_name="test", storage=open_storage(config).optuna).get_trials()
    assert after == before
    assert searched.originals() == 2
    own = optuna.load_study(study_name="test/finalists", storage=open_storage(config).optuna)
    assert [trial.state for trial in own.get_trials()] == [TrialState.COMPLETE]
    assert own.get_trials()[0].values == [0.9, 1000.0]


def test_nothing_is_created_before_the_first_claim(searched, config):
    assert searched.finalists.records() == []
    assert searched.finalists.is_idle()
    assert searched.finalists.recover(bool, lambda record: record) == []
    assert optuna.get_all_study_names(open_storage(config).optuna) == ["test"]


def test_an_interrupted_one_is_due_again_and_keeps_its_seed(searched):
    wanted = wanted_trainings(searched.records(), 0, 1)
    first = searched.finalists.claim("w", wanted)
    finish(searched.finalists, first, Ending(outcome=Outcome.INTERRUPTED))
    assert searched.finalists.due(wanted) == wanted
    again = searched.finalists.claim("other", wanted)
    assert again.specification == replace(first.specification, attempt=1)
    finish(searched.finalists, again)
    (record,) = searched.finalists.records()
    assert record.outcome is Outcome.COMPLETE
    assert searched.finalists.due(wanted) == wanted[1:]


def test_what_is_no_longer_wanted_is_not_trained(searched):
    wanted = wanted_trainings(searched.records(), 0, 1)
    first = searched.finalists.claim("w", wanted)
    finish(searched.finalists, first, Ending(outcome=Outcome.INTERRUPTED))
    other = searched.finalists.claim("w", wanted[1:])
    assert other.specification.run == wanted[1].run
    assert searched.finalists.claim("w", wanted[1:]) is None


def test_a_worker_that_died_while_claiming_loses_nothing(searched, config):
    wanted = wanted_trainings(searched.records(), 0, 1)
    finish(searched.finalists, searched.finalists.claim("w", wanted))
    searched.finalists._enqueue(wanted[1])  # queued, and then it died
    assert searched.finalists.due(wanted) == [wanted[1]]
    inner = optuna.load_study(study_name="test/finalists", storage=open_storage(config).optuna)
    inner.ask()  # or it died after asking: no worker's name, no specification
    searched.finalists.recover(bool, lambda record: record)
    claim = searched.finalists.claim("w", wanted)
    assert (claim.specification.run, claim.specification.attempt) == (wanted[1].run, 1)


def test_both_studies_are_renamed_and_removed_together(searched, config):
    searched.finalists.claim("w", wanted_trainings(searched.records(), 0, 1))
    rename_study(config, "test", "other")
    assert set(optuna.get_all_study_names(open_storage(config).optuna)) == {
        "other",
        "other/finalists",
    }
    rename_study(config, "test", "other")
    delete_study(config, "other")
    assert optuna.get_all_study_names(open_storage(config).optuna) == []


def test_a_study_that_somebody_else_has_is_not_renamed_over(searched, config, space, monkeypatch):
    other = SweepStudy(config.model_copy(update={"sweep_name": "other"}), space)
    assert other.claim("a colleague's") is not None
    with pytest.raises(StorageError, match=r"^the storage has a study other already$"):
        rename_study(config, "test", "other")
    names = set(optuna.get_all_study_names(open_storage(config).optuna))
    assert {"test", "other"} <= names and not other.is_idle()
    # What an attempt of our own that broke off has copied is no such study.
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.search.moving._delete", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            rename_study(config, "test", "third")
    rename_study(config, "test", "third")
    assert "third" in optuna.get_all_study_names(open_storage(config).optuna)


def breaks_off(storage, name):
    if name == "test":
        raise KeyboardInterrupt
