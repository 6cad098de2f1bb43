"""PostgreSQL: one database for any number of machines.

Optuna's own storage, with what many workers and a server that may go away need: a lock that
all of them see, connections that notice a dead peer, heartbeats that are read with the server's
clock, and one exception for everything that a second try may mend.
"""

import hashlib
import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.engine import URL, Connection, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipeline.config import StorageConfig, anchored
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.search.storage import Patience, StorageLost

T = TypeVar("T")
URL_VARIABLE = "SWEETSPOT_STORAGE_URL"
_FORM = "postgresql://USER:PASSWORD@HOST/DATABASE"
_DRIVERS = ("postgres", "postgresql", "postgresql+psycopg")
#: A worker that is stopped while it holds the lock is cut off after so long, and so is one that
#: waits for it.
_LOCK_SECONDS = 60
#: The heartbeats are compared in this time zone, and nobody waits for ever.
_OPTIONS = (
    f"-c timezone=UTC -c lock_timeout={_LOCK_SECONDS}s "
    f"-c idle_in_transaction_session_timeout={_LOCK_SECONDS}s"
)
#: Where the address says nothing else. A peer that is gone without a word is noticed after about
#: half a minute.
_CONNECTION: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    "application_name": "sweetspot",
}
#: The server shuts down or starts up, has no connection left, or lost the race for a row.
_MENDABLE = ("08", "53", "57P", "55P03", "40")
_SCHEMA = "schema"


class PostgresStudies:
    """A ``StudyStorage`` on a PostgreSQL server; the tables are created where they are missing.

    Parameters
    ----------
    url
        From ``read_url``.
    sweep
        All workers of one sweep exclude each other; None for whoever claims nothing.
    patient
        Whether to wait already now for a server that is away.

    Raises
    ------
    StorageError
        The server cannot be reached, or does not let us in.
    """

    def __init__(
        self,
        url: URL,
        config: StorageConfig,
        sweep: str | None,
        patience: Patience,
        *,
        patient: bool = True,
    ) -> None:
        self._config = config
        self._lock = _key(f"sweep {sweep}")
        self._patience = patience
        #: When the server could not be reached last, on the monotonic clock.
        self._lost: float | None = None

        def opened() -> _LockableStorage:
            return _open(url, self._note_lost)

        self._storage = patience.retrying(opened) if patient else opened()

    @property
    def optuna(self) -> BaseStorage:
        """The same storage as Optuna knows it."""
        return self._storage

    @property
    def heartbeat_seconds(self) -> float:
        """How often a worker must say that it lives."""
        return self._config.heartbeat_seconds

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all other workers of the sweep out meanwhile, those on other machines too."""
        with self._patience.suspended(), self._storage.holding(self._lock):
            yield

    def retrying(self, call: Callable[[], T]) -> T:
        """Call, again and again while the server is away."""
        return self._patience.retrying(call)

    def beat(self, study: str, number: int) -> bool:
        """Say that the worker of Optuna's trial ``number`` lives; return whether it still runs."""
        return self._storage.beat(study, number)

    def silent(self, study: str) -> frozenset[int]:
        """Return Optuna's numbers of the running trials whose workers were silent too long.

        Whom the server was away for, it was away for others, too, who could not beat: they have
        as long again.
        """
        grace = self._config.grace_seconds
        if self._lost is not None and time.monotonic() - self._lost < grace:
            return frozenset()
        return self._storage.silent(study, grace)

    def _note_lost(self) -> None:
        self._lost = time.monotonic()


class _LockableStorage(RDBStorage):
    """Optuna's storage, all of a step's work on the one connection that holds the lock.

    So the lock is a fence: whoever loses it has lost the connection, and writes nothing more.
    """

    @contextmanager
    def holding(self, key: int) -> Iterator[None]:
        """Hold the server's advisory lock ``key``; of this thread alone, and not twice."""
        self.remove_session()
        with self.engine.connect() as connection:
            _lock(connection, key)
            self.scoped_session(bind=connection)
            try:
                yield
            except BaseException:
                connection.invalidate()  # which frees the lock, whatever the connection is doing
                raise
            finally:
                self.remove_session()
            _unlock(connection, key)

    def beat(self, study: str, number: int) -> bool:
        """Record a heartbeat; return whether the trial still runs."""
        study_id = self.get_study_id_from_name(study)
        trial_id = self.get_trial_id_from_study_id_trial_number(study_id, number)
        self.record_heartbeat(trial_id)
        return not self.get_trial(trial_id).state.is_finished()

    def silent(self, study: str, seconds: float) -> frozenset[int]:
        """Return the running trials without a heartbeat in the last ``seconds``.

        While the server was down nobody could beat: from its start on all have as long again.
        """
        # Optuna's own list leaves out those that never beat. Ours beat under the lock under
        # which they were asked for: without a heartbeat that was never done to its end.
        query = sqlalchemy.text(
            "SELECT trials.number FROM trials JOIN studies USING (study_id)"
            " LEFT JOIN trial_heartbeats USING (trial_id)"
            " WHERE study_name = :study AND state = 'RUNNING' AND (heartbeat IS NULL"
            " OR greatest(heartbeat, pg_postmaster_start_time()::timestamp)"
            " < localtimestamp - make_interval(secs => :seconds))"
        )
        session = self.scoped_session()
        try:
            rows = session.execute(query, {"study": study, "seconds": seconds}).scalars().all()
            session.commit()
            return frozenset(rows)
        finally:
            session.close()


