"""Whose an error is, and that those of others are sentences wherever MLflow is asked."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.core.errors import SweetspotError
from pipeline.tracking import pictures, registry, sweeps
from pipeline.tracking.failure import failure_details, first_line, is_foreign


def of(module: str) -> Exception:
    """Return an error of another package."""
    return type("Refused", (Exception,), {"__module__": module})("over quota")


FOREIGN = [
    of("botocore.exceptions"), of("google.api_core.exceptions"), of("azure.core.exceptions"),
    of("sqlalchemy.exc"), OSError(28, "No space left on device"),
    ModuleNotFoundError("No module named 'MySQLdb'", name="MySQLdb"), ImportError("no libpq"),
]  # fmt: skip
OURS = [
    ValueError("a slip"), KeyError("name"), of("pipeline.tracking"), of("botocore2"),
    ModuleNotFoundError("No module named 'pipeline.some'", name="pipeline.some"),
]  # fmt: skip


def config() -> Any:
    return SimpleNamespace(
        mlruns=Path("/mlruns"),
        tracking=SimpleNamespace(uri="http://127.0.0.1:9/"),
        sweep_name="some",
    )


@pytest.mark.parametrize("error", FOREIGN, ids=repr)
def test_errors_of_others_have_no_traceback(error: Exception) -> None:
    assert is_foreign(error) and failure_details(error) is None


@pytest.mark.parametrize("error", OURS, ids=repr)
def test_errors_of_ours_keep_theirs(error: Exception) -> None:
    assert not is_foreign(error) and failure_details(error) is not None


def test_the_first_line_holds_no_secret() -> None:
    error = ValueError("postgresql://me:secret@host refused.\nmore")
    assert first_line(error) == "postgresql://***@host refused"


def ask_the_registry() -> None:
    registry.Registry(config=config(), data="digits").version("champion")


def keep_pictures() -> None:
    pictures.log_pictures(config(), "blur", {}, [])


def count_runs() -> None:
    sweeps.runs_of_others(config(), "some")


@pytest.mark.parametrize("ask", [ask_the_registry, keep_pictures, count_runs])
def test_wherever_mlflow_is_asked_errors_of_others_are_a_sentence(
    ask: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Exception] = []

    def refuse(config: Any) -> None:
        raise raised[-1]

    for module in (registry, pictures, sweeps):
        monkeypatch.setattr(module, "open_client", refuse)
    for error in FOREIGN:
        raised.append(error)
        with pytest.raises(SweetspotError, match=r"http://127\.0\.0\.1:9/ refused \(") as caught:
            ask()
        assert "\n" not in str(caught.value)
    for error in OURS:
        raised.append(error)
        with pytest.raises(type(error)):
            ask()
