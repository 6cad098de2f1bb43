import threading
from pathlib import Path

import psutil

from pipeline.tracking.event_log import EventLog, read
from pipeline.tracking.events import SystemSampled, content_of
from pipeline.tracking.system import SystemReader, SystemSampler


def test_samples_are_appended_while_the_sampler_is_open(tmp_path: Path) -> None:
    enough = threading.Event()
    taken: list[int] = []

    def sample() -> dict[str, float]:
        taken.append(len(taken))
        if len(taken) == 4:
            enough.set()
        return {"cpu_utilization_percentage": float(len(taken))}

    with EventLog(tmp_path / "log.jsonl") as log:
        with SystemSampler(log, attempt=2, interval_seconds=0.001, read=sample):
            assert enough.wait(30)
        closed = read(tmp_path / "log.jsonl")
        log.append("other")
    assert read(tmp_path / "log.jsonl")[:-1] == closed
    contents = [content_of(event) for event in closed]
    assert contents[:3] == [
        SystemSampled(attempt=2, metrics={"cpu_utilization_percentage": float(n)})
        for n in (2, 3, 4)
    ]


def test_a_full_disk_ends_sampling_and_nothing_else() -> None:
    taken: list[int] = []

    def sample() -> dict[str, float]:
        taken.append(len(taken))
        return {}

    with EventLog(Path("/dev/full")) as log:
        sampler = SystemSampler(log, attempt=0, interval_seconds=0.001, read=sample)
        sampler._thread.join(30)
        assert not sampler._thread.is_alive()
        assert len(taken) == 2  # the first one is left out, the second finds no room
        sampler.close()


def test_the_load_of_the_processors_is_that_since_the_last_sample(tmp_path: Path) -> None:
    """The first sample has nothing of its own to compare with: it is taken, and left out."""
    moments: list[float] = []
    closing = threading.Event()

    def sample() -> dict[str, float]:
        moments.append(psutil.cpu_percent())
        if len(moments) > 1 and moments[-1] > 0:
            closing.set()
        return {"cpu_utilization_percentage": moments[-1]}

    with (
        EventLog(tmp_path / "log.jsonl") as log,
        SystemSampler(log, attempt=0, interval_seconds=0.05, read=sample),
    ):
        while not closing.is_set():
            sum(range(10_000))
    first, *_ = read(tmp_path / "log.jsonl")
    assert content_of(first) == SystemSampled(
        attempt=0, metrics={"cpu_utilization_percentage": moments[1]}
    )
    assert moments[-1] > 0


def test_this_machine_can_be_read() -> None:
    values = SystemReader()()
    assert 0 <= values["cpu_utilization_percentage"] <= 100
    assert 0 < values["system_memory_usage_percentage"] <= 100
    # No order between these two: a process counts the pages of libraries that it shares with the
    # page cache, and the system's use leaves the page cache out.
    assert values["process_memory_usage_megabytes"] > 1
    assert values["system_memory_usage_megabytes"] > 1
