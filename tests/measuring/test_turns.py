import pytest

from pipeline.measuring.turns import Turns, take_turns


class Subject:
    """Takes a second a turn, and is known after some."""

    def __init__(self, name, known_after, diary):
        self.name = name
        self.known_after = known_after
        self.diary = diary

    def take_turn(self):
        self.diary.append(self.name)

    def is_known(self, tolerance):
        assert tolerance == 0.05
        return self.diary.count(self.name) >= self.known_after


def taken(known_after, fewest=2, seconds=1e9):
    diary: list[str] = []
    turns = Turns(fewest=fewest, seconds=seconds, tolerance=0.05)
    take_turns(Subject("a", known_after, diary), turns, lambda: float(len(diary)))
    return len(diary)


def test_a_few_turns_are_enough_for_what_is_known():
    assert taken(1) == 2


def test_as_many_more_are_taken_until_it_is_known():
    assert taken(5, fewest=2) == 6
    assert taken(5, fewest=5) == 5


def test_they_end_when_the_time_is_over():
    assert taken(99, seconds=9.0) == 9


def test_a_few_are_taken_however_long_they_last():
    assert taken(99, fewest=4, seconds=0.5) == 4


def test_of_slow_ones_as_few_are_taken_as_there_is_an_interval_of():
    assert taken(99, fewest=15, seconds=0.1) == 5
    assert taken(99, fewest=15, seconds=0.7) == 7
    assert taken(1, fewest=15, seconds=1.5) == 15  # as long as it takes, where that is not long


def test_whoever_has_to_leave_does_so_between_turns():
    diary: list[str] = []

    def leave():
        if len(diary) == 3:
            raise InterruptedError

    turns = Turns(fewest=5, seconds=1e9, tolerance=0.05)
    with pytest.raises(InterruptedError):
        take_turns(Subject("a", 99, diary), turns, lambda: 0.0, leave)
    assert len(diary) == 3


def test_no_turns_are_refused():
    with pytest.raises(ValueError, match="at least one turn"):
        Turns(fewest=0, seconds=1.0, tolerance=0.05)
