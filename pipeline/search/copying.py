"""A sweep's studies on their way from one storage to another."""

from pathlib import Path

import optuna

from pipeline.core.errors import StorageError
from pipeline.search.finalists import finalists_name
from pipeline.search.journal import JournalStudies
from pipeline.search.storage import StudyStorage


def export_studies(storage: StudyStorage, sweep: str, path: Path) -> None:
    """Write the studies of a sweep, its final round's if there is one, to a new journal.

    Raises
    ------
    StorageError
        There is no such study, or the journal cannot be written.
    """
    journal = JournalStudies(path, path.with_suffix(".lock"))
    if not storage.retrying(lambda: _copy(storage, journal, sweep)):
        raise StorageError(f"there is no study of {sweep} in its storage")


def import_studies(path: Path, sweep: str, storage: StudyStorage) -> None:
    """Bring the studies of a journal that ``export_studies`` has written to a storage.

    Raises
    ------
    StorageError
        The journal is damaged or another sweep's, or the storage has such a study already.
    """
    if not path.stat().st_size:
        raise StorageError("its journal of the study is empty")
    try:
        journal = JournalStudies(path, path.with_suffix(".lock"))
        known = set(optuna.get_all_study_names(journal.optuna))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise StorageError(f"its journal of the study is damaged ({error!r})") from error
    if sweep not in known or known - {sweep, finalists_name(sweep)}:
        raise StorageError(f"its journal holds {sorted(known)}, not the study of {sweep}")
    if any(name in known for name in optuna.get_all_study_names(storage.optuna)):
        raise StorageError(f"the storage has a study {sweep} already")
    storage.retrying(lambda: _copy(journal, storage, sweep))


def _copy(source: StudyStorage, target: StudyStorage, sweep: str) -> bool:
    there = optuna.get_all_study_names(source.optuna)
    for name in (sweep, finalists_name(sweep)):
        if name not in there:
            continue
        # What an attempt that broke off has left is copied anew.
        if name in optuna.get_all_study_names(target.optuna):
            optuna.delete_study(study_name=name, storage=target.optuna)
        optuna.copy_study(
            from_study_name=name, from_storage=source.optuna, to_storage=target.optuna
        )
    return sweep in there
