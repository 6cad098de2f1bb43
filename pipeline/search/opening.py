"""Opens the storage that the configuration names."""

from collections.abc import Callable

import optuna

from pipeline.config import Config
from pipeline.search.storage import Patience, StudyStorage

optuna.logging.set_verbosity(optuna.logging.ERROR)
optuna.logging.disable_propagation()


def open_storage(
    config: Config,
    *,
    is_leaving: Callable[[], bool] = lambda: False,
    patient: bool = False,
) -> StudyStorage:
    """Return the storage that the configuration names.

    Parameters
    ----------
    is_leaving
        Whether this process has been told to leave: then it does not wait for a server.
    patient
        Whether to wait for a server that is away already now, as a worker does. Whoever has
        just named a server wants to hear at once that it is not there.

    Raises
    ------
    SweetspotError
        The journal cannot be read or written; the server is not named, or cannot be used.
    """
    settings = config.storage
    if settings.kind == "journal":
        from pipeline.search.journal import JournalStudies

        folder = config.mlruns if config.sweep_name is None else config.sweep_dir
        return JournalStudies(config.storage_path, folder / "claims.lock")
    # Its driver is loaded only where there is a server.
    from pipeline.search.postgres import PostgresStudies, read_url

    return PostgresStudies(
        read_url(settings),
        settings,
        config.sweep_name,
        Patience(settings.patience_seconds, is_leaving),
        patient=patient,
    )
