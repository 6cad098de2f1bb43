import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.errors import DataError
from pipeline.data.checking import check_test_set, checked_split, class_names
from pipeline.data.dataset import Split

IMAGES = np.zeros((4, 8, 9), np.uint8)
LABELS = np.array([0, 1, 0, 1])


def check(images=IMAGES, labels=LABELS) -> Split:
    return checked_split(images, labels, images_name="pictures", labels_name="numbers")


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((4, 64), np.uint8), r"not an array of shape \(4, 64\)"),
        (np.zeros((4, 8, 8, 1, 1), np.uint8), "not an array of shape"),
        (np.zeros((0, 8, 8), np.uint8), "pictures holds no images"),
        (np.zeros((4, 7, 9), np.uint8), "7×9 pixels: each side must have at least 8"),
        (np.zeros((4, 3, 32, 32), np.uint8), "3×32 pixels"),
        (np.zeros((4, 9, 32, 32), np.uint8), "last dimension must be the channels, 1 to 4"),
        (np.zeros((4, 8, 8, 0), np.uint8), "images of 0 channels"),
        (np.zeros((4, 8, 8), np.int32), "not int32"),
        (np.zeros((4, 8, 8), bool), "not bool"),
        (np.zeros((4, 8, 8), complex), "not complex128"),
        (np.full((4, 8, 8), np.nan), "NaN or infinite"),
        (np.full((4, 8, 8), np.inf), "NaN or infinite"),
        (np.full((4, 8, 8), 255.0), "from 255 to 255: they must lie in 0 to 1"),
        (np.full((4, 8, 8), -0.5), "from -0.5 to -0.5"),
    ],
)
def test_images_that_break_a_rule_are_refused(images, sentence):
    with pytest.raises(DataError, match=sentence):
        check(images=images)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.eye(4, dtype=int), r"one whole number an image, .* not an array of shape \(4, 4\)"),
        (np.array(3), "not an array of shape"),
        (np.array([0.0, 1.0, 0.0, 1.0]), "whole numbers, not float64"),
        (np.array(list("abab")), "whole numbers, not <U1"),
        (np.array([0, 1, -1, 1]), "the label -1: labels are whole numbers from 0"),
        (np.array([0, 1, 2**63, 1], np.uint64), "the label 9223372036854775808"),
        (np.array([0, 1, 65_536, 1]), "at most 65,536 classes"),
        (np.array([0, 1, 0]), "pictures holds 4 images but numbers holds 3 labels"),
        (np.array([], int), "numbers holds 0 labels"),
    ],
)
def test_labels_that_break_a_rule_are_refused(labels, sentence):
    with pytest.raises(DataError, match=sentence):
        check(labels=labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64, ">i4"])
def test_any_whole_numbers_become_int64_labels(dtype):
    split = check(labels=LABELS.astype(dtype).reshape(-1, 1))
    assert split.labels.dtype == np.int64
    assert split.labels.tolist() == LABELS.tolist()


@given(
    images=hnp.arrays(
        st.one_of(hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes()),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=9),
    ),
    labels=hnp.arrays(
        st.one_of(hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes()),
        hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=9),
    ),
)
def test_any_arrays_give_a_split_or_a_data_error(images, labels):
    try:
        split = check(images, labels)
    except DataError:
        return
    assert len(split) == len(images) == len(labels)


def test_classes_without_names_are_numbers():
    assert class_names(LABELS, None, origin="x") == ("0", "1")
    assert class_names(LABELS, ("cat", "dog"), origin="x") == ("cat", "dog")


@pytest.mark.parametrize(
    ("labels", "names", "sentence"),
    [
        ([0, 1, 3], None, "no image has the label 2, but others go up to 3"),
        ([1, 2, 1], None, "no image has the label 0"),
        ([0, 0, 0], None, "at least two classes"),
        ([0, 1, 2], ("a", "b"), "data.classes has 2 class names, but the labels go from 0 to 2"),
        ([0, 1], ("a", "b", "c"), "data.classes has 3 class names"),
        ([0, 1], ("a", "a"), "the class name 'a' appears more than once"),
        ([0, 1], ("a", " "), "' ' is not a class name"),
        ([0, 1], ("a", "b\n"), "not a class name"),
        ([0, 1], ("a", "\udcff"), "not a class name"),
    ],
)
def test_names_and_labels_have_to_fit(labels, names, sentence):
    with pytest.raises(DataError, match=sentence):
        class_names(np.array(labels), names, origin="data.classes")


def test_a_test_set_fits_its_training_set():
    learning = check()
    check_test_set(check(images=IMAGES[:1], labels=LABELS[:1]), learning, ("a", "b"))
    with pytest.raises(DataError, match="images are 8×9×1 pixels, but test images are 9×8×1"):
        check_test_set(check(images=IMAGES.swapaxes(1, 2)), learning, ("a", "b"))
    with pytest.raises(DataError, match="the label 2, but the training labels go from 0 to 1"):
        check_test_set(check(labels=LABELS + 1), learning, ("a", "b"))
