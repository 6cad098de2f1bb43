"""The worst mistakes are those where least is given to the right class, with their pictures."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.reporting.mistakes import Mistakes

IMAGES = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2, 1)
LABELS = np.array([0, 1, 2, 0, 1])
PROBABILITIES = np.array(
    [
        [0.7, 0.2, 0.1],  # right
        [0.6, 0.3, 0.1],  # wrong
        [0.1, 0.9, 0.0],  # wrong, nothing for the right class
        [0.4, 0.5, 0.1],  # wrong, but nearly right
        [0.5, 0.0, 0.5],  # wrong, nothing for the right class, less sure
    ],
    dtype=np.float32,
)


def test_the_worst_come_first() -> None:
    mistakes = Mistakes.worst(IMAGES, LABELS, PROBABILITIES)
    assert mistakes.indices.tolist() == [2, 4, 1, 3]
    assert mistakes.labels.tolist() == [2, 1, 1, 0]
    assert mistakes.answers.tolist() == [1, 0, 0, 1]
    assert mistakes.label_probabilities == pytest.approx([0.0, 0.0, 0.3, 0.4])
    assert mistakes.answer_probabilities == pytest.approx([0.9, 0.5, 0.6, 0.5])
    np.testing.assert_array_equal(mistakes.images, IMAGES[[2, 4, 1, 3]])


def test_no_more_than_asked_for_and_none_where_all_is_right() -> None:
    assert len(Mistakes.worst(IMAGES, LABELS, PROBABILITIES, limit=2)) == 2
    assert len(Mistakes.worst(IMAGES[:1], LABELS[:1], PROBABILITIES[:1])) == 0


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "models" / "0001.mistakes.npz"
    assert Mistakes.read(path) is None
    for mistakes in (
        Mistakes.worst(IMAGES, LABELS, PROBABILITIES),
        Mistakes.worst(IMAGES[:1], LABELS[:1], PROBABILITIES[:1]),
    ):
        mistakes.write(path)
        again = Mistakes.read(path)
        assert again is not None
        np.testing.assert_array_equal(again.images, mistakes.images)
        np.testing.assert_array_equal(again.indices, mistakes.indices)
