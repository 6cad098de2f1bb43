"""What every study storage must do; a test class for each storage inherits this one.

The inheriting class runs under pytest with two fixtures: ``config``, whose storage is an empty
one of its kind, and ``space``.
"""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import optuna
from optuna.trial import TrialState

from pipeline.config import Config
from pipeline.core.outcome import Ending, LimitBroken, decide
from pipeline.core.trial import Outcome, TrialRecord
from pipeline.search.dashboard import dashboard_server
from pipeline.search.ledger import Claim
from pipeline.search.moving import delete_study, rename_study
from pipeline.search.opening import open_storage
from pipeline.search.space import SearchSpace
from pipeline.search.study import SweepStudy
from pipeline.testing.faults import Fault, FaultAt, FaultyStorage, SimulatedClock

INTERRUPTED = Ending(outcome=Outcome.INTERRUPTED, reason="told to leave")


class StorageConformance:
    """Claims, endings and recovery on one kind of storage."""

    #: One call in so many is broken: each of them would take minutes.
    every = 13

    def test_the_budget_is_exact_for_workers_that_ask_at_once(
        self, config: Config, space: SearchSpace
    ) -> None:
        """Four workers on a fresh storage: every trial once."""
        config = _searching(config, trials=12)

        def work(name: str) -> list[int]:
            study = SweepStudy(config, space)
            numbers: list[int] = []
            while (claim := study.claim(name)) is not None:
                numbers.append(claim.specification.number)
                assert finish(study, claim)
            return numbers

        with ThreadPoolExecutor(4) as workers:
            numbers = list(chain.from_iterable(workers.map(work, "abcd")))
        assert sorted(numbers) == list(range(12))
        assert SweepStudy(config, space).is_done()

    def test_what_ended_stays_as_it_ended(self, config: Config, space: SearchSpace) -> None:
        """The same ending twice changes nothing, another one is refused."""
        study = SweepStudy(config, space)
        claim = _claimed(study)
        assert study.is_running(claim)
        assert finish(study, claim)
        assert finish(study, claim)
        assert not study.is_running(claim)
        assert not finish(study, claim, INTERRUPTED)
        assert [record.outcome for record in study.records()] == [Outcome.COMPLETE]
        assert study.waiting() == 1  # the other reference

    def test_constraints_are_kept(self, config: Config, space: SearchSpace) -> None:
        """A broken limit reaches the sampler, a violated constraint that is told twice too."""
        study = SweepStudy(config, space)
        claim = _claimed(study)
        for _ in range(2):
            finish(study, claim, decide(LimitBroken("too big", {"macs": 0.5})))
        (trial, _) = optuna_trials(config)
        assert trial.state is TrialState.PRUNED
        assert trial.constraints == {"macs": 0.5}

    def test_an_interrupted_trial_is_queued_again_as_itself(
        self, config: Config, space: SearchSpace
    ) -> None:
        """Number, network and seed stay, the attempt counts."""
        study = SweepStudy(config, space)
        for _ in range(2):
            finish(study, _claimed(study))
        first = _claimed(study)
        assert finish(study, first, INTERRUPTED)
        assert study.waiting() == 1
        again = _claimed(SweepStudy(config, space))
        assert again.specification.attempt == 1
        assert _network(again) == _network(first)
        trials = optuna_trials(config)
        assert trials[2].state is TrialState.FAIL
        assert trials[3].user_attrs["retry_of"] == 2
        assert finish(study, again)
        assert [record.outcome for record in study.records()] == [Outcome.COMPLETE] * 3

    def test_a_lost_worker_frees_its_trial_until_it_has_killed_too_many(
        self, config: Config, space: SearchSpace
    ) -> None:
        """A trial that kills every worker ends as failed; its worker's ending is refused."""
        config = _searching(config, max_retries=1)
        study = SweepStudy(config, space)
        poisonous = _claimed(study, "dead")
        (record,) = study.recover(lambda worker: False, lambda bare: bare)
        assert (record.number, record.outcome) == (0, Outcome.INTERRUPTED)
        assert not poisonous.beat()
        assert not finish(study, poisonous)
        claims = [_claimed(study, "dead"), _claimed(study, "dead")]
        assert {claim.specification.number for claim in claims} == {0, 1}
        outcomes = {
            record.number: record.outcome
            for record in study.recover(lambda worker: False, lambda bare: bare)
        }
        assert outcomes == {0: Outcome.FAILED, 1: Outcome.INTERRUPTED}
        assert study.recover(lambda worker: False, lambda bare: bare) == []
        assert study.is_idle()
        assert study.waiting() == 1

    def test_peers_know_each_other(self, config: Config, space: SearchSpace) -> None:
        """Costs and rungs are there for other workers at once."""
        study = SweepStudy(config, space)
        first, second = _claimed(study), _claimed(study)
        first.knows_costs({"macs": 10.0})
        first.reached_rung(1, 0.5)
        (peer,) = SweepStudy(config, space).peers(second, ("macs",))
        assert (peer.costs, peer.reached) == ((10.0,), {1: 0.5})

    def test_a_study_is_renamed_and_removed(self, config: Config, space: SearchSpace) -> None:
        """Also where an earlier renaming came to half of its way."""
        study = SweepStudy(config, space)
        finish(study, _claimed(study))
        name = str(config.sweep_name)
        storage = open_storage(config).optuna
        optuna.create_study(storage=storage, study_name="new", directions=["maximize", "minimize"])
        rename_study(config, name, "new")
        assert optuna.get_all_study_names(storage) == ["new"]
        moved = optuna.load_study(storage=storage, study_name="new")
        assert [t.state for t in moved.trials] == [TrialState.COMPLETE, TrialState.WAITING]
        delete_study(config, "new")
        delete_study(config, "new")
        assert optuna.get_all_study_names(open_storage(config).optuna) == []

    def test_optunas_own_command_opens_it(self, config: Config, space: SearchSpace) -> None:
        """People have their own ways of looking at a study."""
        SweepStudy(config, space)
        words, variables = self.named_for_optuna(config)
        done = subprocess.run(
            [sys.executable, "-c", "from optuna.cli import main; main()", "study-names", *words],
            env={**os.environ, **variables}, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.stdout.split() == [config.sweep_name], done.stderr

    def named_for_optuna(self, config: Config) -> tuple[list[str], dict[str, str]]:
        """Return the options and variables by which Optuna's command finds the storage."""
        raise NotImplementedError

    def test_the_dashboard_opens_it(self, config: Config, space: SearchSpace) -> None:
        """With its trials, references first."""
        SweepStudy(config, space)
        with dashboard_server(config, "127.0.0.1", 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}/api/studies"
            with urllib.request.urlopen(address, timeout=30) as answer:
                (study,) = json.load(answer)["study_summaries"]
            with urllib.request.urlopen(f"{address}/{study['study_id']}", timeout=30) as answer:
                trials = json.load(answer)["trials"]
            server.shutdown()
        assert study["study_name"] == config.sweep_name
        assert [trial["state"] for trial in trials] == ["Waiting", "Waiting"]

    def test_steps_may_break_off_at_any_call(self, config: Config, space: SearchSpace) -> None:
        """Before a call or after it: nothing is lost, doubled, or drawn differently."""
        config = _searching(config, trials=3)
        networks = {_sweep_with(config, space, FaultAt(-1, "fails"))}
        faults: Sequence[Fault] = ("fails", "unheard")
        for fault in faults:
            count = 0
            while True:
                breaking = FaultAt(count, fault)
                networks.add(_sweep_with(config, space, breaking))
                if not breaking.happened:
                    break
                count += self.every
            assert count > 0
        assert len(networks) == 1


def finish(
    study: SweepStudy, claim: Claim, ending: Ending | None = None, accuracy: float = 0.9
) -> bool:
    """End a claimed trial, completely by default; return whether that was accepted."""
    ending = ending or decide(None)
    record = TrialRecord(
        specification=claim.specification,
        outcome=ending.outcome,
        val_accuracy=accuracy,
        costs={"macs": 1000.0},
        reason=ending.reason,
    )
    return study.end(claim, ending, record)


def optuna_trials(config: Config) -> list[optuna.trial.FrozenTrial]:
    """Return a sweep's trials as Optuna's own client sees them."""
    storage = open_storage(config).optuna
    return optuna.load_study(study_name=config.sweep_name, storage=storage).get_trials()


def _sweep_with(config: Config, space: SearchSpace, fault: FaultAt) -> object:
    """Run three trials, the last one interrupted once; return its network."""
    faulty = FaultyStorage(open_storage(config), fault, SimulatedClock())
    study = SweepStudy(config, space, faulty)
    networks: list[tuple[int, object]] = []
    while (claim := study.claim("w")) is not None:
        claim.knows_costs({"macs": 10.0})
        number, attempt = claim.specification.number, claim.specification.attempt
        seen = any(n == number for n, _ in networks)
        networks.append((number, _network(claim)))
        assert attempt >= seen
        assert finish(study, claim, INTERRUPTED if number == 2 and not seen else None)
    trials = optuna_trials(config)
    assert sorted(number for number, _ in networks) == [0, 1, 2, 2]
    attempts = Counter((t.user_attrs["number"], t.user_attrs["attempt"]) for t in trials)
    assert set(attempts.values()) == {1}
    complete = [t for t in trials if t.state is TrialState.COMPLETE]
    assert sorted(t.user_attrs["number"] for t in complete) == [0, 1, 2]
    assert {t.state for t in trials} == {TrialState.COMPLETE, TrialState.FAIL}
    delete_study(config, str(config.sweep_name))
    drawn = {network for number, network in networks if number == 2}
    assert len(drawn) == 1
    return drawn.pop()


def _network(claim: Claim) -> object:
    specification = claim.specification
    return (
        specification.number,
        specification.architecture,
        specification.recipe,
        specification.seed,
    )


def _claimed(study: SweepStudy, worker: str = "w") -> Claim:
    claim = study.claim(worker)
    assert claim is not None
    return claim


def _searching(config: Config, **changes: int) -> Config:
    return config.model_copy(update={"search": config.search.model_copy(update=changes)})
