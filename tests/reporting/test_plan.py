import io
from dataclasses import replace

from pipeline.core.architecture import Architecture
from pipeline.core.description import DataDescription
from pipeline.reporting.plan import Estimate, plan_lines, show_plan

DATA = DataDescription(
    name="mnist", fingerprint="f", train=50_000, validation=10_000, test=10_000,
    image_shape=(28, 28, 1), classes=tuple("0123456789"),
)  # fmt: skip


ESTIMATE = Estimate(
    networks=1234, continuous=("learning_rate",), cheapest=Architecture(),
    dearest=Architecture.parse("64k3-d9"), cheapest_macs=10, dearest_macs=1_000_000,
    trials=12, workers=2, finalists=3, seeds=2, minutes=14.4, finalist_minutes=4.2,
)  # fmt: skip


def estimate(**changes):
    return replace(ESTIMATE, **changes)


def test_it_says_all_that_was_asked_for():
    text = "\n".join(plan_lines("s", False, DATA, estimate()))
    for part in (
        "s (would be new)", "50,000 images to train", "28×28×1, 10 classes",
        "1,234 networks and recipes, times any learning rate", "d128 (10 multiply",
        "64k3-d9 (1,000,000 multiply", "12, the two references included, 2 at a time",
        "about 14 minutes", "at most 3, each trained 2 times more after the search, about 4 min",
    ):  # fmt: skip
        assert part in text


def test_what_the_sweep_begins_with_is_named_as_far_as_there_is_room():
    assert not any(text.startswith("begins") for text in plan_lines("s", False, DATA, estimate()))
    networks = tuple(Architecture(dense_units=units) for units in range(1, 9))
    lines = plan_lines("s", False, DATA, estimate(first=networks))
    assert "begins    with d1, d2, d3, d4, d5, d6 and 2 more" in lines


def test_durations_in_words_and_continuations():
    lines = plan_lines("s", True, DATA, estimate(continuous=(), minutes=0.2))
    assert "exists and would be continued" in lines[0]
    assert "recipes" in lines[2] and "times any" not in lines[2]
    assert "about a minute" in lines[-1]
    assert "about 2.5 hours" in plan_lines("s", True, DATA, estimate(minutes=150.0))[-1]


def test_a_stream_without_unicode_is_respected():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_plan("s", False, DATA, estimate(), stream)
    stream.flush()
    assert b"28x28x1" in stream.buffer.getvalue()


def test_a_sweep_without_finalists_says_so():
    assert (
        "none, each network is trained once"
        in plan_lines("s", True, DATA, estimate(finalists=0))[-2]
    )


def test_a_limit_is_said_as_it_was_set():
    for minutes, said in ((0.2, "0.2 minutes"), (1.0, "1 minute"), (95.0, "95 minutes")):
        (line,) = [
            line
            for line in plan_lines("s", False, DATA, estimate(search_minutes=minutes))
            if line.startswith("trials")
        ]
        assert line.endswith(f"2 at a time, and none is begun after {said}")
