"""Signs of life, at a claim whose storage is away now and then."""

import time
from types import SimpleNamespace
from typing import Any

from pipeline.core.errors import StorageError
from pipeline.launching.heartbeat import Heartbeat


def claim(answers, seconds: float | None = 0.001) -> Any:
    """Return a claim that answers each beat in turn, and counts them; the last answer stays."""
    beats: list[object] = []

    def beat():
        answer = answers[min(len(beats), len(answers) - 1)]
        beats.append(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(
        beat=beat, beats=beats, storage=SimpleNamespace(heartbeat_seconds=seconds)
    )


def wait_until(condition) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_it_beats_on_where_storage_was_away_until_the_trial_is_somebody_elses():
    at = claim([True, StorageError("the server is away"), True, False])
    with Heartbeat(at) as heart:
        wait_until(lambda: heart.taken_away)
    assert len(at.beats) == 4  # and none behind it


def test_it_ends_with_its_block():
    at = claim([True])
    with Heartbeat(at) as heart:
        wait_until(lambda: len(at.beats) > 2)
        assert heart._thread.is_alive()
    assert not heart._thread.is_alive() and not heart.taken_away


def test_nobody_is_told_where_storage_asks_for_nothing():
    at = claim([True], seconds=None)
    with Heartbeat(at) as heart:
        assert heart._thread is None
    assert at.beats == []
