"""Labels lie inside the figure and on top of nothing, where there is room."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.reporting.placing import Box, best_place

WINDOW = Box(0.0, 0.0, 1_000.0, 600.0)
SIZE = (180.0, 40.0)


def test_overlap_by_hand() -> None:
    box = Box(0, 0, 10, 10)
    assert box.overlap(Box(5, 8, 20, 20)) == 10.0
    assert box.overlap(Box(10, 0, 20, 10)) == 0.0
    assert box.overlap(Box(50, 50, 60, 60)) == 0.0
    assert box.overlap(Box(2, 2, 3, 3)) == 1.0


def test_alone_a_label_lies_beside_its_point() -> None:
    place = best_place((500.0, 300.0), SIZE, inside=WINDOW, taken=[], points=[(500.0, 300.0)])
    assert place == Box(304.0, 316.0, 484.0, 356.0)


def test_a_taken_place_is_left_to_its_owner() -> None:
    first = best_place((500.0, 300.0), SIZE, inside=WINDOW, taken=[], points=[])
    second = best_place((503.0, 300.0), SIZE, inside=WINDOW, taken=[first], points=[])
    assert first.overlap(second) == 0.0


def test_where_everything_is_full_there_is_still_a_place() -> None:
    points = [(float(x), float(y)) for x in range(0, 1_000, 20) for y in range(0, 600, 20)]
    place = best_place((500.0, 300.0), SIZE, inside=WINDOW, taken=[WINDOW], points=points)
    assert place.area == SIZE[0] * SIZE[1]


inside_points = st.tuples(st.floats(0.0, 1_000.0), st.floats(0.0, 600.0))


@settings(deadline=None)
@given(inside_points)
def test_a_label_stays_in_the_window(point: tuple[float, float]) -> None:
    place = best_place(point, SIZE, inside=WINDOW, taken=[], points=[point])
    assert place.overlap(WINDOW) >= place.area - 1e-6
    assert not place.holds(point)


@settings(deadline=None)
@given(st.lists(inside_points, min_size=2, max_size=2))
def test_two_labels_never_overlap(points: list[tuple[float, float]]) -> None:
    # A third one may have to, in a corner that the points themselves fill.
    taken: list[Box] = []
    for point in points:
        taken.append(best_place(point, SIZE, inside=WINDOW, taken=taken, points=points))
    for index, box in enumerate(taken):
        assert all(box.overlap(other) <= 1e-6 for other in taken[:index])
