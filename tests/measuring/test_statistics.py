import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measuring.statistics import (
    RESAMPLES,
    interval_of_turns,
    median_interval,
    neighbour_correlation,
    summarise,
)

samples = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=60)


@given(samples)
def test_the_interval_lies_within_the_samples_and_around_their_middle(values):
    interval = median_interval(values)
    assert min(values) <= interval.low <= interval.high <= max(values)
    assert interval.low <= np.median(values) <= interval.high


@given(samples, st.integers(0, 5))
def test_the_interval_is_decided_by_samples_and_seed_not_by_their_order(values, seed):
    assert median_interval(values, seed) == median_interval(sorted(values), seed)


def test_the_interval_holds_the_true_median_about_as_often_as_it_says():
    generator = np.random.default_rng(7)
    # Latencies have a long right tail; the median of exp(N(0, s)) is 1.
    measurements = np.exp(generator.normal(0.0, 0.2, size=(200, 100)))
    held = 0
    for values in measurements:
        interval = median_interval(values)
        held += interval.low <= 1.0 <= interval.high
    assert 0.92 <= held / 200 <= 0.98


def test_no_samples_have_no_interval():
    with pytest.raises(ValueError, match="at least one"):
        median_interval([])


def moody(generator, count, correlation, spread=0.08):
    """Draw values with the median 1 whose logarithms are correlated with their neighbours'."""
    state, values = generator.normal(), []
    for _ in range(count):
        fresh = generator.normal()
        state = correlation * state + np.sqrt(1.0 - correlation**2) * fresh
        values.append(float(np.exp(spread * state)))
    return values


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_the_correlation_of_neighbours_is_found(correlation):
    values = moody(np.random.default_rng(3), 20_000, correlation)
    assert neighbour_correlation(values) == pytest.approx(correlation, abs=0.03)


def test_a_correlation_from_few_samples_is_not_too_low_on_average():
    generator = np.random.default_rng(4)
    found = [neighbour_correlation(moody(generator, 30, 0.4)) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.4, abs=0.03)


@given(samples)
def test_the_interval_of_turns_is_never_narrower_and_never_below_zero(values):
    plain, widened = median_interval(values), interval_of_turns(values)
    assert 0.0 <= widened.low <= plain.low or widened.low == pytest.approx(plain.low)
    assert widened.high >= plain.high or widened.high == pytest.approx(plain.high)


def test_equal_turns_have_an_interval_of_no_width():
    interval = interval_of_turns([0.1] * 12)
    assert [interval.low, interval.high] == pytest.approx([0.1, 0.1])


def test_the_interval_of_turns_holds_the_truth_where_neighbours_resemble_each_other():
    generator = np.random.default_rng(9)
    held = plainly = 0
    for _ in range(1000):
        values = moody(generator, 30, 0.4)
        interval, plain = interval_of_turns(values), median_interval(values)
        held += interval.low <= 1.0 <= interval.high
        plainly += plain.low <= 1.0 <= plain.high
    assert plainly < 880 and 920 <= held <= 980


def test_a_summary_by_hand():
    # Medians of the turns: 1, 4 and 3 ms beside 2, 2 and 3 ms.
    turns = [
        [(0.001, 0.002)],
        [(0.003, 0.002), (0.004, 0.002), (0.009, 0.002)],
        [(0.002, 0.002), (0.004, 0.004)],
    ]
    found = summarise(turns, batch_size=8, tolerance=0.05)
    assert found.samples == 6
    assert found.median_ms == pytest.approx(3.0)
    assert [found.low_ms, found.high_ms] == pytest.approx([1.0, 4.0])
    assert found.p90_ms == pytest.approx(6.5)
    assert found.p99_ms is None
    assert found.reference_ms == pytest.approx(2.0)
    assert found.ratio == pytest.approx(1.0)
    assert [found.ratio_low, found.ratio_high] == pytest.approx([0.5, 2.0])
    assert found.images_per_second == pytest.approx(8 / 0.003)
    assert found.noisy


def test_a_99th_percentile_needs_a_hundred_samples():
    turns = [[(1.0, 1.0)] * 20] * 5
    assert summarise(turns, batch_size=1, tolerance=0.5).p99_ms is not None
    assert summarise([*turns[1:], turns[0][1:]], batch_size=1, tolerance=0.5).p99_ms is None


def test_steady_samples_are_not_noisy():
    assert not summarise([[(0.1, 0.2)]] * 10, batch_size=1, tolerance=0.01).noisy


@given(samples, st.floats(1.1, 100.0))
def test_what_slows_both_for_a_while_leaves_the_ratio_alone(values, factor):
    slow = [1.0, factor] * len(values)
    turns = [
        [(3.0 * value * pace, value * pace)] for value, pace in zip(values, slow, strict=False)
    ]
    found = summarise(turns, batch_size=1, tolerance=1.0)
    assert found.ratio == pytest.approx(3.0)
    assert found.ratio_low == pytest.approx(3.0) and found.ratio_high == pytest.approx(3.0)


@pytest.mark.parametrize("samples", [2, 15, 40])
def test_resamples_drawn_in_parts_are_those_drawn_at_once(samples):
    drawn = np.random.default_rng(5).integers(samples, size=(RESAMPLES, samples))
    values = np.arange(samples, dtype=np.float64) ** 2
    low, high = np.quantile(np.median(values[drawn], axis=1), (0.025, 0.975))
    interval = median_interval(values, seed=5)
    assert (interval.low, interval.high) == (low, high)
