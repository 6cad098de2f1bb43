import shlex
import sys
from pathlib import Path

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import PROJECT_ROOT, command, command_at, program


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """Return the folder of an environment's programs, which no shell looks into."""
    folder = tmp_path / "my project" / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "sweetspot").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    return folder


def test_in_the_project_it_is_the_path_that_the_documentation_shows(bin_folder, monkeypatch):
    monkeypatch.chdir(bin_folder.parents[1])
    assert program() == ".venv/bin/sweetspot"


def test_elsewhere_it_is_a_path_that_a_shell_takes_as_one_word(bin_folder, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert program() == f"'{bin_folder}/sweetspot'"
    elsewhere.rmdir()
    assert program() == f"'{bin_folder}/sweetspot'"


def test_where_the_shell_finds_it_the_name_is_enough(bin_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(bin_folder))
    assert program() == "sweetspot"
    other = tmp_path / "other"
    other.mkdir()
    (other / "sweetspot").touch(mode=0o755)  # of another checkout
    monkeypatch.setenv("PATH", f"{other}:{bin_folder}")
    monkeypatch.chdir(bin_folder.parents[1])
    assert program() == ".venv/bin/sweetspot"


def test_without_a_program_python_runs_the_module(bin_folder):
    (bin_folder / "sweetspot").unlink()
    assert program() == f"'{bin_folder}/python' -m pipeline"


def test_a_command_names_what_is_not_as_always(bin_folder):
    (bin_folder / "sweetspot").unlink()
    config = compose(CommandLine(command="sync"))
    start = f"'{bin_folder}/python' -m pipeline sync lesson"
    assert command(config, "sync", "lesson") == start
    moved = ("mlruns=/my runs", "tracking.uri=http://mlflow:5000")
    config = compose(CommandLine(command="sync", overrides=moved))
    assert command(config, "sync", "lesson") == f"{start} 'mlruns=/my runs' {moved[1]}"


@pytest.mark.parametrize("path", ["/a,b", "/jürgens (alte) läufe", "/it's", "/a#b\\"])
def test_a_command_is_read_as_it_was_meant(path):
    words = ("mlruns=/runs", "tracking.uri=http://mlflow:5000")
    config = compose(CommandLine(command="sync", overrides=words))
    config = config.model_copy(update={"mlruns": Path(path)})
    overrides = shlex.split(command(config, "sync").partition(" sync ")[2])
    assert len(overrides) == 2
    assert compose(CommandLine(command="sync", overrides=tuple(overrides))).mlruns == Path(path)


def test_a_command_at_a_folder_names_it_where_it_is_not_the_projects(bin_folder, monkeypatch):
    monkeypatch.chdir(bin_folder.parents[1])
    assert command_at(PROJECT_ROOT / "mlruns", "clean") == ".venv/bin/sweetspot clean"
    known = command_at(Path("/my runs"), "report", "lesson")
    assert known == ".venv/bin/sweetspot report lesson 'mlruns=/my runs'"
