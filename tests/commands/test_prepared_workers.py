"""How many workers a command starts before it knows what it is asked."""

import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.sweep import prepared_workers
from pipeline.measuring.machine import default_workers


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 1),
        (("launch.workers=0", "search.trials=nonsense"), 0),
        (("search.trials=0",), 0),
        (("launch.workers=auto",), 1),
        (("launch=slurm", "launch.workers=16"), 0),
        (("launch.workers=1000",), default_workers()),
        (("launch.workers=1000", "search.trials=1"), 1),
    ],
)
def test_it_goes_by_what_is_said(words, count):
    line = CommandLine.parse("sweep", words)
    with prepared_workers(line, 1) as prepared:
        assert len(prepared._waiting) == count
