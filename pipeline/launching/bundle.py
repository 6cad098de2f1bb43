"""A sweep written to one archive; see ``pipeline.core.bundle``."""

import hashlib
import platform
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config import PROJECT_ROOT, Config
from pipeline.core.bundle import (
    LOCK_FILE_NAME,
    MANIFEST_NAME,
    STUDY_NAME,
    SWEEP_PREFIX,
    Manifest,
    Member,
    is_member_name,
)
from pipeline.core.errors import StorageError
from pipeline.core.places import looking_at
from pipeline.data.durable import replace_durably
from pipeline.launching.holder import NOTE_NAME
from pipeline.launching.housekeeping import held
from pipeline.launching.leftovers import (
    ARCHIVE_NAME,
    BUNDLE_PREFIX,
    BUNDLES_DIR,
    remove_unfinished_bundles,
    unfinished,
)
from pipeline.launching.provenance import git_commit, versions
from pipeline.launching.sweep_folder import load_config
from pipeline.search.moving import export_studies
from pipeline.search.opening import open_storage

BUNDLE_SUFFIX = ".sweep.zip"
#: What this machine's processes need and another machine's do not.
_LEFT_OUT = ("checkpoints", "logs", "workers", "peers", NOTE_NAME)
_MOST_NAMES = 5


def bundle_sweep(
    config: Config,
    name: str,
    path: Path | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> tuple[Path, Manifest]:
    """Write a sweep that nobody runs to an archive.

    Parameters
    ----------
    path
        Where to; by default ``bundles`` under ``mlruns``. In a folder that exists the archive is
        ``NAME.sweep.zip``. What is there is replaced once the new archive is complete.
    say
        Hears which files stay behind because a bundle has none of such names.

    Returns
    -------
    tuple
        Where it is, and what it holds.

    Raises
    ------
    StorageError
        There is no such sweep, it is being run, or a file cannot be read or written.
    """
    archive_name = f"{name}{BUNDLE_SUFFIX}"
    target = path or config.mlruns / BUNDLES_DIR / archive_name
    with looking_at(target):
        if target.is_dir():
            target /= archive_name
    with held(config, name) as folder:
        own = load_config(config.mlruns, name)
        found = _files_of(folder)
        if unnamed := [member for member in found if not is_member_name(member)]:
            say(_left_behind(unnamed))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished_bundles(target.parent)
            with unfinished(BUNDLE_PREFIX, target.parent) as temporary:
                journal = temporary / STUDY_NAME
                export_studies(open_storage(own), name, journal)
                archive = temporary / ARCHIVE_NAME
                files = {STUDY_NAME: journal, LOCK_FILE_NAME: PROJECT_ROOT / "requirements/run.txt"}
                files |= {member: found[member] for member in found if member not in unnamed}
                manifest = _write(archive, name, files)
                replace_durably(archive, target)
        except OSError as error:
            raise StorageError(f"{target} cannot be written: {error}") from error
    return target, manifest


def _left_behind(unnamed: Sequence[str]) -> str:
    named = [repr(member.removeprefix(SWEEP_PREFIX)) for member in unnamed[:_MOST_NAMES]]
    more = len(unnamed) - len(named)
    return (
        f"not in the bundle: {', '.join(named)}{f' and {more} more' if more else ''}; names there "
        "are made of letters, digits, dots, hyphens and underscores"
    )


def _files_of(folder: Path) -> dict[str, Path]:
    """Return the files of a sweep's folder by their names in the archive."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        is_ours = path.is_file() and not path.is_symlink() and path.suffix != ".lock"
        hidden = any(part.startswith(".") for part in inside.parts)
        if is_ours and not hidden and inside.parts[0] not in _LEFT_OUT:
            found[SWEEP_PREFIX + inside.as_posix()] = path
    return found


def _write(archive: Path, sweep: str, files: dict[str, Path]) -> Manifest:
    members = {}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, path in files.items():
            content = path.read_bytes()
            members[name] = Member(size=len(content), digest=hashlib.sha256(content).hexdigest())
            file.writestr(name, content)
        manifest = Manifest(sweep=sweep, made=_circumstances(), members=members)
        file.writestr(MANIFEST_NAME, manifest.to_text())
    return manifest


def _circumstances() -> dict[str, str]:
    return {
        "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "platform": platform.platform(),
        "git_commit": git_commit() or "unknown",
        **versions(),
    }
