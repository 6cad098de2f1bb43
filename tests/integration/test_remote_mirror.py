"""A sweep on its way to a real MLflow server: PostgreSQL behind it, a password before it."""

import json
import random
import shutil
import time
import zipfile

import pytest

from pipeline.config import TrackingConfig
from pipeline.launching.sweep_folder import load_config, load_description
from pipeline.testing.mlflow_contents import mlflow_contents
from pipeline.testing.mlflow_server import PASSWORD, MlflowServer
from pipeline.tracking.event_log import read, trial_log_paths
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.store import open_client
from pipeline.tracking.sweeps import delete_sweep, rename_sweep

pytestmark = pytest.mark.services
NAME = "remote"
TRIALS, LONG_AWAY_SECONDS = 6, 60
#: What a real sweep meets, from its first epoch on.
CAMPAIGNS = {
    "killed for 60 s": "killed for 60 s",
    "killed for good": "killed for good",
    "slow": "answering each request after 5 s",
    "error": "answering each request with 500",
    "cut": "cutting each answer off",
    "silent": "answering no request",
}


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    """An MLflow server whose database and artifacts nobody has used."""
    address = postgres.new_database().replace("postgresql:", "postgresql+psycopg:")
    started = MlflowServer(address, tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def mlruns(tmp_path_factory, simulate_sweep):
    """What a sweep leaves whose training is simulated; its models are files as Keras writes."""
    folder = tmp_path_factory.mktemp("home") / "mlruns"
    simulate_sweep(folder, NAME)
    image = {"batch_shape": [None, 28, 28, 1], "dtype": "float32"}
    layers = [{"class_name": "InputLayer", "config": image}]
    for model in (folder / "sweeps" / NAME / "models").glob("*.keras"):
        with zipfile.ZipFile(model, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
            archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
            archive.writestr("model.weights.h5", model.name)
    return folder


@pytest.fixture
def signed_in(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")  # a busy machine is no trouble
    monkeypatch.setattr(server.gate, "trouble", lambda: None)
    return server


class Home:
    """A copy of what the sweep left, mirrored to some MLflow."""

    def __init__(self, folder, uri, name=NAME):
        config = load_config(folder, name)
        tracking = TrackingConfig(enabled=True, uri=uri, interval_seconds=1, system_metrics=False)
        self.config = config.model_copy(update={"tracking": tracking})
        self.folder = folder

    def sync(self):
        with Mirror(
            self.config.sweep_dir, self.config, load_description(self.config.sweep_dir)
        ) as m:
            return m.sync()

    def contents(self, name=NAME):
        downloads = self.folder / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        return mlflow_contents(open_client(self.config), "sweetspot-digits", name, downloads)


@pytest.fixture(scope="module")
def expected(mlruns, tmp_path_factory):
    """What the store under ``mlruns`` shows of the sweep."""
    home = Home(shutil.copytree(mlruns, tmp_path_factory.mktemp("local") / "mlruns"), None)
    assert home.sync().failure is None
    return home.contents()


@pytest.fixture
def home(mlruns, tmp_path, signed_in):
    home = Home(shutil.copytree(mlruns, tmp_path / "mlruns"), signed_in.uri)
    yield home
    signed_in.gate.trouble = lambda: None
    delete_sweep(home.config, NAME)


def test_a_server_shows_what_the_store_under_mlruns_shows(home, expected):
    report = home.sync()
    assert (report.failure, report.updated) == (None, len(expected))
    assert home.contents() == expected
    assert {key for key, run in expected.items() if run["models"]} >= {"0", "1"}
    again = home.sync()
    assert (again.failure, again.updated) == (None, 0)
    assert home.contents() == expected
    assert not (home.folder / "mlflow.db").exists()


def test_a_killed_server_is_said_and_a_deleted_store_is_rebuilt(
    home, expected, signed_in, postgres
):
    """Database and artifacts are gone; event logs and kept models are left."""
    home.sync()
    signed_in.kill()
    report = home.sync()
    assert report.failure is not None and report.details is None
    assert "502" in report.failure or "cut off the connection" in report.failure
    database = signed_in.database.rpartition("/")[2]
    postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")
    postgres.execute(f"CREATE DATABASE {database}")
    shutil.rmtree(signed_in.artifacts)
    signed_in.start()
    assert home.sync().failure is None
    assert home.contents() == expected


def test_a_wrong_password_is_said_and_not_shown(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geheim")
    report = home.sync()
    assert report.failure is not None and "401" in report.failure
    assert "geheim" not in report.failure and report.details is None
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    assert home.sync().failure is None


def make_good(home, gate, source, kinds, share):
    """Sync while requests go wrong until a pass succeeds; return how many failed."""
    gate.trouble = lambda: source.choice(kinds) if source.random() < share else None
    for failures in range(100):
        report = home.sync()
        missing = report.failure or report.refused
        if missing is None:
            gate.trouble = lambda: None
            return failures
        assert "nothing is lost" in missing and report.details is None
    pytest.fail(f"no pass succeeded: {missing}")


def test_trouble_at_any_request_is_made_good(home, expected, signed_in, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    kinds = ("error", "unheard", "cut", "cut", "unheard", "silent")
    assert make_good(home, signed_in.gate, random.Random(3), kinds, 0.08)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    # What came to pass without an answer may have made a second run of one training.
    assert home.sync().failure is None
    assert home.contents() == expected


def test_a_sweep_is_renamed_and_removed_on_a_server(home, expected):
    home.sync()
    assert rename_sweep(home.config, NAME, "other") == len(expected)
    assert set(home.contents("other")) == set(expected)
    folder = home.config.sweep_dir
    folder.rename(folder.with_name("other"))  # by which the runs are known to be its own
    assert rename_sweep(home.config, "other", NAME) == len(expected)
    folder.with_name("other").rename(folder)
    assert delete_sweep(home.config, NAME) == len(expected)
    assert home.sync().updated == len(expected)


@pytest.mark.soak
def test_trouble_of_every_kind_many_times(home, expected, signed_in, monkeypatch, keep_campaign):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    failures = {}
    for kind, share in (("error", 0.04), ("unheard", 0.04), ("cut", 0.04), ("silent", 0.02)):
        failures[kind] = 0
        for seed in range(5):
            source = random.Random(f"{kind} {seed}")
            failures[kind] += make_good(home, signed_in.gate, source, (kind,), share)
            home.sync()
            assert home.contents() == expected
            delete_sweep(home.config, NAME)
        assert failures[kind]
    keep_campaign(
        "mirror-trouble",
        {"passes_that_failed": failures},
        "A sweep of 4 trials mirrored 5 times to an MLflow server (PostgreSQL, artifact proxy, "
        f"password) with each kind of trouble; passes that failed on the way: {failures}. Each "
        "time runs, metrics, params, tags, artifacts and models ended as in a local store.",
    )


@pytest.mark.soak
@pytest.mark.parametrize("trouble", CAMPAIGNS)
def test_a_real_sweep_does_not_mind(trouble, command, signed_in, tmp_path, keep_campaign):
    name = trouble.replace(" ", "-")
    settings = (
        "data=digits", "training=quick", "measuring=quick", "objective=macs", "search=random",
        "finalists=off", "launch.workers=1", f"search.trials={TRIALS}", f"sweep_name={name}",
        "search.rungs.enabled=false",
        f"tracking.uri={signed_in.uri}", "tracking.interval_seconds=1",
    )  # fmt: skip
    process = command.start("sweep", *settings)
    command.wait_for_epoch(process, name, trial=0)
    if trouble.startswith("killed"):
        signed_in.kill()
    else:
        signed_in.gate.trouble = lambda: trouble
    if trouble == "killed for 60 s":
        time.sleep(LONG_AWAY_SECONDS)
        signed_in.start()
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, output + errors
    assert command.summary(name)["trials"]["complete"] == TRIALS
    ends = [read(path)[-1].time for path in trial_log_paths(command.folder(name)).values()]
    left = time.time() - max(ends)
    tracking = max(
        event.values["record"]["clocks"]["tracking"]
        for path in trial_log_paths(command.folder(name)).values()
        for event in read(path)
        if event.kind == "ended"
    )
    signed_in.gate.trouble = lambda: None
    if trouble == "killed for good":
        signed_in.start()
    for _ in range(2):  # the second one finds second runs that were made without an answer
        command.run("sync", name)
    again = command.run("sync", name).stdout
    assert again.endswith(" runs in MLflow, 0 brought up to date\n")
    there = mlflow_contents(open_client(Home(command.mlruns, signed_in.uri, name).config),
                            "sweetspot-digits", name, tmp_path / "there")  # fmt: skip
    copy = Home(shutil.copytree(command.mlruns, tmp_path / "local" / "mlruns"), None, name)
    assert copy.sync().failure is None
    assert there == mlflow_contents(
        open_client(copy.config), "sweetspot-digits", name, tmp_path / "here"
    )
    delete_sweep(Home(command.mlruns, signed_in.uri, name).config, name)
    keep_campaign(
        f"mirror-{name}",
        {
            "trials": TRIALS,
            "seconds_after_last_trial": left,
            "most_tracking_seconds_a_trial": tracking,
        },
        f"A sweep of {TRIALS} trials on digits, its MLflow server {CAMPAIGNS[trouble]} from the "
        f"first epoch on: complete, ended {left:.0f} s after its last trial; recording took at "
        f"most {tracking:.2f} s of a trial. After `sweetspot sync` the server equals a local store "
        "that is made from the event logs; once more changes nothing.",
    )
