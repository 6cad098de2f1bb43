import subprocess
import sys

import pytest

from pipeline.commands.characters import asks_for_ascii, respect_locale
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


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", b"\xff \xc3\xa4"), ("latin-1", b"\\udcff \xe4"), ("ascii", b"\\udcff \\xe4")],
)
def test_a_name_that_the_output_cannot_show_is_no_failure(encoding, shown, monkeypatch, tmp_path):
    with (tmp_path / "output").open("w", encoding=encoding) as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
        respect_locale()
        print("\udcff ä")
    assert (tmp_path / "output").read_bytes().strip() == shown


def test_what_somebody_wants_done_with_such_names_is_done(monkeypatch, tmp_path):
    with (tmp_path / "output").open("w", encoding="ascii", errors="replace") as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setenv("PYTHONIOENCODING", "ascii:replace")
        respect_locale()
        print("\udcff ä")
    assert (tmp_path / "output").read_bytes() == b"? ?\n"
