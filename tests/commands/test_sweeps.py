"""Which sweeps a command is about, and where they are tracked."""

from dataclasses import replace

import pytest

from pipeline.commands import sweep as sweeping
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep, with_tracking
from pipeline.core.errors import ConfigurationError, StorageError

SERVER, OTHER = "tracking.uri=http://server:5000", "tracking.uri=http://other:5000"


@pytest.mark.parametrize(
    ("said", "uri"), [((), "http://server:5000"), ((OTHER,), "http://other:5000")]
)
@pytest.mark.parametrize("own", [(SERVER,), (SERVER, "tracking.enabled=false")])
def test_a_sweep_is_tracked_where_it_goes_itself_unless_something_else_is_said(said, uri, own):
    sweep = compose(CommandLine(command="sweep", overrides=own))
    line = CommandLine(command="promote", overrides=said)
    tracking = with_tracking(line, compose(line), sweep).tracking
    assert (tracking.uri, tracking.enabled) == (uri, True)


def test_of_its_tracking_only_what_is_said_changes():
    sweep = compose(CommandLine(command="sweep", overrides=(SERVER, "tracking=mlflow")))

    def tracking(*said):
        line = CommandLine(command="sync", overrides=said)
        return with_tracking(line, compose(line), sweep).tracking

    changed = tracking("tracking.interval_seconds=1")
    assert (changed.uri, changed.interval_seconds) == ("http://server:5000", 1)
    assert tracking("tracking.uri=null").uri is None
    assert tracking("tracking=off", "tracking.interval_seconds=1").uri is None


def test_several_sweeps_have_names_of_their_own():
    def composed(*overrides):
        return sweeping.composed(CommandLine(command="sweep", overrides=overrides, multirun=True))

    assert [config.sweep_name for config in composed("sweep_name=a,b")] == ["a", "b"]
    with pytest.raises(ConfigurationError, match=r"sweep_name=a .* several sweeps under one name"):
        composed("sweep_name=a", "search.seed=1,2")


def test_a_sweep_whose_folder_may_not_be_entered_is_named(tmp_path, monkeypatch):
    (tmp_path / "sweeps" / "theirs").mkdir(parents=True)
    monkeypatch.setattr("pipeline.commands.sweeps.sweeps", lambda mlruns: [])
    monkeypatch.setattr("os.access", lambda path, how: path != tmp_path / "sweeps" / "theirs")
    line = CommandLine(
        command="status", names=("theirs",), overrides=(f"mlruns={tmp_path}", "data=digits")
    )
    with pytest.raises(StorageError, match=r"theirs is another user's: .*theirs may not be enter"):
        chosen_sweep(line, compose(line))


def test_a_sweep_that_was_refused_before_it_began_is_none(tmp_path):
    (tmp_path / "sweeps" / "refused").mkdir(parents=True)
    line = CommandLine(
        command="status", names=("refused",), overrides=(f"mlruns={tmp_path}", "data=digits")
    )
    with pytest.raises(StorageError, match=r"the sweep refused has not begun: .*refused holds no"):
        chosen_sweep(line, compose(line))
    with pytest.raises(StorageError, match=r"there is no sweep under .* yet: make sweep makes one"):
        chosen_sweep(replace(line, names=()), compose(line))
