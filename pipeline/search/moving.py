"""A sweep's studies, that of its final round with them: renamed, removed, taken elsewhere."""

from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.trial import TrialState

from pipeline.config import Config
from pipeline.core.errors import StorageError
from pipeline.search.finalists import finalists_name
from pipeline.search.journal import JournalStudies
from pipeline.search.opening import open_storage
from pipeline.search.storage import StudyStorage

#: Attribute of a study that is being restored: by whom. Optuna cannot remove one: None when done.
_RESTORING = "restoring"


def is_begun(config: Config, storage: StudyStorage | None = None) -> bool:
    """Say whether storage knows of a trial of the sweep that somebody has claimed.

    What a restoration has brought there counts as claimed, however little it is so far.

    Parameters
    ----------
    storage
        What the configuration names, where it is open already.
    """
    name = config.sweep_name
    assert name is not None
    opened = storage or open_storage(config)

    def look() -> bool:
        if any(by is not None for by in _unfinished(opened, name).values()):
            return True
        if name not in _names(opened):
            return False
        study = optuna.load_study(study_name=name, storage=opened.optuna)
        return any(trial.state is not TrialState.WAITING for trial in study.get_trials(False))

    return opened.retrying(look)


def running_workers(config: Config) -> frozenset[str]:
    """Return the names of the workers that storage takes to be training for the sweep."""
    name = config.sweep_name
    assert name is not None
    storage = open_storage(config)

    def look() -> frozenset[str]:
        return frozenset(
            str(trial.user_attrs["worker"])
            for study in {name, finalists_name(name)} & _names(storage)
            for trial in optuna.load_study(study_name=study, storage=storage.optuna).get_trials(
                deepcopy=False, states=(TrialState.RUNNING,)
            )
            if "worker" in trial.user_attrs
        )

    return storage.retrying(look)


def delete_study(config: Config, name: str) -> None:
    """Remove a sweep's studies from storage; nothing happens where they do not exist."""
    delete_studies(open_storage(config), name)


def delete_studies(storage: StudyStorage, name: str) -> None:
    """Remove a sweep's studies from a storage."""
    storage.retrying(_each(name, lambda study: _delete(storage, study)))


def rename_study(config: Config, old: str, new: str) -> None:
    """Give a sweep's studies its new name; nothing happens where they do not exist.

    Raises
    ------
    StorageError
        As ``check_rename``.
    """
    check_rename(config, old, new)
    storage = open_storage(config)

    def rename() -> None:
        for before, after in _renamed(old, new):
            if _copy(storage, before, storage, after):
                _delete(storage, before)  # last: until then it can be copied anew

    storage.retrying(rename)


def check_rename(config: Config, old: str, new: str) -> None:
    """Raise StorageError where the storage, which others may use, has a study of the new name."""
    storage = open_storage(config)

    def check() -> None:
        names = _names(storage)
        for before, after in _renamed(old, new):
            if {before, after} <= names and not _is_copy(storage, before, after):
                raise StorageError(f"the storage has a study {after} already")

    storage.retrying(check)


def _renamed(old: str, new: str) -> tuple[tuple[str, str], ...]:
    return (old, new), (finalists_name(old), finalists_name(new))


def _is_copy(storage: StudyStorage, before: str, after: str) -> bool:
    """Whether a study is what an attempt that broke off has copied, perhaps in part."""

    def trials(name: str) -> list[tuple[object, ...]]:
        study = optuna.load_study(study_name=name, storage=storage.optuna)
        return [(t.state, t.datetime_start, t.user_attrs) for t in study.get_trials(False)]

    copied = trials(after)
    return copied == trials(before)[: len(copied)]


def export_studies(storage: StudyStorage, sweep: str, path: Path) -> None:
    """Write the studies of a sweep to a new journal.

    Raises
    ------
    StorageError
        There is no such study, or the journal cannot be written.
    """
    journal = JournalStudies(path, path.with_suffix(".lock"))
    storage.retrying(_each(sweep, lambda study: _copy(storage, study, journal, study)))
    if sweep not in _names(journal):
        raise StorageError(f"there is no study of {sweep} in its storage")


