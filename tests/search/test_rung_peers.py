"""What trials know of one another at the rungs."""

from dataclasses import replace

from pipeline.core.architecture import Architecture
from pipeline.core.outcome import Ending, decide
from pipeline.core.proposal import Proposal
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.search.study import SweepStudy


def claimed(study, worker):
    claim = study.claim(worker)
    assert claim is not None
    return claim


def end(study, claim, ending, accuracy=None):
    found = replace(TrialRecord(specification=claim.specification), val_accuracy=accuracy)
    study.end(claim, ending, replace(found, outcome=ending.outcome, costs={"macs": 10.0}))


def test_peers_at_the_rungs(config, space):
    study = SweepStudy(config, space)
    first, second = claimed(study, "a"), claimed(study, "b")
    first.knows_costs({"macs": 10.0})
    first.reached_rung(1, 0.5)
    assert study.peers(first, ("macs",)) == []
    (peer,) = study.peers(second, ("macs",))
    assert (peer.costs, peer.reached, peer.final_accuracy) == ((10.0,), {1: 0.5}, None)
    end(study, first, decide(None), 0.8)
    assert study.peers(second, ("macs",))[0].final_accuracy == 0.8
    assert study.peers(second, ("latency_ms",)) == []


def test_a_reference_above_a_limit_stops_nobody(config, space):
    limited = config.model_copy(
        update={
            "objective": config.objective.model_copy(
                update={"limits": config.objective.limits.model_copy(update={"parameters": 5.0})}
            )
        }
    )
    study = SweepStudy(limited, space)
    reference, other = claimed(study, "a"), claimed(study, "b")
    for claim, parameters in ((reference, 6.0), (other, 4.0)):
        claim.knows_costs({"macs": 10.0, "parameters": parameters})
        claim.reached_rung(1, 0.5)
    assert study.peers(other, ("macs",)) == []
    assert len(study.peers(reference, ("macs",))) == 1


def test_trials_of_another_length_are_no_peers_at_a_rung(config, space):
    recipe = config.training.recipe
    first = [
        Proposal(
            architecture=Architecture(dense_units=units), recipe=replace(recipe, epochs=epochs)
        )
        for units, epochs in ((8, 4), (9, 4), (10, 16))
    ]
    study = SweepStudy(config, space, first=first)
    _, cnn, *begun = [claimed(study, "w") for _ in range(5)]
    for accuracy, claim in enumerate([cnn, *begun]):
        claim.knows_costs({"macs": 10.0})
        claim.reached_rung(1, accuracy / 10)
    short, other, long = begun
    known = [[peer.reached for peer in study.peers(c, ("macs",))] for c in (short, long, cnn)]
    assert known == [[{}, {1: 0.2}, {}], [{}, {}, {}], [{}, {}, {}]]
    end(study, other, Ending(outcome=Outcome.INTERRUPTED))
    assert {1: 0.2} in [peer.reached for peer in study.peers(short, ("macs",))]


def test_who_names_the_length_of_the_sweep_is_a_peer_of_who_does_not(config, space):
    named = replace(config.training.recipe, epochs=config.training.epochs)
    first = [Proposal(architecture=Architecture(dense_units=8), recipe=named)]
    study = SweepStudy(config, space, first=first)
    dnn, cnn, long = (claimed(study, "w") for _ in range(3))
    for accuracy, claim in enumerate((dnn, cnn, long)):
        claim.knows_costs({"macs": 10.0})
        claim.reached_rung(1, accuracy / 10)
    # As an earlier version has written it.
    cnn.trial.set_user_attr(f"reached/{config.training.epochs}:2", {"accuracy": 0.7, "loss": 0.3})
    known = [[peer.reached for peer in study.peers(c, ("macs",))] for c in (long, dnn)]
    theirs = {1: 0.1, 2: 0.7}
    assert known == [[{1: 0.0}, theirs], [theirs, {1: 0.2}]]


def test_a_trial_that_goes_on_keeps_its_rungs_and_is_no_peer_of_itself(config, space):
    study = SweepStudy(config, space)
    first, second = claimed(study, "a"), claimed(study, "b")
    first.knows_costs({"macs": 10.0})
    first.reached_rung(1, 0.5)
    end(study, first, Ending(outcome=Outcome.INTERRUPTED))
    (peer,) = study.peers(second, ("macs",))
    assert peer.reached == {1: 0.5}
    again = claimed(study, "a")
    assert again.specification.number == first.specification.number
    assert study.peers(again, ("macs",)) == []
    again.reached_rung(2, 0.6)
    (peer,) = study.peers(second, ("macs",))
    assert (peer.costs, peer.reached) == ((10.0,), {1: 0.5, 2: 0.6})


def test_an_epoch_before_the_first_rung_says_nothing_of_a_trial(config, space):
    """Its peers are known by their rungs alone, so that a lucky one would be held against them."""
    rungs = config.search.rungs.model_copy(update={"first": 2, "peers": 5, "keep": 1.0})
    search = config.search.model_copy(update={"rungs": rungs, "trials": 30})
    config = config.model_copy(update={"search": search})
    study = SweepStudy(config, space)
    for number in range(14):  # the less the error at epoch 2, the less it is at the end
        peer, error = claimed(study, "a"), 0.1 + 0.02 * number
        peer.knows_costs({"macs": 10.0 + number % 3})
        peer.reached_rung(2, 1.0 - error)
        end(study, peer, decide(None), 1.0 - error / 2 - 0.001 * (number % 2))
    trial = claimed(study, "b")

    def reason(reached):
        return study.reason_to_stop(trial, 2, reached, {"macs": 20.0})

    assert reason({2: 0.5}) is not None
    assert reason({1: 0.99, 2: 0.5}) == reason({2: 0.5})
