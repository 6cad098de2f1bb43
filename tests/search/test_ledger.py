from dataclasses import replace

import pytest

from pipeline.core.outcome import decide
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.search import ledger
from pipeline.search.study import SweepStudy
from pipeline.testing.storage_conformance import finish


class Killed(BaseException):
    """The process is gone."""


def test_a_trial_whose_worker_died_before_it_told_of_the_end_is_not_over(
    config, space, monkeypatch
):
    study = SweepStudy(config, space)
    claim = study.claim("dead")
    assert claim is not None
    record = TrialRecord(
        specification=claim.specification, outcome=Outcome.COMPLETE, val_accuracy=0.9,
        costs={"macs": 1000.0},
    )  # fmt: skip

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "tell", killed)
        with pytest.raises(Killed):
            study.end(claim, decide(None), record)
    again = SweepStudy(config, space)
    assert [known.outcome for known in again.records()] == [None]
    (lost,) = again.recover(lambda worker: False, lambda bare: bare)
    assert lost.outcome is Outcome.INTERRUPTED
    _, repeated = again.claim("alive"), again.claim("alive")
    assert repeated is not None
    assert repeated.specification == replace(claim.specification, attempt=1)
    assert finish(again, repeated)
    assert [known.outcome for known in again.records()] == [Outcome.COMPLETE, None]
