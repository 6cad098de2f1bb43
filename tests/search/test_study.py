import math

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.outcome import Ending, LimitBroken, StoppedAtRung, decide
from pipeline.core.proposal import Proposal
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.search.opening import open_storage
from pipeline.search.playback import parameters_of
from pipeline.search.startup import startup_proposals
from pipeline.search.study import SweepStudy


def search(config, **changes):
    return config.model_copy(update={"search": config.search.model_copy(update=changes)})


def claimed(study, worker):
    claim = study.claim(worker)
    assert claim is not None
    return claim


def optuna_trials(config):
    study = optuna.load_study(study_name=config.sweep_name, storage=open_storage(config).optuna)
    return study.get_trials()


def finish(study, claim, ending=None, accuracy=0.9, **costs):
    ending = ending or decide(None)
    record = TrialRecord(
        specification=claim.specification,
        outcome=ending.outcome,
        val_accuracy=accuracy,
        costs={"macs": 1000.0, **costs},
        reason=ending.reason,
    )
    study.end(claim, ending, record)
    return record


def no_more_is_known(record):
    return record


def test_the_references_come_first_with_the_default_recipe(config, space):
    study = SweepStudy(config, space)
    claims = [claimed(study, "w") for _ in range(3)]
    assert [c.specification.number for c in claims] == [0, 1, 2]
    assert [c.specification.reference for c in claims] == ["dnn", "cnn", None]
    assert [c.specification.architecture for c in claims[:2]] == list(REFERENCES.values())
    assert all(c.specification.recipe == config.training.recipe for c in claims[:2])
    assert claims[0].trial.params == {}


def test_the_budget_is_exact_and_can_be_raised(config, space):
    config = search(config, trials=4)
    study = SweepStudy(config, space)
    for _ in range(4):
        finish(study, claimed(study, "w"))
    assert study.claim("w") is None
    assert study.is_done()
    more = SweepStudy(search(config, trials=5), space)
    assert not more.is_done()
    assert claimed(more, "w").specification.number == 4
    assert more.claim("w") is None


def test_a_budget_that_is_lowered_leaves_the_rest_of_the_opening(config, space):
    first = [Proposal(architecture=Architecture(dense_units=units), recipe=config.training.recipe)
             for units in (8, 9, 10)]  # fmt: skip
    study = SweepStudy(config, space, first=first)
    claims = [claimed(study, "w") for _ in range(3)]
    assert (study.originals(), study.waiting()) == (5, 2)
    lowered = SweepStudy(search(config, trials=3), space, first=first)
    finish(lowered, claims[1], Ending(outcome=Outcome.INTERRUPTED))
    assert (lowered.originals(), lowered.waiting()) == (3, 1)
    again = claimed(lowered, "w")
    assert (again.specification.number, again.specification.attempt) == (1, 1)
    assert again.specification.architecture == REFERENCES["cnn"]
    assert lowered.claim("w") is None and not lowered.is_done()
    for claim in (claims[0], again, claims[2]):
        finish(lowered, claim)
    assert lowered.is_done() and lowered.waiting() == 0
    # With more room the opening goes on where it was left.
    raised = SweepStudy(search(config, trials=5), space, first=first)
    numbers = [claimed(raised, "w").specification.number for _ in range(2)]
    assert numbers == [3, 4] and raised.claim("w") is None


@pytest.mark.parametrize("trials", [1, 2, 3, 5])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_sweep_begun_small_goes_on_with_the_rest_of_its_start(config, space, trials, workers):
    config = search(config, sampler="tpe", trials=trials)
    first = startup_proposals(config, space, ())
    assert len(first) == 8

    def numbers(config):
        """Claim, several at once and one of them interrupted, until nobody gets anything."""
        found: list[int] = []
        while True:
            study = SweepStudy(config, space, first=first)  # a new process each time, as it were
            claims = [claim for _ in range(workers) if (claim := study.claim("w")) is not None]
            if not claims:
                assert study.is_done() and study.waiting() == 0
                return found
            for index, claim in enumerate(claims):
                interrupted = index == 0 and claim.specification.attempt == 0
                ending = Ending(outcome=Outcome.INTERRUPTED) if interrupted else None
                finish(study, claim, ending)
                if not interrupted:
                    found.append(claim.specification.number)

    assert sorted(numbers(config)) == list(range(trials))
    assert sorted(numbers(search(config, trials=12))) == list(range(trials, 12))
    begun = {r.number: r.specification.architecture for r in SweepStudy(config, space).records()}
    assert [begun[number] for number in range(2, 10)] == [item.architecture for item in first]


