"""Which image goes where: stratified, seeded, the same on every machine.

The test split is drawn first, then the images that ``data.limit`` leaves, then validation:
neither the limit nor the validation share changes the test split.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import ConfigurationError, DataError

Indices = NDArray[np.int64]
_STREAMS = {"test": 0, "limit": 1, "validation": 2}  # each draw has random numbers of its own
_ROUND_DENOMINATOR = 12
_DIGITS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Indices into the source's images, sorted; ``test`` is None if nothing was drawn for it."""

    train: Indices
    validation: Indices
    test: Indices | None


def split(
    labels: NDArray[np.int64],
    *,
    classes: tuple[str, ...],
    validation: float,
    test: float | None,
    limit: int | None,
    seed: int,
) -> Parts:
    """Draw the splits; each has images of every class, in the proportions of the whole.

    Parameters
    ----------
    labels
        Shape (n,); every class has an image.
    validation
        Share of the images that are left after test and limit.
    test
        Share of all images, or None where the source has a test set of its own.
    limit
        The most images for training and validation together.

    Raises
    ------
    DataError
        A class has fewer images than there are splits to draw.
    ConfigurationError
        The limit is too small for every class to be in training and validation.
    """
    sizes = np.bincount(labels, minlength=len(classes))
    needed = 2 if test is None else 3
    poorest = int(sizes.argmin())
    if sizes[poorest] < needed:
        splits = "training and validation" if test is None else "training, validation and test"
        raise DataError(
            f"the class {classes[poorest]!r} has {sizes[poorest]} "
            f"{'image' if sizes[poorest] == 1 else 'images'}, too few for {splits}: it needs at "
            f"least {needed}"
        )
    rest, drawn = np.arange(len(labels)), None
    if test is not None:
        drawn, rest = _draw(labels, rest, images_in(test, len(rest)), seed, "test", leave=2)
    if limit is not None and limit < len(rest):
        if limit < 2 * len(classes):
            raise ConfigurationError(
                f"data.limit must be at least {2 * len(classes)}, one image for training and one "
                f"for validation of each of {len(classes)} classes, not {limit}"
            )
        rest, _ = _draw(labels, rest, limit, seed, "limit", least=2, leave=0)
    kept, train = _draw(labels, rest, images_in(validation, len(rest)), seed, "validation")
    return Parts(train=train, validation=kept, test=drawn)


def images_in(share: float, total: int) -> int:
    """Return how many of ``total`` images a share is, rounded half up.

    A share that is a simple fraction to four digits is read as that fraction: 0.1667 of
    60,000 images is a sixth, 10,000, and not 10,002.
    """
    exact = Fraction(str(share))
    simple = exact.limit_denominator(_ROUND_DENOMINATOR)
    if round(float(simple), _DIGITS) == share:
        exact = simple
    return int(exact * total + Fraction(1, 2))


def stratified_counts(
    sizes: NDArray[np.int64], total: int, *, least: int = 1, leave: int = 1
) -> NDArray[np.int64]:
    """Return how many images to take of each class, by the method of largest remainders.

    Parameters
    ----------
    sizes
        Images a class, shape (classes,); each at least ``least + leave``.
    total
        Images to take; moved to the nearest number that the bounds allow.
    least, leave
        The fewest images to take, and to leave, of each class.

    Returns
    -------
    Counts, shape (classes,), whose sum is ``total``. Each differs by less than one from the
    class's share, unless ``least`` or ``leave`` asks for more.
    """
    most = sizes - leave
    total = min(max(total, least * len(sizes)), int(most.sum()))
    share = sizes * total  # of each class, in units of 1/n image: whole numbers stay exact
    unit = int(sizes.sum())
    counts: NDArray[np.int64] = np.clip(share // unit, least, most)
    while (short := total - int(counts.sum())) != 0:
        step = 1 if short > 0 else -1
        free = counts < most if short > 0 else counts > least
        need = np.where(free, step * (share - counts * unit), np.iinfo(np.int64).min)
        counts[int(need.argmax())] += step
    return counts


def _draw(
    labels: NDArray[np.int64],
    among: Indices,
    total: int,
    seed: int,
    stream: Literal["test", "limit", "validation"],
    *,
    least: int = 1,
    leave: int = 1,
) -> tuple[Indices, Indices]:
    """Return the indices drawn from ``among`` and those left, both sorted."""
    # A bit generator's raw stream is fixed for good; Generator's methods may change.
    keys = np.random.PCG64([seed, _STREAMS[stream]]).random_raw(len(labels))
    order = among[np.lexsort((keys[among], labels[among]))]
    sizes = np.bincount(labels[among])
    counts = stratified_counts(sizes, total, least=least, leave=leave)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = rank < np.repeat(counts, sizes)
    return np.sort(order[chosen]), np.sort(order[~chosen])
