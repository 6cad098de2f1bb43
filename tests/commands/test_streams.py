import subprocess
import sys

import pytest

from pipeline.config import PROJECT_ROOT

COMMAND = f"{sys.executable} -m pipeline"
#: Its file descriptors, when it does what a command does first.
LOOK = """
import os, sys
from pipeline.commands.streams import open_closed_streams
open_closed_streams()
print("said")
sys.stderr.write("told\\n")
read = sys.stdin.read()
number = os.open(os.devnull, os.O_RDONLY)
os.write(int(os.environ["SAY"]), f"{number > 2} {read!r}".encode())
"""


def shell(line):
    return subprocess.run(
        ["bash", "-c", line], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("words", ["--help", "sweep --cfg job", "clean mlruns=/nonexistent"])
def test_an_output_that_is_full_is_one_sentence(words):
    done = shell(f"{COMMAND} {words} > /dev/full")
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line and ": search the" not in line]
    assert said == ["sweetspot: the output cannot be written: No space left on device"]


@pytest.mark.parametrize("words", ["--help", "clean mlruns=/nonexistent"])
def test_a_reader_that_has_left_is_told_nothing(words):
    done = shell(f"{COMMAND} {words} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_open_to_nothing(closed, tmp_path):
    script, result = tmp_path / "look.py", tmp_path / "result"
    script.write_text(LOOK)
    done = shell(
        f"export PYTHONPATH={PROJECT_ROOT} SAY=9; "
        f"{sys.executable} {script} 9> {result} < /dev/null {closed}"
    )
    assert (done.returncode, result.read_text()) == (0, "True ''")
