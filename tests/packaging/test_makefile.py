"""What the Makefile's variables become on the command line, and which Python it takes.

GNU make runs the project's own Makefile in a folder in which nothing needs to be installed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ["sweep", "train", "status", "report", "ui", "dashboard", "clean"]
TARGETS = ["audit", "bench", "check", "docs", "help", "lock", "soak", "test", *COMMANDS]
MAKE = shutil.which("make") or "make"
TELL = f"""#!{sys.executable}
import json, sys
print(json.dumps(sys.argv))
"""


@pytest.fixture
def folder(tmp_path, project_root):
    """The Makefile beside an installation that only tells how it is called."""
    (tmp_path / "requirements").mkdir()
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    shutil.copy(project_root / "Makefile", tmp_path)
    (tmp_path / "requirements" / "install.py").write_text("", encoding="utf-8")
    (bin_folder / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / "installed.json").touch()
    script(bin_folder / "sweetspot", TELL)
    return tmp_path


def script(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def make(folder, *arguments, path=None, **environment):
    keep = {"PATH": os.environ["PATH"] if path is None else path, "HOME": str(folder)}
    return subprocess.run(
        [MAKE, *arguments],
        cwd=folder,
        env=keep | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def received(folder, *arguments, **environment):
    done = make(folder, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[1:]


def test_the_variables_become_settings(folder):
    assert received(folder, "sweep", "DATA=mnist", "TRIALS=12", "SWEEP=first") == [
        "sweep",
        "data=mnist",
        "search.trials=12",
        "sweep_name=first",
    ]


def test_the_environments_variables_are_somebody_elses(folder):
    script(
        folder / ".venv" / "bin" / "sweetspot",
        f"#!{sys.executable}\nimport json, os, sys\n"
        "print(json.dumps([*sys.argv, os.environ.get('PYTHONPATH', 'none')]))\n",
    )
    environment = dict(DATA="/scratch/me", TRIALS="9", SWEEP="x", ARGS="-v", PYTHONPATH="/site")
    assert received(folder, "sweep", **environment) == ["sweep", "none"]
    assert received(folder, "sweep", "DATA=mnist", **environment) == ["sweep", "data=mnist", "none"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_target_without_variables_is_the_bare_command(folder, command):
    assert received(folder, command) == [command]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--dry-run", ["--dry-run"]),
        (
            "space.filters.choices=[16,32] search.trials=4",
            ["space.filters.choices=[16,32]", "search.trials=4"],
        ),
        ("--multirun search.seed=range(1,3)", ["--multirun", "search.seed=range(1,3)"]),
        ("'data.dir=/my pictures' \"a=b c\"", ["data.dir=/my pictures", "a=b c"]),
        ("data.dir=${oc.env:HOME}/x", ["data.dir=${oc.env:HOME}/x"]),
        ("a=$(touch,made) b=`touch made`", ["a=$(touch,made)", "b=`touch", "made`"]),
        ("a=*;touch made&", ["a=*;touch", "made&"]),
        ("+x={a:1,b:2} ~y", ["+x={a:1,b:2}", "~y"]),
    ],
)
def test_arguments_arrive_as_they_are_written(folder, given, words):
    assert received(folder, "sweep", f"ARGS={given}") == ["sweep", *words]
    assert not (folder / "made").exists()


@pytest.mark.parametrize("value", ["a b", "it's", 'say "x"', "$HOME", "$(HOME)", "*"])
def test_a_value_stays_one_word(folder, value):
    assert received(folder, "status", f"SWEEP={value}") == ["status", f"sweep_name={value}"]


def test_a_lonely_quotation_mark_is_said(folder):
    done = make(folder, "sweep", "ARGS=a='b")
    assert done.returncode != 0
    assert "ARGS=a='b has a quotation mark without its partner." in done.stderr
    assert not done.stdout


def test_a_failing_command_fails(folder):
    script(folder / ".venv" / "bin" / "sweetspot", "#!/bin/sh\nexit 3\n")
    done = make(folder, "sweep")
    assert done.returncode == 2  # make's own status for every failure
    assert "Error 3" in done.stderr


def test_every_target_is_listed_by_help_and_by_phony(folder, project_root):
    text = (project_root / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)
    listed = re.findall(r"^  make (\S+)", make(folder, "help").stdout, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(TARGETS) == sorted(listed)
    assert make(folder).stdout == make(folder, "help").stdout


def pythons(folder, **programs):
    """Make a PATH of these programs only, and what the Makefile itself calls."""
    path = folder / "path"
    path.mkdir()
    (path / "sh").symlink_to("/bin/sh")
    for name, text in programs.items():
        script(path / name.replace("_", "."), text)
    return path


def with_broken_venv(folder):
    (folder / ".venv" / "installed.json").unlink()
    (folder / ".venv" / "bin" / "python").unlink()
    tell = "import sys; print(*sys.argv[1:], file=open('called', 'a'))\n"
    (folder / "requirements" / "install.py").write_text(tell, encoding="utf-8")
    return folder


def test_the_finished_installation_is_asked_first_and_an_unfinished_one_never(folder):
    ours = with_broken_venv(folder) / ".venv" / "bin" / "python"
    script(ours, runs("ours"))
    path = pythons(folder, python3_12=runs("found"))
    tried = folder / "tried"
    make(folder, "sweep", path=str(path))
    assert tried.read_text(encoding="utf-8").startswith("found\n")
    tried.unlink()
    (folder / ".venv" / "installed.json").touch()
    make(folder, "sweep", path=str(path))
    assert tried.read_text(encoding="utf-8").startswith("ours\n")


def runs(python):
    return f'#!/bin/sh\necho {python} >> tried\nexec "{sys.executable}" "$@"\n'


FAILS = "#!/bin/sh\necho no such version >&2\nexit 127\n"
OLD = "#!/bin/sh\nexit 1\n"  # the question for the version is answered by no


def test_the_first_python_that_really_runs_is_taken(folder):
    path = pythons(
        with_broken_venv(folder), python3_13=FAILS, python3_12=OLD, python3_11=runs("this one")
    )
    make(folder, "sweep", path=str(path))
    assert (folder / "called").read_text(encoding="utf-8") == "\n"
    assert set((folder / "tried").read_text(encoding="utf-8").splitlines()) == {"this one"}


def test_a_named_python_is_the_only_one_tried(folder):
    path = pythons(with_broken_venv(folder), python3_11=runs("found"))
    named = folder / "my python"
    script(named, runs("named"))
    make(folder, "sweep", f"PYTHON={named}", path=str(path))
    assert set((folder / "tried").read_text(encoding="utf-8").splitlines()) == {"named"}


@pytest.mark.parametrize("named", ["", "/no/such/python"])
def test_no_python_is_one_sentence(folder, named):
    path = pythons(with_broken_venv(folder), python3=FAILS)
    done = make(folder, "sweep", f"PYTHON={named}", path=str(path))
    assert done.returncode != 0
    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith("Found no Python 3.11 to 3.13 that runs")
    assert (named or "python3.13 python3.12 python3.11 python3 python") in sentence
    assert all(line.startswith("make: ") for line in rest)
    assert not (folder / "called").exists()


def test_tests_and_checks_ask_for_what_they_need(folder):
    asked = Path(with_broken_venv(folder)) / "called"
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (folder / ".venv" / "installed.json").touch()
    for target in ("test", "soak", "check", "lock", "docs"):
        asked.unlink(missing_ok=True)
        make(folder, target, path="/usr/bin:/bin")
        assert asked.read_text(encoding="utf-8") == "dev\n", target
