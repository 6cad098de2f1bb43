"""What stands behind ``sweetspot COMMAND``: names, our flags, Hydra's flags and overrides."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core.errors import ConfigurationError, one_of

_HYDRA_SWITCHES = {"--help", "-h", "--hydra-help", "--resolve", "--version"}
_HYDRA_WITH_VALUE = {
    "--cfg", "-c", "--package", "-p", "--info", "-i", "--config-path", "-cp", "--config-name",
    "-cn", "--config-dir", "-cd",
}  # fmt: skip
_CONFIG_DIR = ("--config-dir", "-cd")
#: Commands whose bare words are files.
_TAKE_FILES = ("predict", "restore")
_SHOWS = {"--help", "-h", "--hydra-help", "--resolve", "--version", "--cfg", "-c", "--info", "-i"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandLine:
    """The words behind a command, sorted out.

    Parameters
    ----------
    command
        The command's name.
    names
        Words without ``=``: sweep names. Of ``predict`` and ``restore`` files, whose paths may
        hold one.
    flags
        Our own flags that were given, such as ``--dry-run``.
    hydra
        Hydra's own flags with their values, verbatim but for the folder of ``--config-dir``, which
        is absolute: a schedule runs elsewhere.
    overrides
        Everything else: ``group=option`` and ``setting=value``.
    multirun
        Whether ``--multirun`` was given.
    """

    command: str
    names: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    hydra: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    multirun: bool = False

    @classmethod
    def parse(
        cls,
        command: str,
        words: Sequence[str],
        *,
        flags: Sequence[str] = (),
        names: int | None = 0,
    ) -> "CommandLine":
        """Sort ``words``.

        Parameters
        ----------
        flags
            The flags of our own that this command has.
        names
            How many bare words, sweep names mostly, it takes at most; None for any number.

        Raises
        ------
        ConfigurationError
            A flag or a bare word that this command does not take.
        """
        bare: list[str] = []
        given: set[str] = set()
        hydra: list[str] = []
        overrides: list[str] = []
        rest = iter(words)
        for word in rest:
            flag, has_value, value = word.partition("=")
            if word in flags or word in ("--multirun", "-m"):
                given.add(word)
            elif flag in _CONFIG_DIR and (where := value if has_value else next(rest, "")):
                hydra.append(f"{_CONFIG_DIR[0]}={os.path.abspath(where)}")
            elif word in _HYDRA_SWITCHES or flag in _HYDRA_WITH_VALUE:
                hydra.append(word)
                if word in _HYDRA_WITH_VALUE:
                    hydra += [value for value in [next(rest, None)] if value is not None]
            elif word.startswith("-") and word != "-":
                known = [*flags, "--multirun"] if command in ("sweep", "train") else list(flags)
                raise ConfigurationError(
                    f"{word!r} is not a flag of {command}; choose "
                    f"{one_of([*known, '--help', '--cfg job', '--resolve', '--info'])}"
                )
            elif command in _TAKE_FILES and (
                word.startswith("~/") or os.path.exists(os.path.expanduser(word))
            ):  # there may be a = in a file's path, and a ~ where the shell left it
                bare.append(os.path.expanduser(word))
            elif "=" in word or word.startswith("~"):
                overrides.append(word)
            else:
                bare.append(word)
        multirun = bool(given & {"--multirun", "-m"})
        if multirun and command not in ("sweep", "train"):
            raise ConfigurationError(f"--multirun works with sweep and train, not with {command}")
        if names is not None and len(bare) > names:
            what = "archive" if command in _TAKE_FILES else "sweep name"
            takes = {0: "no names", 1: f"one {what}"}.get(names, f"{names} {what}s")
            raise ConfigurationError(
                f"{bare[names]!r} is not a setting; write GROUP=OPTION or SETTING=VALUE "
                f"({command} takes {takes})"
            )
        return cls(
            command=command,
            names=tuple(bare),
            flags=frozenset(given),
            hydra=tuple(hydra),
            overrides=tuple(overrides),
            multirun=multirun,
        )

    @property
    def asks_hydra(self) -> bool:
        """Whether Hydra itself is asked to show something instead of a run."""
        return any(word.partition("=")[0] in _SHOWS for word in self.hydra)

    @property
    def help(self) -> bool:
        """Whether help is asked for."""
        return bool({"--help", "-h"} & set(self.hydra))

    @property
    def config_dirs(self) -> tuple[Path, ...]:
        """The folders of ``--config-dir``, of which Hydra takes the last."""
        start = f"{_CONFIG_DIR[0]}="
        given = [word.removeprefix(start) for word in self.hydra if word.startswith(start)]
        return tuple(map(Path, given[-1:]))

    @property
    def said(self) -> tuple[str, ...]:
        """The groups and settings that the overrides are about, in their order."""
        return tuple(word.lstrip("+~").partition("=")[0] for word in self.overrides)

    def taking(self, name: str) -> tuple[str | None, "CommandLine"]:
        """Take out a setting that is the command's own, and no part of ``conf/``.

        Returns
        -------
        tuple
            What is said behind ``name=``, the last time that it is; None where it is not. And the
            line without it.
        """
        start = f"{name}="
        given = [word.removeprefix(start) for word in self.overrides if word.startswith(start)]
        rest = tuple(word for word in self.overrides if not word.startswith(start))
        return given[-1] if given else None, replace(self, overrides=rest)
