"""What a champion's server is started with."""

import os

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError
from pipeline.measuring.backends import ENVIRONMENT, VARIABLE
from pipeline.tracking.registry import Registry
from pipeline.tracking.serving import serve_environment


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
