"""What rungs and samplers are compared by, on made-up curves."""

import optuna
import pytest
from optuna.trial import TrialState

from benchmarks import stopping
from benchmarks.stopping import (
    NO_RUNGS,
    VARIANTS,
    ToldComplete,
    compare_orders,
    compare_samplers,
    replay,
    settings,
)
from pipeline.core.trial import Outcome
from pipeline.search.study import SweepStudy
from pipeline.testing.simulation import Simulator


def test_the_comparison_counts_what_rungs_save_and_cost(recording):
    found = compare_orders(recording, 3)
    assert found["front"] == 3
    assert found["front_stopped_share"] == 0
    assert found["orders_with_the_same"] == 1
    for row in found["orders"]:
        assert row["epochs_of_full"] == 4 * len(recording.curves)
        assert row["epochs"] < row["epochs_of_full"]
        assert row["epochs_to_same"] <= row["epochs"]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_way_to_search_keeps_to_the_same_budget_of_epochs(recording, variant, monkeypatch):
    monkeypatch.setattr("benchmarks.stopping.SEARCH_TRIALS", 8)
    (row,) = compare_samplers(recording, 1, [variant])
    assert row["hypervolume"] > 0
    if NO_RUNGS in variant.overrides:
        assert row["trials"] == 8
    else:
        assert row["trials"] >= 8


@pytest.mark.parametrize(
    ("study", "state", "values"),
    [(SweepStudy, TrialState.PRUNED, 0), (ToldComplete, TrialState.COMPLETE, 2)],
)
def test_a_stopped_trial_is_told_as_its_way_to_search_says(
    recording, study, state, values, monkeypatch
):
    storages = []

    def build(config, space, storage):
        storages.append(storage)
        return study(config, space, storage)

    simulators = []

    def simulator(**settings):
        simulators.append(Simulator(**settings | {"build_study": build}))
        return simulators[-1]

    monkeypatch.setattr(stopping, "Simulator", simulator)
    config = settings(recording, len(recording.curves))
    simulation = replay(recording, config, seed=0, workers=1)
    stopped = {r.specification.number for r in simulation.records if r.outcome is Outcome.STOPPED}
    if study is ToldComplete:  # what it has reached is all that is left of a trial
        stopped = {r.specification.number for r in simulation.records if 0 < len(r.history) < 4}
    (storage,) = storages
    (summary,) = optuna.get_all_study_summaries(storage.optuna)
    trials = optuna.load_study(study_name=summary.study_name, storage=storage.optuna).get_trials()
    told = [trial for trial in trials if trial.user_attrs.get("number", trial.number) in stopped]
    assert stopped and len(told) == len(stopped)
    assert {trial.state for trial in told} == {state}
    assert {len(trial.values or ()) for trial in told} == {values}
