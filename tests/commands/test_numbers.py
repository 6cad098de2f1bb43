"""Numbers of ports, trials and classes that are none, on their way into a command."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.commands.addresses import split_address
from pipeline.commands.arguments import CommandLine
from pipeline.commands.export import _split_trial
from pipeline.core.errors import ConfigurationError
from pipeline.launching import looking
from pipeline.launching.prediction import _network

NONE = pytest.mark.parametrize("text", ["²", "9" * 5000], ids=["raised", "long"])


@NONE
def test_of_a_port(text):
    with pytest.raises(ConfigurationError, match="port must be a number from 1 to 65535, not"):
        split_address(CommandLine(command="ui", overrides=(f"port={text}",)), 5000)


@NONE
def test_of_a_trial_to_export(text):
    with pytest.raises(ConfigurationError, match="trial must be the number of a trial, not"):
        _split_trial(CommandLine(command="export", overrides=(f"trial={text}",)))


@NONE
def test_of_a_trial_to_predict_with(text, tmp_path):
    (tmp_path / "sweeps" / "some" / "events").mkdir(parents=True)
    config: Any = SimpleNamespace(mlruns=tmp_path)
    with pytest.raises(ConfigurationError, match="is not the number of a trial"):
        _network(config, f"some/{text}", tmp_path)


@NONE
def test_of_a_trial_to_look_into(text, tmp_path, monkeypatch):
    summary: dict[str, Any] = {"references": {}, "sweet_spot": None}
    monkeypatch.setattr(looking, "read_summary", lambda folder: summary)
    with pytest.raises(ConfigurationError, match=r"maps\.run must be sweet_spot, dnn or cnn"):
        looking.chosen_networks(tmp_path, text)


@NONE
def test_of_a_class(text):
    validation: Any = SimpleNamespace(labels=np.array([0, 1]))
    maps: Any = SimpleNamespace(label=text, count=1)
    with pytest.raises(ConfigurationError, match=r"maps\.label: .* is not a class; choose a or b"):
        looking._of_one_class(validation, ("a", "b"), maps)
