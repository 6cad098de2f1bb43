"""What all tests share: a clean environment, and the folders they work in."""

import importlib
import os
import pkgutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import settings

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Read before any test: in the tests themselves the environment is clean.
DATA_DIR = os.environ.get("SWEETSPOT_DATA_DIR")
SERVICES_REQUIRED = os.environ.get("SWEETSPOT_REQUIRE_SERVICES") == "1"
# The many processes that the tests start read what the first of them has compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A busy machine is no failure, and whoever changes nothing sees the same as before;
# `--hypothesis-profile=thorough` looks for what is new, and longer.
settings.register_profile("quick", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("quick")

DATA_SETS = ("fashion_mnist", "mnist")
#: Whose tests reach nearly every line of what coverage is measured of. Under Python 3.11 all Python
#: code takes up to twice as long meanwhile, so it is not measured in the others.
COVERING = (
    "core/", "config/", "commands/test_composition.py", "commands/test_launch_settings.py",
)  # fmt: skip
COVERED = ("pipeline.core", "pipeline.config")
#: What takes longest begins first, so that no process is left alone with it at the end.
LONGEST = ("integration/", "docs/", "browser/", "training/")
IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def is_among(item: pytest.Item, places: tuple[str, ...]) -> bool:
    return item.path.relative_to(Path(__file__).parent).as_posix().startswith(places)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders of ``LONGEST`` before the others; the order is kept in both."""
    items.sort(key=lambda item: not is_among(item, LONGEST))


@contextmanager
def coverage_stopped() -> Iterator[None]:
    """Measure no coverage inside the block."""
    stopped = []
    # In a process of pytest-xdist there are two, and the first one goes on when the second stops.
    while (coverage := Coverage.current()) is not None:
        coverage.stop()
        stopped.append(coverage)
    try:
        yield
    finally:
        for coverage in reversed(stopped):
            coverage.start()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Measure coverage while the rooms of ``COVERED`` are imported, not of the collection."""
    for name in COVERED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    with coverage_stopped():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage in the tests of ``COVERING`` alone."""
    if is_among(item, COVERING):
        return (yield)
    with coverage_stopped():
        return (yield)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this shell's settings from the tests; Keras' cache (KERAS_HOME) stays in use."""
    for name in list(os.environ):
        if name.startswith(("SWEETSPOT_", "HYDRA_", "MLFLOW_", "OPTUNA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")  # tests need no network


@pytest.fixture(scope="session")
def backend() -> Any:
    """Keras' backend with one thread and repeatable numbers, for every test of this process.

    TensorFlow cannot be set up any more once something has used it, so whatever test loads a
    network, through MLflow too, asks for this first.
    """
    from pipeline.training.backend import set_up

    return set_up(threads=1, deterministic=True)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder of pyproject.toml."""
    return PROJECT_ROOT


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    """An empty folder in the place of the project's mlruns/."""
    folder = tmp_path / "mlruns"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the complete Fashion-MNIST and MNIST, in fashion_mnist/ and mnist/.

    Skips where there is none. Where services are required, a folder that is named but
    incomplete fails.
    """
    if DATA_DIR is None:
        pytest.skip("SWEETSPOT_DATA_DIR does not name the folder of the complete data sets")
    # A relative path is taken from the project, as the program does.
    folder = (PROJECT_ROOT / DATA_DIR).resolve()
    files = [
        folder / name / f"{file}-ubyte.gz"
        for name in ("fashion_mnist", "mnist")
        for file in IDX_FILES
    ]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        sentence = f"SWEETSPOT_DATA_DIR lacks {', '.join(missing)}"
        if SERVICES_REQUIRED:
            pytest.fail(sentence)
        pytest.skip(sentence)
    return folder


@pytest.fixture(scope="session")
def simulate_sweep() -> Callable[..., None]:
    """Return a function that leaves behind what a sweep does, its training simulated."""
    from pipeline.commands.arguments import CommandLine
    from pipeline.commands.compose import compose
    from pipeline.launching.evaluation import evaluate
    from pipeline.launching.planning import create_folder, plan_sweep
    from pipeline.testing.simulated_run import run_all, simulated_run

    def simulate(mlruns: Path, name: str, *overrides: str, device: str = "Xeon") -> None:
        settings = ("data=digits", "search=random", "tracking=off", "search.trials=4")
        overrides = (*settings, f"sweep_name={name}", f"mlruns={mlruns}", *overrides)
        plan = plan_sweep(compose(CommandLine(command="sweep", overrides=overrides)), print)
        create_folder(plan)
        run = simulated_run(plan, device={"device": "cpu", "name": device, "cores": "2"})
        run_all(run)
        evaluate(plan.config, run.study, run.results, run.trainer)

    return simulate


@pytest.fixture
def disk_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | Path]]:
    """Return what is synced (its inode) and what is replaced (its path), as it happens."""
    fsync, replace = os.fsync, Path.replace
    calls: list[tuple[str, int | Path]] = []

    def synced(descriptor: int) -> None:
        calls.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        calls.append(("replace", target))
        return replace(self, target)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return calls


@pytest.fixture(scope="session")
def recording() -> Any:
    """Return the curves of a few networks, made up."""
    from pipeline.testing.made_up import made_up_recording

    return made_up_recording()
