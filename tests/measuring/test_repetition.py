import pytest

from pipeline.measuring.repetition import Repetition, take_samples


def test_a_round_is_taken_again_while_the_interval_of_all_samples_is_wide():
    values = iter([1.0, 9.0, 1.0] + [1.0] * 20)
    repetition = Repetition(samples=3, rounds=9, tolerance=0.1, seconds=1.0, fewest=1)
    taken = take_samples(lambda: next(values), float, repetition, lambda: 0.0)
    assert taken == [1.0, 9.0] + [1.0] * (len(taken) - 2)
    assert len(taken) in (6, 9)


def test_no_sample_is_begun_after_the_time_is_over():
    moments = iter(range(100))
    repetition = Repetition(samples=50, rounds=1, tolerance=0.1, seconds=5.0, fewest=2)
    taken = take_samples(lambda: 1.0, float, repetition, lambda: float(next(moments)))
    assert len(taken) == 2 + 4


@pytest.mark.parametrize("wrong", ["samples", "rounds", "fewest"])
def test_no_samples_are_refused(wrong):
    counts = {"samples": 1, "rounds": 1, "fewest": 1, wrong: 0}
    with pytest.raises(ValueError, match="at least 1"):
        Repetition(**counts, tolerance=0.1, seconds=1.0)
