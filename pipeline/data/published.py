"""The two published data sets and where a folder keeps them, our way or Keras'."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.core.errors import DataError
from pipeline.core.places import looking_at
from pipeline.data.idx import IdxSource
from pipeline.data.npz import NpzSource

PublishedName = Literal["fashion_mnist", "mnist"]


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A data set that Keras can download.

    Parameters
    ----------
    name
        Ours, Keras' module, and the sub-folder of ``data.dir`` with the four IDX files.
    title
        What people call it.
    keras_path
        The folder of IDX files, or the archive, below ``datasets`` in Keras' cache.
    """

    name: PublishedName
    title: str
    megabytes: int
    classes: tuple[str, ...]
    keras_path: str

    def find(self, root: Path) -> IdxSource | NpzSource | None:
        """Return the set where the folder has it, or None.

        A sub-folder of our name is an answer even if files are missing, so that reading it
        says which; an incomplete one of Keras' is what a broken download left.

        Raises
        ------
        DataError
            One may not look there.
        """
        with looking_at(root, DataError):
            if (root / self.name).is_dir():
                return IdxSource(folder=root / self.name, classes=self.classes)
            if self.keras_path.endswith(".npz"):
                archive = NpzSource(file=root / self.keras_path, classes=self.classes)
                return archive if archive.file.is_file() else None
        files = IdxSource(folder=root / self.keras_path, classes=self.classes)
        return None if files.missing() else files


FASHION_MNIST = PublishedSet(
    name="fashion_mnist",
    title="Fashion-MNIST",
    megabytes=31,
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    keras_path="fashion-mnist",
)  # fmt: skip
MNIST = PublishedSet(
    name="mnist",
    title="MNIST",
    megabytes=11,
    classes=tuple("0123456789"),
    keras_path="mnist.npz",
)


def keras_datasets() -> Path:
    """Return the folder of data sets in Keras' cache, whether it exists or not."""
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return Path(os.path.abspath(os.path.expanduser(home))) / "datasets"
