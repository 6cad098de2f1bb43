"""Every command that README.md and docs/ show, given as a reader gives it, on little data.

Bash runs each line in a folder with the project's own Makefile, where ``.venv/bin/sweetspot``
only keeps how it is called. Then that call is made here: what reads runs as it is, a sweep with
``--dry-run``, and where a command would train, serve or change something its configuration is
composed and checked, which is what it does first. ``/path/to`` stands for the test's own folder.
"""

import gzip
import importlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.commands import cli
from pipeline.commands.addresses import split_address
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose_each
from pipeline.core.errors import SweetspotError
from pipeline.data.idx import FILE_NAMES
from pipeline.launching import training_rate

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
READING = ("status", "report", "compare", "clean")
SERVING = ("ui", "dashboard")
#: What a command takes that looks like a setting and is none.
OWN_WORDS = {"export": "trial=", "predict": "model="}
FAMILIAR = ("make", ".venv/bin/sweetspot", "cd")
KEEP = f"""#!{sys.executable} -S
import json, sys
print(json.dumps(sys.argv[1:]), file=open("calls", "a"))
"""


def shown(text):
    """Yield the commands of a page.

    They stand behind ``$`` in console blocks, in crontabs, and as code in a sentence or table.
    A form to fill in, such as ``make TARGET``, is none.
    """
    blocks = re.findall(r"^ *```(console|cron)\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)
    for language, block in blocks:
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        for line in lines:
            if language == "console" and line.lstrip().startswith("$ "):
                yield line.lstrip().removeprefix("$ ").partition("  #")[0].strip()
            elif language == "cron" and re.match(r"[\d*]", line):
                yield line.split(maxsplit=5)[5]
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for command in re.findall(r"`((?:make|\.venv/bin/sweetspot) [^`]+)`", prose):
        if not re.search(r"…|\b(TARGET|COMMAND|NAME)\b", command):
            yield command


COMMANDS = {
    command: page.relative_to(ROOT).as_posix()
    for page in reversed(PAGES)
    for command in shown(page.read_text(encoding="utf-8"))
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, simulate_sweep):
    """A reader's folder: a checkout whose program keeps its calls, sweeps, and data sets."""
    home = tmp_path_factory.mktemp("home")
    checkout = home / "sweetspot"
    bin_folder = checkout / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (checkout / "requirements").mkdir()
    (checkout / "requirements" / "install.py").touch()
    (checkout / ".venv" / "installed.json").touch()
    shutil.copy(ROOT / "Makefile", checkout)
    # Make asks it whether all is installed: what that costs is not asked here.
    (bin_folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    (bin_folder / "python").chmod(0o755)
    (bin_folder / "sweetspot").write_text(KEEP)
    (bin_folder / "sweetspot").chmod(0o755)
    for name in ("lesson", "narrow"):
        simulate_sweep(home / "mlruns", name)
    for name in ("fashion_mnist", "mnist"):
        write_idx(home / "data" / name)
    write_idx(home / "idx")
    write_npz(home / "images.npz")
    write_pictures(home / "pictures")
    return home


def some_images(n, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 28, 28), np.uint8)
    return pixels, (np.arange(n) % 10).astype(np.uint8)


def write_idx(folder):
    folder.mkdir(parents=True)
    arrays = {"train": some_images(300), "t10k": some_images(50, seed=1)}
    for (part, content), name in FILE_NAMES.items():
        values = arrays[part][("images", "labels").index(content)]
        head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        (folder / f"{name}.gz").write_bytes(gzip.compress(head + values.tobytes()))


def write_npz(path):
    (x, y), (x_test, y_test) = some_images(300), some_images(50, seed=1)
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)


def write_pictures(folder):
    pixels, labels = some_images(300)
    for index, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / f"class-{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"class-{label}" / f"{index}.png")


@pytest.fixture(autouse=True, scope="module")
def rate():
    """Measure this machine once for all the estimates, as nothing here depends on its load."""
    known = cache(training_rate.matrix_product_rate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_rate, "matrix_product_rate", known)
        yield


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{COMMANDS[command]}: {command}")
def test_a_command_that_is_shown_works(home, command, monkeypatch):
    monkeypatch.setenv("SWEETSPOT_DATA_DIR", str(home / "data"))
    try_out(home, command)


def try_out(home, command):
    command = command.replace("/path/to", str(home))
    assert command.split()[0] in FAMILIAR, "the test does not know how to run this safely"
    for name, *words in calls_of(home / "sweetspot", command):
        assert run_or_compose(home, name, words) == 0


def calls_of(checkout, command):
    """Run a line of bash; return how it calls our program."""
    target = re.search(r"\bmake (?!help\b)([a-z]+)", command)
    if target and target[1] not in cli.COMMANDS:  # installs, tests, checks: see that make knows it
        command = command.replace("make ", "make --dry-run ")
    (checkout / "calls").unlink(missing_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout.parent)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=checkout, env=environment, capture_output=True, text=True,
        timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if not (checkout / "calls").exists():
        assert target is None or target[1] not in cli.COMMANDS
        return []
    return [json.loads(line) for line in (checkout / "calls").read_text().splitlines()]


def run_or_compose(home, name, words):
    if name == "--help":
        return cli.main([name])
    if name in READING:
        return cli.main([name, *words, f"mlruns={home / 'mlruns'}"])
    if name == "sweep":
        words = [word for word in words if word != "--scheduled"]  # which excludes the following
        flag = [] if "--dry-run" in words else ["--dry-run"]
        # Nothing is created either way; what is to be new must not meet what is there.
        known = any(word.startswith("warm_start=") for word in words)
        return cli.main([name, *words, *flag, f"mlruns={home / ('mlruns' if known else 'new')}"])
    module = importlib.import_module(f"pipeline.commands.{name}")
    words = [word for word in words if not word.startswith(OWN_WORDS.get(name, "="))]
    line = CommandLine.parse(name, words, flags=module.FLAGS, names=module.NAMES)
    if name in SERVING:
        _, line = split_address(line, 5000)
    return 0 if compose_each(line) else 1


def test_blocks_are_read_as_a_reader_reads_them():
    text = """
```console
$ make sweep DATA=mnist   # a remark
some output
$ make train \\
    ARGS="architecture=d128"
```
```cron
# every night
30 2 * * * cd /path/to/sweetspot && make sweep
```
```text
$ not a command
```
Then `make status` shows it, and `make TARGET` anything; `mlruns/` keeps it.
"""
    assert list(shown(text)) == [
        "make sweep DATA=mnist",
        'make train ARGS="architecture=d128"',
        "cd /path/to/sweetspot && make sweep",
        "make status",
    ]


@pytest.mark.parametrize(
    "command",
    ["make sweep ARGS=space=lessons", "make nothing", ".venv/bin/sweetspot train data.dirr=x",
     ".venv/bin/sweetspot ui --hurry", "make report SWEEP=unknown"],
)  # fmt: skip
def test_a_command_that_no_longer_works_is_noticed(home, command):
    with pytest.raises((AssertionError, SweetspotError)):
        try_out(home, command)
