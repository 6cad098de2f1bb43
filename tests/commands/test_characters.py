import subprocess
import sys

import pytest

from pipeline.commands.characters import asks_for_ascii
from pipeline.config import PROJECT_ROOT


@pytest.mark.parametrize(
    ("environment", "ascii_only"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # Python's own addition
        ({"LC_ALL": "POSIX", "LANG": "en_GB.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8"}, False),
        ({"LANG": "C", "PYTHONIOENCODING": "utf-8"}, False),
    ],
    ids=str,
)
def test_ascii_only_where_the_locale_says_so(environment, ascii_only):
    assert asks_for_ascii(environment) is ascii_only


@pytest.mark.parametrize(("locale", "shown"), [("C", b"?"), ("C.UTF-8", "ä".encode())])
def test_a_command_writes_what_the_terminal_can_show(locale, shown):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "ä"], cwd=PROJECT_ROOT, capture_output=True, check=False,
        env={"LANG": locale, "LC_ALL": locale, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 2
    assert b"'" + shown in done.stderr
