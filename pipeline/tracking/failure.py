"""What went wrong with MLflow, in one sentence."""

import os
import re
import traceback

from pipeline.config import Config, command
from pipeline.core.errors import SweetspotError
from pipeline.tracking.store import REQUEST_SECONDS, tracking_uri

_LONGEST = 300
_TIME_OUTS = frozenset({"ReadTimeout", "ReadTimeoutError", "TimeoutError"})
_OUT_OF_REACH = frozenset(
    {
        "ConnectTimeout", "ConnectTimeoutError", "ConnectionRefusedError", "NewConnectionError",
        "NameResolutionError", "EndpointConnectionError",
    }
)  # fmt: skip
_CUT_OFF = frozenset(
    {
        "ConnectionError", "ProtocolError", "RemoteDisconnected", "ConnectionResetError",
        "ConnectionClosedError", "BrokenPipeError",
    }
)  # fmt: skip
#: MLflow, and what it reaches its stores with.
_FOREIGN = (
    "mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3", "alembic", "boto3", "botocore",
    "s3transfer", "google", "azure",
)  # fmt: skip
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def failure_sentence(error: Exception, config: Config, sweep: str) -> str:
    """Return what happened and that nothing is lost.

    Parameters
    ----------
    config
        Says where MLflow is.
    sweep
        The sweep's name.
    """
    if isinstance(error, SweetspotError):
        return str(error)
    return (
        f"MLflow at {tracking_uri(config)} {failure_cause(error)}; training goes on and nothing "
        f"is lost: the next try, or `{command(config, 'sync', sweep)}`, catches up"
    )


def refusal_sentence(error: Exception, config: Config, sweep: str) -> str:
    """Return what was refused although all else is there; arguments as of ``failure_sentence``."""
    if isinstance(error, SweetspotError):
        return str(error)
    return (
        f"MLflow at {tracking_uri(config)} lacks files of {sweep}, whose store "
        f"{failure_cause(error)}; all else is there and nothing is lost: they are tried again now "
        f"and then, and by `{command(config, 'sync', sweep)}`"
    )


def failure_details(error: Exception) -> str | None:
    """Return the traceback of an error that is ours; None where it is MLflow's or the network's."""
    if isinstance(error, SweetspotError) or is_foreign(error):
        return None
    return "".join(traceback.format_exception(error))


def is_foreign(error: Exception) -> bool:
    """Return whether an error is MLflow's, its stores', the network's or the system's, not ours.

    A store may need a driver or a package that is not installed.
    """
    if isinstance(error, ImportError):
        return not (error.name or "").startswith("pipeline")
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or package in _FOREIGN


def failure_cause(error: Exception) -> str:
    """Return what an error says, as the end of a sentence on MLflow at some address."""
    names = _names(error)
    if names & _TIME_OUTS:
        seconds = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_SECONDS))
        return f"did not answer within {seconds} s"
    if names & _OUT_OF_REACH:
        return "cannot be reached"
    if names & _CUT_OFF:
        return "cut off the connection"
    return f"refused ({first_line(error)})"


def first_line(error: Exception) -> str:
    """Return the beginning of what an error says, without a secret and a full stop."""
    line = str(error).strip().split("\n", 1)[0] or type(error).__name__
    said = _CREDENTIALS.sub("***@", _COLOURS.sub("", line))
    if len(said) > _LONGEST:
        said = said[: _LONGEST - 1] + "…"
    return said.rstrip(".")


def is_unanswered(error: Exception) -> bool:
    """Return whether nobody has answered: a time-out, or a connection that failed or broke."""
    return bool(_names(error) & (_TIME_OUTS | _OUT_OF_REACH | _CUT_OFF))


def _names(error: Exception) -> set[str]:
    """Return the names of an error's type and of those that it came from."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return {type(item).__name__ for item in chain}
