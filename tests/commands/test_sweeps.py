"""Which sweep a command is about, and where that one is tracked."""

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import with_tracking

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
