"""The reference of the commands, written from the Makefile and from the commands themselves.

MkDocs runs this as a hook. A target or a command that is added appears here by itself.
"""

import importlib
import inspect
import re
from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from pipeline.commands.arguments import CommandLine
from pipeline.commands.cli import COMMANDS
from pipeline.config import PROJECT_ROOT
from pipeline.core.errors import ConfigurationError

PAGE = "reference/commands.md"
_HEAD = """\
# Commands

`make TARGET` first sets up what it needs, then runs a command. The commands themselves are
`.venv/bin/sweetspot COMMAND`, or `python -m pipeline COMMAND` in that environment.
"""
_VARIABLES = """\
The variables become settings: `DATA=mnist` is `data=mnist`, `TRIALS=20` is `search.trials=20`,
`SWEEP=name` is `sweep_name=name`, and `ARGS="…"` is any words behind the command. They count behind
`make`: variables of the environment with these names are not read. `PYTHON=…` names the Python to
set up with. A target that fails ends with `make`'s own status 2 and says which status
the command had.
"""
_EVERY_COMMAND = """\
Behind every command stand settings, `GROUP=OPTION` and `SETTING=VALUE`, as in the
[reference of the configuration](configuration.md), and Hydra's own flags: `--help` lists what can
be chosen, `--cfg job` prints what would be used, `--resolve` and `--info` show more of it. Tab
completion in bash: `eval "$(.venv/bin/sweetspot -sc install=bash)"`.

A command ends with status 0 when what was asked is done, 1 when it failed, 2 when it was asked
wrongly or what it needs (the images, the place for results) cannot be used, 75 when somebody else
runs the sweep and it was not to wait (`--scheduled`) or when a worker or a peer was told to leave
before the end, and else 128 plus the signal's number when it was told to stop (130 after Ctrl-C).
"""
#: What stands behind a command that is no sweep's name.
_WORDS = {"predict": ["PICTURE …"], "restore": ["FILE"]}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join(
        [_HEAD, *_targets(), _VARIABLES, "## sweetspot\n", _EVERY_COMMAND, *_commands()]
    )


def _targets() -> Iterator[str]:
    text = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    yield "## make\n"
    yield "| target | what it does |\n| --- | --- |"
    for target, what in re.findall(r"^([a-z]+):.*## (.*)$", text, flags=re.MULTILINE):
        yield f"| `make {target}` | {what} |"
    yield ""


def _commands() -> Iterator[str]:
    yield "| command | what it does |\n| --- | --- |"
    yield from (f"| [`{name}`](#{name}) | {what} |" for name, what in COMMANDS.items())
    yield ""
    for name in COMMANDS:
        module = importlib.import_module(f"pipeline.commands.{name}")
        words = [
            "sweetspot",
            name,
            *_names(name, module.NAMES),
            *(f"[{flag}]" for flag in module.FLAGS),
        ]
        if _takes(name, "--multirun"):
            words.append("[--multirun]")
        yield f"### `{name}`\n"
        yield f"```text\n{' '.join(words)} [SETTINGS]\n```\n"
        yield f"{_about(module)}\n"


def _names(command: str, most: int) -> list[str]:
    if command in _WORDS:
        return _WORDS[command]
    return ["[SWEEP]"] if most == 1 else ["SWEEP SWEEP …"] if most else []


def _takes(command: str, flag: str) -> bool:
    try:
        return CommandLine.parse(command, [flag]).multirun
    except ConfigurationError:
        return False


def _about(module: object) -> str:
    """Return a command's documentation, what it says of the module's purpose last."""
    run = inspect.getdoc(module.run) or ""  # type: ignore[attr-defined]
    _, _, more = (inspect.getdoc(module) or "").partition("\n\n")
    return "\n\n".join(filter(None, (run, more))).replace("``", "`")
