import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import ConfigurationError, DataError
from pipeline.data.splitting import images_in, split, stratified_counts

shares = st.integers(1, 9999).map(lambda number: number / 10_000)


@st.composite
def labelled(draw, fewest: int = 3):
    sizes = draw(st.lists(st.integers(fewest, 60), min_size=2, max_size=8))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(draw(st.integers(0, 9))).permutation(labels)


def names(labels) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in range(labels.max() + 1))


def parts_of(labels, **settings):
    defaults = {"validation": 0.25, "test": 0.2, "limit": None, "seed": 0}
    return split(labels, classes=names(labels), **(defaults | settings))


@given(labels=labelled(), validation=shares, test=st.none() | shares, seed=st.integers(0, 2**40))
def test_splits_are_disjoint_complete_and_hold_every_class(labels, validation, test, seed):
    parts = parts_of(labels, validation=validation, test=test, seed=seed)
    drawn = [parts.train, parts.validation] + ([] if parts.test is None else [parts.test])
    assert (parts.test is None) == (test is None)
    assert sorted(np.concatenate(drawn).tolist()) == list(range(len(labels)))
    for indices in drawn:
        assert (np.diff(indices) > 0).all()
        assert set(labels[indices]) == set(labels)


@given(labels=labelled(fewest=10), share=st.integers(10, 90).map(lambda percent: percent / 100))
def test_every_class_has_its_share_to_within_one_image(labels, share):
    parts = parts_of(labels, validation=share, test=None)
    total = images_in(share, len(labels))
    assert len(parts.validation) == total
    expected = np.bincount(labels) * total / len(labels)
    assert (np.abs(np.bincount(labels[parts.validation]) - expected) < 1).all()


@given(
    sizes=st.lists(st.integers(4, 1000), min_size=1, max_size=20),
    total=st.integers(0, 20_000),
    least=st.integers(0, 2),
    leave=st.integers(0, 2),
)
def test_counts_add_up_within_their_bounds(sizes, total, least, leave):
    array = np.array(sizes)
    counts = stratified_counts(array, total, least=least, leave=leave)
    most = array - leave
    assert counts.sum() == np.clip(total, least * len(sizes), most.sum())
    assert (counts >= least).all()
    assert (counts <= most).all()
    share = array * counts.sum() / array.sum()
    if (share >= least).all() and (share <= most).all():
        assert (np.abs(counts - share) < 1).all()


@given(labels=labelled(), data=st.data())
def test_a_limit_is_kept_exactly_and_leaves_the_test_split_alone(labels, data):
    classes = labels.max() + 1
    whole = parts_of(labels)
    available = len(whole.train) + len(whole.validation)
    limit = data.draw(st.integers(2 * classes, available + 5))
    parts = parts_of(labels, limit=limit)
    assert len(parts.train) + len(parts.validation) == min(limit, available)
    np.testing.assert_array_equal(parts.test, whole.test)
    for indices in (parts.train, parts.validation):
        assert set(labels[indices]) == set(labels)


def test_the_seed_and_nothing_else_decides():
    labels = np.arange(300) % 5
    first, again, other = (parts_of(labels, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.test, again.test)
    assert first.test.tolist() != other.test.tolist()
    assert first.validation.tolist() != other.validation.tolist()


def test_the_draw_is_the_same_for_good():
    parts = parts_of(np.arange(20) % 2, validation=0.25, test=0.2, seed=7)
    assert parts.test.tolist() == [3, 6, 11, 12]
    assert parts.validation.tolist() == [5, 7, 10, 14]


def test_test_limit_and_validation_are_drawn_independently():
    labels = np.zeros(1000, np.int64)
    labels[:500] = 1
    alone = parts_of(labels, test=None, validation=0.2)
    parts = parts_of(labels, test=0.2, validation=0.2)
    common = set(alone.validation.tolist()) & set(parts.test.tolist())
    assert 15 < len(common) < 70  # about 40 by chance; all 200 from one stream


@pytest.mark.parametrize(
    ("share", "total", "expected"),
    [
        (0.1667, 60_000, 10_000),
        (0.1667, 12, 2),
        (0.3333, 30, 10),
        (0.15, 1797, 270),
        (0.1, 25, 3),  # half is rounded up, whatever 0.1 is in binary
        (0.1234, 60_000, 7404),
        (0.166, 60_000, 9960),
        (0.0001, 60_000, 6),
        (1e-9, 60_000, 0),
        (0.9999, 60_000, 59_994),
    ],
)
def test_shares_are_rounded_and_simple_fractions_recognised(share, total, expected):
    assert images_in(share, total) == expected


def test_a_class_with_too_few_images_is_named():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2])
    with pytest.raises(
        DataError,
        match=r"'class 1' has 2 images, too few for training, validation and test: .* least 3",
    ):
        parts_of(labels)
    assert len(parts_of(labels, test=None).validation) == 3
    with pytest.raises(DataError, match=r"'class 1' has 1 image, .* training and validation: "):
        parts_of(np.array([0, 0, 1]), test=None)


def test_a_limit_too_small_for_the_classes_is_refused():
    labels = np.arange(100) % 10
    with pytest.raises(ConfigurationError, match=r"data\.limit must be at least 20, .* not 19"):
        parts_of(labels, limit=19)
