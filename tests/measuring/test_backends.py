import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError
from pipeline.measuring.automatic import by_rule, device_name, machine_key, settled_training
from pipeline.measuring.backends import backend_name, backend_version, compiles_with_xla_alone
from pipeline.measuring.machine import this_machine


@pytest.fixture
def named(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return lambda name: monkeypatch.setenv("KERAS_BACKEND", name)


def test_tensorflow_is_the_backend_where_no_other_is_named(named):
    assert (backend_name(), backend_version()) == ("tensorflow", version("tensorflow"))
    assert not compiles_with_xla_alone()
    named("")
    assert backend_name() == "tensorflow"


def test_another_backend_than_the_two_is_refused_in_a_sentence(named):
    named("torch")
    with pytest.raises(ConfigurationError, match=r"^KERAS_BACKEND must be tensorflow or jax, not"):
        backend_name()


def test_a_backend_that_is_not_installed_is_refused_in_a_sentence(named, monkeypatch):
    named("jax")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ConfigurationError, match=r"^KERAS_BACKEND is jax, which is not installed"):
        backend_version()


def test_what_was_measured_with_one_backend_is_not_taken_for_another(named, monkeypatch):
    with_tensorflow = machine_key(), device_name()
    named("jax")
    monkeypatch.setattr("pipeline.measuring.backends.version", lambda package: f"{package}-9")
    assert machine_key() != with_tensorflow[0]
    assert device_name()["jax"] == "jax-9" and "jax" not in with_tensorflow[1]


def test_jax_is_compiled_with_xla_on_a_cpu_too(named):
    machine = replace(this_machine(), gpus=())
    assert not by_rule(machine).jit_compile
    named("jax")
    assert by_rule(machine).jit_compile


def test_a_repeatable_training_is_compiled_where_that_is_repeatable(named):
    def compiled():
        training = compose(
            CommandLine(command="sweep", overrides=("data=digits", "training=reproducible"))
        ).training
        return settled_training(training, by_rule()).jit_compile

    assert compiled() == "off"
    named("jax")
    assert compiled() == "on"


@pytest.mark.parametrize("command", ["sweep", "train"])
def test_commands_refuse_another_backend_before_anything_is_written(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", command, "data=digits", f"mlruns={tmp_path / 'mlruns'}"],
        env=os.environ | {"KERAS_BACKEND": "torch"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "'torch'" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "mlruns").exists()
