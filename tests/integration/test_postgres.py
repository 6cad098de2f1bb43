"""Studies on a real PostgreSQL server."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import optuna
import psycopg
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import StorageError
from pipeline.search.opening import open_storage
from pipeline.search.space import SearchSpace
from pipeline.search.study import SweepStudy
from pipeline.testing.storage_conformance import StorageConformance, finish, optuna_trials

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def base_config():
    overrides = (
        "data=digits", "search=random", "objective=macs", "sweep_name=test", "storage=postgres",
    )  # fmt: skip
    return compose(CommandLine(command="sweep", overrides=overrides))


@pytest.fixture
def config(base_config, postgres, tmp_path, monkeypatch):
    """Return a configuration with an empty database."""
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", postgres.new_database())
    return base_config.model_copy(update={"mlruns": tmp_path})


@pytest.fixture
def space(config):
    return SearchSpace(config.space, (28, 28, 1), 10)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
class TestPostgres(StorageConformance):
    every = 29

    def named_for_optuna(self, config):
        url = os.environ["SWEETSPOT_STORAGE_URL"]
        return [], {"OPTUNA_STORAGE": url.replace("postgresql:", "postgresql+psycopg:")}


def searching(config, **changes):
    return config.model_copy(update={"search": config.search.model_copy(update=changes)})


def storing(config, **changes):
    return config.model_copy(update={"storage": config.storage.model_copy(update=changes)})


def test_a_fresh_database_is_opened_by_many_at_once(config, space):
    with ThreadPoolExecutor(4) as workers:
        studies = list(workers.map(lambda _: SweepStudy(config, space), range(4)))
    assert studies[0].waiting() == 2


def test_a_worker_that_is_silent_for_too_long_loses_its_trial(config, space):
    study = SweepStudy(storing(config, heartbeat_seconds=0.001, grace_seconds=0.003), space)
    claim = study.claim("elsewhere-1")
    assert claim is not None and claim.beat()
    time.sleep(0.01)
    (record,) = study.recover(lambda worker: True, lambda bare: bare)
    assert record.number == 0
    assert not claim.beat()
    assert not finish(study, claim)
    patient = SweepStudy(config, space)
    patient.claim("elsewhere-2")
    assert patient.recover(lambda worker: True, lambda bare: bare) == []


def test_a_server_that_was_away_for_longer_than_the_grace_takes_no_trial(config, space, postgres):
    """Nobody could beat meanwhile: from its start on the workers have as long again."""
    day = 24 * 3600
    study = SweepStudy(storing(config, grace_seconds=day), space)
    claim = study.claim("elsewhere-1")
    assert claim is not None
    database = os.environ["SWEETSPOT_STORAGE_URL"].rpartition("/")[2]
    with psycopg.connect(postgres.url(database)) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '3 days'")
    assert study.recover(lambda worker: True, lambda bare: bare) == []
    assert finish(study, claim)


def test_a_server_that_could_not_be_reached_for_longer_than_the_grace_takes_no_trial(
    config, space, postgres
):
    """It was up all the time, so that its start says nothing of how long nobody could beat."""
    database = os.environ["SWEETSPOT_STORAGE_URL"].rpartition("/")[2]
    patient = storing(config, grace_seconds=4.0, patience_seconds=60.0)
    study = SweepStudy(patient, space)
    claim = study.claim("elsewhere-1")
    assert claim is not None

    def allow(how):
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS {how}')
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [database],
            )

    allow("false")
    with ThreadPoolExecutor(1) as other:
        looking = other.submit(study.recover, lambda worker: True, lambda bare: bare)
        time.sleep(5.0)
        assert not looking.done()
        allow("true")
        assert looking.result(60) == []
    assert claim.beat()
    time.sleep(5.0)  # and one that is still silent is found
    (record,) = study.recover(lambda worker: True, lambda bare: bare)
    assert record.number == claim.specification.number


def test_a_wrong_password_is_told_at_once_and_not_shown(config, monkeypatch):
    url = os.environ["SWEETSPOT_STORAGE_URL"].replace("correct", "geheim")
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", url)
    with pytest.raises(StorageError, match=r"cannot be used: .*password authentication") as caught:
        open_storage(config)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_step_cut_off_from_the_lock_writes_nothing_more(config, space, postgres):
    """Whoever loses the connection that holds the lock is out, even if others could connect."""
    storage = open_storage(config)
    study = SweepStudy(config, space, storage)
    inner = optuna.load_study(study_name="test", storage=storage.optuna)
    with pytest.raises(StorageError), storage.alone():
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                         "WHERE application_name = 'sweetspot'")  # fmt: skip
        inner.enqueue_trial({})
    assert study.waiting() == 2


def simulate(config, space, workers, restarts):
    """Let many workers claim and end trials; return how long each kept storage busy.

    That is the time in which nobody else could: what a trial takes out of a sweep's life when
    every worker wants storage at once.
    """
    ended, lock = [time.perf_counter()], threading.Lock()

    def work(number):
        study = SweepStudy(config, space)
        while (claim := study.claim(f"w-{number}")) is not None:
            claim.knows_costs({"macs": 10.0})
            claim.reached_rung(1, 0.5)
            claim.storage.retrying(claim.beat)
            assert finish(study, claim)
            with lock:
                ended.append(time.perf_counter())
                due = restarts.pop(0) if restarts and len(ended) > restarts[0][0] else None
            if due:
                due[1]()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return [after - before for before, after in pairwise(ended)]


def check_all_there(config, trials):
    found = optuna_trials(config)
    complete = [t.user_attrs["number"] for t in found if t.state is TrialState.COMPLETE]
    assert sorted(complete) == list(range(trials))
    assert {t.state for t in found} <= {TrialState.COMPLETE, TrialState.FAIL}


def test_many_workers_and_a_server_that_is_restarted(config, space, postgres):
    config = searching(config, trials=60)
    restarts = [(20, lambda: postgres.restart("immediate"))]
    seconds = simulate(config, space, 8, restarts)
    assert restarts == []
    assert len(seconds) == 60
    check_all_there(config, 60)


@pytest.mark.soak
def test_a_server_restarted_five_times(config, space, postgres, keep_result):
    config = searching(config, trials=200)
    modes = ("fast", "immediate", "fast", "immediate", "immediate")
    restarts = [
        (30 * (i + 1), lambda mode=mode: postgres.restart(mode)) for i, mode in enumerate(modes)
    ]
    seconds = simulate(config, space, 8, restarts)
    assert restarts == []
    check_all_there(config, 200)
    keep_result("postgres-restarts", seconds, "8 workers, 200 trials, 5 restarts of the server")


@pytest.mark.soak
def test_64_workers_and_2000_trials(config, space, keep_result):
    config = searching(config, trials=2000)
    seconds = simulate(config, space, 64, [])
    check_all_there(config, 2000)
    keep_result("postgres-64-workers", seconds, "64 workers, 2000 trials, none lost or doubled")


def test_what_the_address_says_of_the_connection_holds(config, space, monkeypatch):
    url = os.environ["SWEETSPOT_STORAGE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mine")
    asked = "options=-c%20search_path%3Dmine%20-c%20timezone%3DAsia/Tokyo&application_name=night"
    monkeypatch.setenv("SWEETSPOT_STORAGE_URL", f"{url}?{asked}&connect_timeout=7")
    assert SweepStudy(config, space).waiting() == 2
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'trials'")
        assert found.fetchall() == [("mine",)]
    storage = open_storage(config).optuna
    assert isinstance(storage, RDBStorage)
    with storage.engine.connect() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("search_path", "application_name", "timezone", "lock_timeout")
        }
        info = connection.connection.dbapi_connection.info.get_parameters()
    assert shown == {
        "search_path": "mine", "application_name": "night", "timezone": "UTC",
        "lock_timeout": "1min",
    }  # fmt: skip
    assert (info["connect_timeout"], info["keepalives_idle"]) == ("7", "10")