def test_a_continued_sweep_never_repeats_a_point_and_a_seed_repeats_a_sweep(
    config, space, tmp_path
):
    def drawn(config):
        found: list[object] = []
        while True:  # a new process each time, as it were
            study = SweepStudy(config, space)
            claim = study.claim("w")
            if claim is None:
                return found
            found.append((claim.specification.architecture, claim.specification.recipe))
            finish(study, claim)

    first = drawn(search(config, trials=20))
    assert len(set(first)) > 17  # the space is finite: chance may repeat one
    again = drawn(search(config.model_copy(update={"mlruns": tmp_path / "again"}), trials=20))
    assert again == first
    other = drawn(search(config.model_copy(update={"mlruns": tmp_path / "o"}), trials=20, seed=1))
    assert other[2:] != first[2:]


def test_seeds_follow_from_the_sweeps_seed_and_the_number(config, space, tmp_path):
    seeds = [claimed(SweepStudy(config, space), "w").specification.seed for _ in range(2)]
    elsewhere = config.model_copy(update={"mlruns": tmp_path / "b"})
    assert [
        claimed(SweepStudy(elsewhere, space), "w").specification.seed for _ in range(2)
    ] == seeds
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize(
    ("ending", "state", "constrained"),
    [
        (decide(None), TrialState.COMPLETE, False),
        (decide(StoppedAtRung("behind")), TrialState.PRUNED, False),
        (decide(LimitBroken("big", {"macs": 0.5})), TrialState.PRUNED, True),
        (Ending(outcome=Outcome.DIVERGED, violations=(("diverged", 1.0),)),
         TrialState.PRUNED, True),
        (Ending(outcome=Outcome.OUT_OF_MEMORY, violations=(("out_of_memory", 1.0),)),
         TrialState.PRUNED, True),
        (Ending(outcome=Outcome.TIMED_OUT, violations=(("timed_out", 1.0),)),
         TrialState.PRUNED, True),
        (decide(None, reached_accuracy=0.5, target_accuracy=0.9), TrialState.PRUNED, True),
        (decide(ValueError("odd")), TrialState.FAIL, False),
    ],
    ids=lambda part: str(getattr(part, "outcome", part)),
)  # fmt: skip
def test_what_optuna_is_told(config, space, ending, state, constrained):
    study = SweepStudy(config, space)
    record = finish(study, claimed(study, "w"), ending)
    trial = optuna_trials(config)[0]
    assert trial.state is state
    assert trial.values == ([0.9, 1000.0] if state is TrialState.COMPLETE else None)
    assert (max(trial.constraints.values(), default=0.0) > 0) is constrained
    assert study.records() == [record]


def test_an_interrupted_reference_stays_one(config, space):
    study = SweepStudy(config, space)
    finish(study, claimed(study, "w"), Ending(outcome=Outcome.INTERRUPTED))
    numbers = [claimed(study, "w").specification for _ in range(2)]
    assert {s.reference for s in numbers} == {"dnn", "cnn"}


def test_a_lost_worker_frees_its_trial_until_the_retries_are_used_up(config, space):
    config = search(config, max_retries=2)
    study = SweepStudy(config, space)
    outcomes: list[Outcome | None] = []
    for _ in range(3):
        assert claimed(study, "dead").specification.number == 0
        if not outcomes:
            assert claimed(study, "alive").specification.number == 1
        (record,) = study.recover(lambda worker: worker == "alive", no_more_is_known)
        outcomes.append(record.outcome)
        assert study.recover(lambda worker: worker == "alive", no_more_is_known) == []
    assert outcomes == [Outcome.INTERRUPTED, Outcome.INTERRUPTED, Outcome.FAILED]
    assert claimed(study, "w").specification.number == 2
    assert study.records()[0].reason == "its worker was lost 3 times"


def test_being_told_to_leave_costs_no_retry(config, space):
    config = search(config, max_retries=0)
    study = SweepStudy(config, space)
    first, _ = claimed(study, "w"), claimed(study, "w")
    finish(study, first, Ending(outcome=Outcome.INTERRUPTED))
    for attempt in range(1, 4):
        claim = claimed(study, "w")
        assert (claim.specification.number, claim.specification.attempt) == (0, attempt)
        finish(study, claim, Ending(outcome=Outcome.INTERRUPTED))


def test_the_living_keep_their_trials(config, space):
    study = SweepStudy(config, space)
    claimed(study, "alive")
    assert study.recover(lambda worker: worker == "alive", no_more_is_known) == []
    assert not study.is_idle()


def test_a_trial_whose_worker_died_at_once_is_recovered(config, space):
    study = SweepStudy(config, space)
    inner = optuna.load_study(study_name="test", storage=open_storage(config).optuna)
    inner.ask()  # and nothing more: no worker's name, no specification
    assert study.recover(bool, no_more_is_known) == []
    specifications = [claimed(study, "w").specification for _ in range(2)]
    assert {s.number for s in specifications} == {0, 1}


