"""What runs a sweep regularly: a crontab's line or a scrontab's entry, as text.

An entry stands between two marks that name the sweep, so that a second installation replaces
the first and touches nothing else.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import SlurmLaunch
from pipeline.core.errors import ConfigurationError, SweetspotError
from pipeline.launching.slurm import missing_program

#: Debian's cron reads no longer command; see MAX_COMMAND in its source.
_LONGEST_COMMAND = 998
_SECONDS = 30.0
#: The job that submits the array needs so many minutes.
_SUBMITTING_MINUTES = 15


class ScheduleError(SweetspotError):
    """The scheduler does not take what it was given."""


@dataclass(frozen=True, kw_only=True)
class ScheduledSweep:
    """A sweep that is to run regularly.

    Parameters
    ----------
    sweep
        Its name, which stands in the marks.
    when
        Five fields of cron.
    words
        What behind ``sweetspot sweep --scheduled`` says which sweep it is.
    python
        The interpreter with everything installed, absolute.
    environment
        Variables that the run needs and that are no secrets.
    """

    sweep: str
    when: str
    words: tuple[str, ...]
    project: Path
    python: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> str:
        """Return the line of a shell.

        Raises
        ------
        ConfigurationError
            It cannot be one line.
        """
        words = [str(self.python), "-m", "pipeline", "sweep", "--scheduled", *self.words]
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        line = " ".join([f"cd {shlex.quote(str(self.project))} &&", *variables, shlex.join(words)])
        if not line.isprintable():
            raise ConfigurationError(
                "a schedule is one line: leave out settings with line breaks or other control "
                "characters, or put them into a file of conf/experiment/"
            )
        return line


def crontab_entry(sweep: ScheduledSweep) -> str:
    """Return the lines for a crontab.

    Raises
    ------
    ConfigurationError
        The command is longer than cron reads.
    """
    # cron takes a percent sign for the end of the line, unless a backslash stands before it.
    command = sweep.command().replace("%", r"\%")
    if len(command) > _LONGEST_COMMAND:
        raise ConfigurationError(
            f"the command has {len(command)} characters, and cron reads {_LONGEST_COMMAND}; put "
            "the settings into a file of conf/experiment/ and name that"
        )
    return _marked(sweep.sweep, [f"{sweep.when} {command}"])


def scrontab_entry(sweep: ScheduledSweep, launch: SlurmLaunch, log: Path) -> str:
    """Return the lines for Slurm's scrontab: a small job that submits the sweep's array.

    Parameters
    ----------
    log
        Where the job's output goes.

    Raises
    ------
    ConfigurationError
        A path that cannot be written into it.
    """
    text = str(log)
    if not text.isprintable() or any(character in text for character in "\"'\\ "):
        raise ConfigurationError(f"schedule=slurm cannot write its log to {text!r}")
    where = {"partition": launch.partition, "account": launch.account, "qos": launch.qos}
    options = [
        f"--job-name=sweetspot-schedule-{sweep.sweep}",
        f"--time={_SUBMITTING_MINUTES}",
        "--open-mode=append",
        f"--output={text.replace('%', '%%')}",
        *(f"--{name}={value}" for name, value in where.items() if value is not None),
    ]
    lines = [*(f"#SCRON {option}" for option in options), f"{sweep.when} {sweep.command()}"]
    return _marked(sweep.sweep, lines)


def _marks(sweep: str) -> tuple[str, str]:
    return f"# sweetspot {sweep}: begin", f"# sweetspot {sweep}: end"


def _marked(sweep: str, lines: Sequence[str]) -> str:
    first, last = _marks(sweep)
    return "\n".join([first, *lines, last]) + "\n"


def with_entry(table: str, sweep: str, entry: str) -> str:
    """Return a crontab with the entry in it, in place of the sweep's earlier one."""
    first, last = _marks(sweep)
    earlier = re.compile(rf"^{re.escape(first)}$.*?^{re.escape(last)}$\n?", re.M | re.S)
    rest = earlier.sub("", table)
    if rest and not rest.endswith("\n"):
        rest += "\n"
    return rest + entry


def install(program: str, sweep: str, entry: str) -> bool:
    """Put the entry into this user's table; return False where it was there already.

    Parameters
    ----------
    program
        ``crontab`` or ``scrontab``.

    Raises
    ------
    ScheduleError
        The table cannot be read or is not accepted.
    """
    if (missing := missing_program(program)) is not None:
        raise ConfigurationError(f"--install needs {missing}; without it the entry is printed")
    listed = _run([program, "-l"])
    nothing_yet = b"no crontab" in listed.stderr.lower()
    if listed.returncode and not nothing_yet:
        raise ScheduleError(f"{program} -l failed: {_one_line(listed.stderr)}")
    # What is not UTF-8, such as an old comment, stays as it is; so do the ends of lines.
    before = "" if listed.returncode else listed.stdout.decode("utf-8", "surrogateescape")
    after = with_entry(before, sweep, entry)
    if after == before:
        return False
    written = _run([program, "-"], after.encode("utf-8", "surrogateescape"))
    if written.returncode:
        raise ScheduleError(f"{program} refused the entry: {_one_line(written.stderr)}")
    return True


def _run(words: Sequence[str], table: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            words, input=table, capture_output=True, timeout=_SECONDS, check=False,
            env=os.environ | {"LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ScheduleError(f"{words[0]} did not answer within {_SECONDS:.0f} s") from error


def _one_line(printed: bytes) -> str:
    return " ".join(printed.decode("utf-8", "replace").split()) or "it gave no reason"
