"""``sweetspot COMMAND [settings]``: finds the command and turns errors into one sentence."""

import importlib
import signal
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress

from pipeline import __version__
from pipeline.commands.arguments import CommandLine
from pipeline.commands.characters import respect_locale
from pipeline.commands.streams import discard_output, is_of_the_output, open_closed_streams
from pipeline.core.errors import ConfigurationError, SweetspotError, one_of

#: What each command does, in the order in which people meet them.
COMMANDS = {
    "sweep": "search the space of networks for the sweet spot of accuracy and cost (--dry-run: "
    "only say what would happen; --scheduled: for cron; --multirun: one sweep after the other)",
    "train": "train and measure one network by hand: architecture=64k3-d128 (--multirun: several)",
    "status": "show what a sweep is doing, or did (--watch: until it ends; --json: for programs)",
    "report": "write a sweep's page (report.html), tables and figures anew",
    "compare": "show 2 to 8 sweeps of the same images side by side (--force: of any device)",
    "filters": "lay a classic filter, or your own, over a picture: see what a convolution does",
    "maps": "show what a network sees: its filters and feature maps (maps.run=, maps.images=)",
    "ui": "serve the MLflow UI on 127.0.0.1 (port=, host=)",
    "dashboard": "serve optuna-dashboard on 127.0.0.1, with every study in it (port=, host=)",
    "predict": "classify pictures (files, folders, .npz, - for stdin) with the champion (model=: "
    "with another network; --json, --csv: for programs; --invert: for dark on light)",
    "promote": "make a sweep's sweet spot the champion, if it is better (--force: even if not)",
    "rollback": "bring the previous champion back",
    "serve": "answer requests with the champion on 127.0.0.1, through mlflow models serve (port=, "
    "host=, data=)",
    "export": "write a network as ONNX, ONNX int8 and SavedModel, checked and timed (trial=)",
    "sync": "bring MLflow up to date with a sweep's event logs",
    "schedule": "print what runs a sweep regularly: crontab, scrontab, Kubernetes (--install)",
    "clean": "list the sweeps and their sizes; free=NAME, remove=NAME or rename=OLD:NEW",
    "bundle": "write a sweep to one archive, for another machine (file=)",
    "restore": "rebuild the sweep of such an archive here: folder, Optuna study and MLflow",
    "worker": "train trials of a sweep that is set up (sweep starts these itself)",
}
#: Of the text of ``--help``.
_COLUMNS = 80


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 asked wrongly."""
    if argv is None:
        open_closed_streams()
        respect_locale()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _told(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output has left (``| head``); there is nobody to tell.
        discard_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        if not is_of_the_output(error):
            raise
        discard_output()
        with suppress(OSError):
            print(f"sweetspot: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 2


def _told(arguments: list[str]) -> int:
    """Run one command; of an error of the user's, say the sentence and return the status."""
    try:
        return _dispatch(arguments)
    except SweetspotError as error:
        print(f"sweetspot: {error}", file=sys.stderr)
        return error.status


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"sweetspot {__version__}")
        return 0
    if arguments[0] in ("-sc", "--shell-completion"):
        from pipeline.commands.completion import complete

        return complete(arguments, tuple(COMMANDS))
    name, *rest = arguments
    if name not in COMMANDS:
        raise ConfigurationError(f"{name!r} is not a command; choose {one_of(COMMANDS)}")
    module = importlib.import_module(f"pipeline.commands.{name}")
    line = CommandLine.parse(name, rest, flags=module.FLAGS, names=module.NAMES)
    if line.asks_hydra:
        from pipeline.commands.compose import show

        return show(line, f"sweetspot {name}: {COMMANDS[name]}")
    status: int = module.run(line)
    return status


def overview() -> str:
    """Return the text of ``sweetspot --help``."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(
        textwrap.fill(
            what,
            _COLUMNS,
            initial_indent=f"  {name:<{width}}  ",
            subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
        )
        for name, what in COMMANDS.items()
    )
    return (
        "Is there a convolutional network that is both faster and more accurate?\n\n"
        "usage: sweetspot COMMAND [GROUP=OPTION] [SETTING=VALUE] ...\n\n"
        f"{commands}\n\n"
        "sweetspot COMMAND --help lists every group and setting; --cfg job prints what\n"
        'would be used. Tab completion: eval "$(sweetspot -sc install=bash)"'
    )
