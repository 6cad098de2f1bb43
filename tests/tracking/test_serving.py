"""What a champion's server is started with, and the folders that it is served from."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError, StorageError
from pipeline.measuring.backends import ENVIRONMENT, VARIABLE
from pipeline.tracking import keras_model
from pipeline.tracking.champions import Version
from pipeline.tracking.registry import Registry
from pipeline.tracking.serving import checked_champion, serve_environment

#: A server that becomes another program, which is told to end.
BECOME = """
import os, sys
from pathlib import Path
from pipeline.tracking.serving import _own_folder
print(_own_folder(Path(sys.argv[1]), "digits-1-"), flush=True)
os.execv(sys.executable, [sys.executable, "-c", "input()"])
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Return a function that gives the server's environment beside that of a user."""
    words = ("data=digits", f"mlruns={tmp_path}")
    registry = Registry(
        config=compose(CommandLine(command="serve", overrides=words)), data="digits"
    )
    for name in (VARIABLE, *ENVIRONMENT):
        monkeypatch.delenv(name, raising=False)

    def given(**own):
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        return serve_environment(registry)

    return given


def test_keras_backend_starts_as_with_the_other_commands(environment):
    found = environment()
    assert found["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"  # or it takes the whole GPU
    assert found.items() >= {**ENVIRONMENT, VARIABLE: "tensorflow"}.items()
    assert found.keys() >= os.environ.keys()


def test_what_a_user_has_set_stays(environment):
    own = {"TF_FORCE_GPU_ALLOW_GROWTH": "false", "TF_ENABLE_ONEDNN_OPTS": "0", VARIABLE: "jax"}
    assert environment(**own).items() >= own.items()


def test_a_backend_that_is_none_of_ours_is_refused(environment):
    with pytest.raises(ConfigurationError, match="KERAS_BACKEND must be tensorflow or jax"):
        environment(KERAS_BACKEND="torch")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A registry whose champion is a file."""

    def download(version: Version, folder: Path) -> Path:
        (folder / "model").write_text("a network")
        return folder

    monkeypatch.setattr(keras_model, "read_model_folder", lambda folder: None)
    return SimpleNamespace(
        config=SimpleNamespace(mlruns=tmp_path),
        data="digits",
        version=lambda alias: Version(number="1", tags={}),
        download=download,
    )


def test_a_second_server_of_the_same_version_leaves_the_first_ones_folder(registry: Any) -> None:
    first, second = checked_champion(registry), checked_champion(registry)
    assert first != second
    assert (first / "model").is_file() and (second / "model").is_file()


def test_what_a_server_has_left_is_removed_once_it_has_ended(registry: Any, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    command = [sys.executable, "-c", BECOME, str(served)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        folder = Path(server.stdout.readline().strip())
        checked_champion(registry)
        assert folder.is_dir()
        server.communicate("\n")
    own = checked_champion(registry)
    assert not folder.exists() and own.is_dir()


def test_a_folder_that_cannot_be_written_is_a_sentence(registry: Any, tmp_path: Path) -> None:
    (tmp_path / "served").touch()
    with pytest.raises(StorageError, match=r"served cannot be written: File exists$"):
        checked_champion(registry)