def unfinished_restorations(config: Config) -> frozenset[str | None]:
    """Return who has begun to bring the sweep's studies to storage, and not finished it.

    None stands for whoever had only made a study yet.
    """
    name = config.sweep_name
    assert name is not None
    storage = open_storage(config)
    return storage.retrying(lambda: frozenset(_unfinished(storage, name).values()))


def _unfinished(storage: StudyStorage, sweep: str) -> dict[str, str | None]:
    """Return by whom the sweep's studies are being restored, of those that are not complete."""
    found = {}
    for name in {sweep, finalists_name(sweep)} & _names(storage):
        study = optuna.load_study(study_name=name, storage=storage.optuna)
        by = study.user_attrs.get(_RESTORING)
        if by is not None or not study.get_trials(deepcopy=False):
            found[name] = by
    return found


def import_studies(
    path: Path, sweep: str, storage: StudyStorage, by: str, is_over: Callable[[str | None], bool]
) -> None:
    """Bring the studies of a journal that ``export_studies`` has written to a storage.

    There they count as unfinished until ``finish_import``. Those that an earlier restoration has
    not finished are replaced.

    Parameters
    ----------
    path
        The studies in it are marked.
    by
        Who restores.
    is_over
        Whether another one that did, or None where it had only made a study, no longer does.

    Raises
    ------
    StorageError
        The journal is damaged or another sweep's, or the storage has such a study already.
    """
    try:
        journal = JournalStudies(path, path.with_suffix(".lock"))
        known = _names(journal)
        for study in known:  # copied before the trials are
            optuna.load_study(study_name=study, storage=journal.optuna).set_user_attr(
                _RESTORING, by
            )
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise StorageError(f"its journal of the study is damaged ({error!r})") from error
    if sweep not in known or known - {sweep, finalists_name(sweep)}:
        raise StorageError(f"its journal holds {sorted(known)}, not the study of {sweep}")
    unfinished = storage.retrying(lambda: _unfinished(storage, sweep))
    complete = storage.retrying(lambda: known & _names(storage)) - unfinished.keys()
    active = [other for other in unfinished.values() if not is_over(other)]
    if complete or active:
        whose = next((f", which is being restored in {other}" for other in active if other), "")
        raise StorageError(f"the storage has a study {sweep} already{whose}")
    try:
        delete_studies(storage, sweep)
        storage.retrying(_each(sweep, lambda study: _copy(journal, study, storage, study)))
    except BaseException:  # Ctrl-C, too, leaves nothing behind
        delete_studies(storage, sweep)
        raise


def finish_import(storage: StudyStorage, sweep: str) -> None:
    """Say that all of the sweep is where it belongs, its folder, too."""

    def finish(study: str) -> None:
        if study in _names(storage):
            optuna.load_study(study_name=study, storage=storage.optuna).set_user_attr(
                _RESTORING, None
            )

    storage.retrying(_each(sweep, finish))


def _each(sweep: str, step: Callable[[str], object]) -> Callable[[], None]:
    """Return a call that takes a step for the final round's study, then for the sweep's."""

    def call() -> None:
        for study in (finalists_name(sweep), sweep):
            step(study)

    return call


def _names(storage: StudyStorage) -> set[str]:
    return set(optuna.get_all_study_names(storage.optuna))


def _delete(storage: StudyStorage, name: str) -> None:
    if name in _names(storage):
        optuna.delete_study(study_name=name, storage=storage.optuna)


def _copy(source: StudyStorage, before: str, target: StudyStorage, after: str) -> bool:
    """Copy a study; return whether there is one."""
    if before not in _names(source):
        return False
    _delete(target, after)  # what an attempt that broke off has copied, perhaps in part
    optuna.copy_study(
        from_study_name=before,
        from_storage=source.optuna,
        to_storage=target.optuna,
        to_study_name=after,
    )
    return True
