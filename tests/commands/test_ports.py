import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.ports import split_port
from pipeline.core.errors import ConfigurationError


def line(*overrides: str) -> CommandLine:
    return CommandLine(command="ui", overrides=overrides)


def test_the_port_is_taken_out_and_the_last_one_counts():
    assert split_port(line("tracking=off"), 5000) == (5000, line("tracking=off"))
    assert split_port(line("port=81", "tracking=off", "port=82"), 5000) == (
        82, line("tracking=off"),
    )  # fmt: skip


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "http", "²"])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(ConfigurationError, match="port must be a number from 1 to 65535"):
        split_port(line(f"port={port}"), 5000)
