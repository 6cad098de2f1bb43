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


def taken(*known_after, fewest=2, seconds=1e9):
    diary: list[str] = []
    subjects = [
        Subject(name, count, diary) for name, count in zip("abc", known_after, strict=False)
    ]
    turns = Turns(fewest=fewest, seconds=seconds, tolerance=0.05)
    take_turns(subjects, turns, lambda: float(len(diary)))
    return "".join(diary)


def test_a_turn_has_a_little_of_each():
    assert taken(1, 1, 1) == "abcabc"


def test_as_many_more_are_taken_until_each_is_known():
    assert taken(1, 5, fewest=2) == "ab" * 6
    assert taken(1, 5, fewest=5) == "ab" * 5


def test_they_end_when_the_time_is_over():
    assert taken(1, 99, seconds=9.0) == "ab" * 5


def test_a_few_are_taken_however_long_they_last():
    assert taken(99, fewest=4, seconds=0.5) == "aaaa"


def test_no_turns_are_refused():
    with pytest.raises(ValueError, match="at least one turn"):
        Turns(fewest=0, seconds=1.0, tolerance=0.05)