def read_url(config: StorageConfig) -> URL:
    """Return the server's address; printed, it hides the password.

    Raises
    ------
    ConfigurationError
        It is not given, or no address of a PostgreSQL server. The sentence does not repeat it.
    """
    if config.url_file is not None:
        path = anchored(config.url_file)
        try:
            found = path.read_text(encoding="utf-8").strip().partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(
                f"storage.url_file={config.url_file} cannot be read: {reason}"
            ) from None
        where = f"the first line of storage.url_file={config.url_file}"
    else:
        found = os.environ.get(URL_VARIABLE, "").strip()
        where = URL_VARIABLE
        if not found:
            raise ConfigurationError(
                f"storage=postgres needs the server's address: set {URL_VARIABLE} to {_FORM}, or "
                "storage.url_file to a file that holds it"
            )
    try:
        url = make_url(found)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in _DRIVERS or not url.database:
        raise ConfigurationError(f"{where} is not an address of the form {_FORM}") from None
    return url.set(drivername="postgresql+psycopg")


def _shown(url: URL) -> str:
    """Return where the server is, for people: without user, password and options."""
    return f"{url.host or 'this machine'}{f':{url.port}' if url.port else ''}/{url.database}"


def _connection(url: URL) -> dict[str, Any]:
    """Return what the driver is told besides the address, over which it would win."""
    given = url.query.get("options", ())
    options = (given,) if isinstance(given, str) else given
    ours = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    # The server reads them in this order, and of two values takes the last.
    return ours | {"options": " ".join((*options, _OPTIONS))}


def _open(url: URL, note_lost: Callable[[], None]) -> _LockableStorage:
    # The password goes to the driver alone: Optuna keeps, and shows, the address it is given.
    secret = {} if url.password is None else {"password": str(url.password)}
    arguments = {
        "pool_pre_ping": True,
        "pool_size": 2,
        "max_overflow": 2,
        "connect_args": {**_connection(url), **secret},
    }
    bare = url._replace(password=None)
    shown = _shown(url)
    engine = sqlalchemy.create_engine(bare, **arguments)
    try:
        # Several processes that create the tables of a fresh database at once would fail.
        with engine.connect() as connection:
            _lock(connection, _key(_SCHEMA))
            storage = _LockableStorage(
                bare.render_as_string(hide_password=False), engine_kwargs=arguments
            )
            _unlock(connection, _key(_SCHEMA))
    except (SQLAlchemyError, StorageInternalError, StorageLost) as error:
        note_lost()
        raise StorageLost(
            f"the PostgreSQL server {shown} cannot be used: {_reason(error)}"
        ) from None
    except RuntimeError as error:  # Optuna about tables of another version
        raise StorageError(f"the PostgreSQL database {shown} cannot be used: {error}") from error
    finally:
        engine.dispose()

    def told(context: ExceptionContext) -> None:
        if not context.is_pre_ping and _is_mendable(context):
            if context.is_disconnect or context.connection is None:
                note_lost()
            raise StorageLost(
                f"the PostgreSQL server {shown} does not answer: "
                f"{_reason(context.original_exception)}"
            )

    sqlalchemy.event.listen(storage.engine, "handle_error", told)
    weakref.finalize(storage, storage.engine.dispose)  # hangs up in good order
    return storage


def _is_mendable(context: ExceptionContext) -> bool:
    state = getattr(context.original_exception, "sqlstate", None) or ""
    return context.is_disconnect or context.connection is None or state.startswith(_MENDABLE)


def _reason(error: BaseException) -> str:
    """Return the first line of what the driver says."""
    cause: BaseException | None = error
    while cause is not None:
        error, cause = cause, cause.__cause__ or getattr(cause, "orig", None)
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _key(what: str) -> int:
    """Return a key of PostgreSQL's advisory locks, 64 bits with a sign."""
    digest = hashlib.sha256(f"sweetspot {what}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _lock(connection: Connection, key: int) -> None:
    query = "SELECT pg_advisory_lock(:key), set_config('idle_session_timeout', :idle, false)"
    connection.execute(sqlalchemy.text(query), {"key": key, "idle": f"{_LOCK_SECONDS}s"})
    connection.commit()


def _unlock(connection: Connection, key: int) -> None:
    query = "SELECT pg_advisory_unlock(:key), set_config('idle_session_timeout', '0', false)"
    try:
        connection.execute(sqlalchemy.text(query), {"key": key})
        connection.commit()
    except (StorageLost, SQLAlchemyError):
        connection.invalidate()  # what was to be done is done, and the lock is free as well
