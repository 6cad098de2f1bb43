"""What the fuzzer feeds: each parser, with what has to hold whatever bytes it is given.

A check returns for every input; what it lets through, as an exception, is not documented of
the parser.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import ConfigurationError, DataError, StorageError, SweetspotError
from pipeline.testing import fuzz_seeds

#: In memory where the system has that: there, syncing a file takes no time.
_MEMORY = Path("/dev/shm")
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, kw_only=True)
class FuzzTarget:
    """A parser as the fuzzer sees it.

    Parameters
    ----------
    check
        Parses bytes and checks the result.
    seeds
        Returns the inputs that the fuzzer starts from.
    modules
        Prefixes of the modules whose branches guide it.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    modules: tuple[str, ...]


def check_architecture(data: bytes) -> None:
    """Read the notation; what can be read prints as itself, and has a journey or none."""
    from pipeline.core.architecture import Architecture
    from pipeline.core.journey import shape_journey

    try:
        architecture = Architecture.parse(data.decode("utf-8", errors="replace"))
        if Architecture.parse(architecture.notation) != architecture:
            raise AssertionError(f"{architecture.notation} is read as another architecture")
        shape_journey(architecture, (28, 28, 1), 10)
    except ConfigurationError as error:
        _check_sentence(error)


def check_idx(data: bytes) -> None:
    """Read an IDX file; the values are the bytes that follow its header."""
    from pipeline.data.idx import parse_idx

    try:
        values = parse_idx(data, "input")
    except DataError as error:
        _check_sentence(error)
        return
    if not data.startswith(_GZIP_MAGIC) and not data.endswith(values.tobytes()):
        raise AssertionError("the values are not those of the file")


def check_event_log(data: bytes) -> None:
    """Read a log as a trial's and as a sweep's; then append to it, which loses no event."""
    from pipeline.tracking.event_log import EventLog, read, read_from
    from pipeline.tracking.projection import sweep_view, trial_view
    from pipeline.tracking.sweep_facts import SweepFacts

    with _folder() as folder:
        path = folder / "0001.jsonl"
        path.write_bytes(data)
        events, end = read_from(path, 0)
        if end > len(data) or any(event.end > end for event in events):
            raise AssertionError(f"{end} bytes of {len(data)} were read")
        facts = SweepFacts.of(events)
        trial_view("sweep", "fingerprint", events, facts)
        sweep_view("sweep", "fingerprint", events, facts, None)
        with EventLog(path, clock=lambda: 1.0) as log:
            added = log.append("model", path=None)
        found = read(path)
        # Values are compared as text, in which not-a-number equals itself.
        if repr(found[: len(events)]) != repr(events) or found[-1] != added:
            raise AssertionError("an event was lost by appending another one")


def check_config_file(data: bytes) -> None:
    """Read the configuration in a sweep's folder; written and read again, it is the same."""
    import yaml

    from pipeline.config import Config
    from pipeline.launching.sweep_folder import load_config

    with _folder() as mlruns:
        folder = mlruns / "sweeps" / "name"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_bytes(data)
        try:
            values = load_config(mlruns, "name").model_dump(mode="json")
        except StorageError as error:
            _check_sentence(error)
            return
        again = Config.model_validate(yaml.safe_load(yaml.safe_dump(values)))
        if again.model_dump(mode="json") != values:
            raise AssertionError("the configuration changes when it is written")


def check_settings(data: bytes) -> None:
    """Compose configurations from the words of a command line."""
    from pipeline.commands.arguments import CommandLine
    from pipeline.commands.compose import compose_each

    words = data.decode("utf-8", errors="replace").split()
    try:
        line = CommandLine.parse("sweep", words, flags=("--dry-run",))
        # Hydra's own flags print and run things; many values multiply to any number.
        if not line.hydra and not line.multirun:
            compose_each(line)
    except ConfigurationError as error:
        _check_sentence(error)


@contextmanager
def _folder() -> Iterator[Path]:
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="sweetspot-fuzz-", dir=where) as folder:
        yield Path(folder)


def _check_sentence(error: SweetspotError) -> None:
    text = str(error)
    if not text.strip() or "\n" in text:
        raise AssertionError(f"not one sentence: {text!r}") from error


TARGETS = {
    "architecture": FuzzTarget(
        check=check_architecture,
        seeds=fuzz_seeds.architectures,
        modules=("pipeline.core",),
    ),
    "idx": FuzzTarget(
        check=check_idx,
        seeds=fuzz_seeds.idx_files,
        modules=("pipeline.data.idx",),
    ),
    "event_log": FuzzTarget(
        check=check_event_log,
        seeds=fuzz_seeds.event_logs,
        modules=("pipeline.core", "pipeline.tracking", "json"),
    ),
    "config_file": FuzzTarget(
        check=check_config_file,
        seeds=fuzz_seeds.config_files,
        modules=("pipeline.config", "pipeline.launching.sweep_folder", "yaml"),
    ),
    "settings": FuzzTarget(
        check=check_settings,
        seeds=fuzz_seeds.settings,
        modules=("pipeline.commands", "pipeline.config", "hydra.core", "omegaconf"),
    ),
}