def test_tpe_learns_from_constraints(config, space):
    """With a limit on MACs, TPE proposes feasible networks more often than chance does."""
    from pipeline.core.journey import macs

    def feasible_share(sampler, mlruns):
        changed = search(config.model_copy(update={"mlruns": mlruns}), sampler=sampler, trials=40)
        study = SweepStudy(changed, space)
        found: list[bool] = []
        while (claim := study.claim("w")) is not None:
            cost = macs(claim.specification.architecture, (28, 28, 1), 10)
            ending = decide(None if cost < 2e5 else LimitBroken("dear", {"macs": cost / 2e5 - 1}))
            finish(study, claim, ending, accuracy=0.5 + 0.02 * math.log10(cost), macs=float(cost))
            found.append(cost < 2e5)
        return sum(found[20:]) / len(found[20:])

    assert feasible_share("tpe", config.mlruns / "t") > feasible_share(
        "random", config.mlruns / "r"
    )


def limited(config, **limits):
    given = config.objective.limits.model_copy(update=limits)
    objective = config.objective.model_copy(update={"limits": given})
    return search(config.model_copy(update={"objective": objective}), trials=50, max_infeasible=3)


def above(study, claim, **costs):
    claim.knows_costs(costs)
    finish(study, claim, decide(LimitBroken("too dear", {"latency_ms": 1.0})), **costs)


def test_limits_that_nothing_meets_end_the_search(config, space):
    study = SweepStudy(limited(config, latency_ms=0.5), space)
    for _ in REFERENCES:
        finish(study, claimed(study, "w"), latency_ms=0.1)  # exempt: they speak for nobody
    for number in range(2, 5):
        assert not study.is_done()
        above(study, claimed(study, "w"), latency_ms=float(number))
    assert study.claim("w") is None
    assert study.is_done()
    assert "the least latency_ms seen is 2, of trial 2" in (study.unmet_limits() or "")


def test_quick_failures_beside_a_trial_that_may_go_on_do_not(config, space):
    study = SweepStudy(limited(config, latency_ms=0.5), space)
    for _ in REFERENCES:
        finish(study, claimed(study, "w"), latency_ms=0.1)
    training = claimed(study, "patient")
    training.knows_costs({"latency_ms": 0.4})
    for _ in range(6):
        above(study, claimed(study, "w"), latency_ms=2.0)
    assert study.unmet_limits() is None
    finish(study, training, latency_ms=0.4)
    assert study.claim("w") is not None


def test_the_search_ends_while_others_are_not_measured_yet_and_goes_on_if_one_is_within(
    config, space
):
    study = SweepStudy(limited(config, latency_ms=0.5), space)
    for _ in REFERENCES:
        finish(study, claimed(study, "w"), latency_ms=0.1)
    late = claimed(study, "late")
    for _ in range(3):
        above(study, claimed(study, "w"), latency_ms=2.0)
    assert study.claim("w") is None and not study.is_done()
    late.knows_costs({"latency_ms": 0.4})
    assert study.claim("w") is not None


def test_a_network_to_begin_with_teaches_the_sampler_where_the_space_has_it(config, space):
    inside, outside = (
        Proposal(architecture=Architecture.parse(text), recipe=config.training.recipe)
        for text in ("64k3-64k3-d128", "100k3-d7")
    )
    study = SweepStudy(config, space, first=(inside, outside))
    for _ in range(5):
        finish(study, claimed(study, "w"))
    begun = optuna_trials(config)[2:5]
    assert begun[0].params == parameters_of(space, inside)
    assert begun[1].params == {}
    assert begun[2].params  # drawn


def test_a_network_to_begin_with_is_queued_again_as_it_was(config, space):
    first = [
        Proposal(architecture=Architecture.parse(text), recipe=config.training.recipe)
        for text in ("64k3-64k3-d128", "100k3-d7")
    ]
    study = SweepStudy(config, space, first=first)
    for _ in range(2):
        finish(study, claimed(study, "w"))
    leaving = Ending(outcome=Outcome.INTERRUPTED, reason="told to leave")
    begun = [claimed(study, "w") for _ in range(2)]
    for claim in begun:
        finish(study, claim, leaving)
    # Another worker, which knows of no beginning: storage has kept it.
    other = SweepStudy(config, space)
    again = [claimed(other, "w").specification for _ in range(2)]
    assert [s.architecture for s in again] == [p.architecture for p in first]
    assert [(s.number, s.attempt) for s in again] == [(2, 1), (3, 1)]
    assert optuna_trials(config)[4].params == parameters_of(space, first[0])


def test_a_beginning_that_broke_off_is_completed(config, space):
    first = [
        Proposal(architecture=Architecture.parse(text), recipe=config.training.recipe)
        for text in ("16k3-d16", "32k3-d16")
    ]
    SweepStudy(config, space, first=first[:1])
    study = SweepStudy(config, space, first=first)
    found = [claimed(study, "w").specification.architecture for _ in range(4)]
    assert found[2:] == [proposal.architecture for proposal in first]
