"""The text scatter keeps to its box and puts what is better higher up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.reporting.scatter import ScatterPoint, scatter

points = st.builds(
    ScatterPoint,
    st.floats(1e-3, 1e9),
    st.floats(0.0, 1.0),
    st.booleans(),
)


def test_by_eye() -> None:
    drawn = scatter(
        [
            ScatterPoint(1.0, 0.80, True),
            ScatterPoint(10.0, 0.90, True),
            ScatterPoint(100.0, 0.85, False),
            ScatterPoint(50.0, 0.10, False),
        ],
        "epoch_seconds",
        width=40,
        height=8,
        ascii_only=True,
    )
    assert drawn == [
        "90.00% |                o",
        "       |",
        "       |                               .",
        "       |",
        "80.00% |o",
        "       +--------------------------------",
        "        1                            100",
        "        epoch time (s), log: o front . o",
    ]


@settings(deadline=None)
@given(
    st.lists(points, min_size=1, max_size=30),
    st.integers(30, 100),
    st.integers(5, 20),
    st.booleans(),
)
def test_it_keeps_to_its_box(
    trials: list[ScatterPoint], width: int, height: int, ascii_only: bool
) -> None:
    drawn = scatter(trials, "latency_ms", width=width, height=height, ascii_only=ascii_only)
    assert len(drawn) == height
    assert max(map(len, drawn)) <= width
    assert "".join(drawn).isascii() or not ascii_only


@pytest.mark.parametrize("count", [1, 3])
def test_points_in_one_place(count: int) -> None:
    drawn = scatter(
        [ScatterPoint(2.0, 0.9, True)] * count,
        "epoch_seconds", width=60, height=7, ascii_only=False,
    )  # fmt: skip
    assert sum(line.count("●") for line in drawn[:-1]) == 1
