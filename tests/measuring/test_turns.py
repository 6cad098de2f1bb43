import numpy as np
import pytest

from pipeline.measuring.statistics import is_known, median_interval
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


def test_no_turns_are_refused():
    with pytest.raises(ValueError, match="at least one turn"):
        Turns(fewest=0, seconds=1.0, tolerance=0.05)


class Moody:
    """Takes a value a turn, with a long right tail and the median 1."""

    def __init__(self, generator):
        self.generator = generator
        self.values = []

    def take_turn(self):
        self.values.append(float(np.exp(self.generator.normal(0.0, 0.08))))

    def is_known(self, tolerance):
        return is_known(self.values, tolerance)

    def now(self):
        return float(len(self.values))


def test_the_interval_holds_the_truth_about_as_often_as_it_says_when_turns_depend_on_it():
    # A thousand measurements, as the share of two hundred itself varies by four points.
    generator = np.random.default_rng(11)
    held = longer = 0
    for _ in range(1000):
        subject = Moody(generator)
        turns = Turns(fewest=10, seconds=20.0, tolerance=0.05)
        take_turns(subject, turns, subject.now)
        interval = median_interval(subject.values)
        held += interval.low <= 1.0 <= interval.high
        longer += len(subject.values) > 10
    assert 0.92 <= held / 1000 <= 0.98
    assert 0 < longer < 1000
