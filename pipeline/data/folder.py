"""A folder of pictures: one sub-folder a class, its name the class's name."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.cgroups import available_memory, own_cgroup
from pipeline.core.errors import DataError
from pipeline.core.places import looking_at
from pipeline.data.checking import checked_split
from pipeline.data.dataset import Split

_WHITE = (255, 255, 255, 255)
_GREY_MODES = ("1", "L", "LA", "La")
_NAMED = 3  # broken files named in an error; the rest are counted


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """Pictures of any format Pillow reads; hidden files are left alone.

    All grey gives one channel, else three. Transparent parts become white, a photograph is
    turned as its EXIF orientation says, and of an animation the first frame counts.

    Parameters
    ----------
    image_size
        Pixels a side that every picture is resized to; None where all have one size.
    """

    folder: Path
    image_size: int | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the sub-folders, sorted."""
        with looking_at(self.folder, DataError):
            names = tuple(path.name for path in _visible(self.folder) if path.is_dir())
        if len(names) < 2:
            raise DataError(
                f"{self.folder} needs one sub-folder of pictures a class, at least two, but has "
                f"{'only ' + names[0] if names else 'none'}"
            )
        return names

    def learning(self) -> Split:
        """Return all pictures: class by class, by name."""
        pictures: list[NDArray[np.uint8]] = []
        labels: list[int] = []
        broken: list[str] = []
        first: Path | None = None
        channels = 0
        files = [list(_visible(self.folder / name)) for name in self.classes]
        for label, name in enumerate(self.classes):
            if not files[label]:
                raise DataError(f"{self.folder / name} is empty: every class needs pictures")
            for file in files[label]:
                try:
                    pixels = read_pixels(file, self.image_size)
                except NotAPicture as error:
                    broken.append(f"{file.relative_to(self.folder)} ({error})")
                    continue
                except OSError as error:
                    raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
                if pictures and pixels.shape[:2] != pictures[0].shape[:2]:
                    raise DataError(
                        f"{file} has {_size(pixels)} pixels but {first} has {_size(pictures[0])}: "
                        "make the pictures one size, or set data.image_size"
                    )
                if first is None or pixels.shape[2] > channels:  # all become like it
                    first, channels = first or file, pixels.shape[2]
                    self._check_room(sum(map(len, files)), pixels)
                pictures.append(pixels)
                labels.append(label)
        if broken:
            more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
            raise DataError(
                f"{self.folder} holds files that are not pictures: "
                f"{', '.join(broken[:_NAMED])}{more}; repair or remove them"
            )
        return checked_split(
            np.stack([np.broadcast_to(p, (*p.shape[:2], channels)) for p in pictures]),
            np.array(labels),
            images_name=str(self.folder),
            labels_name=str(self.folder),
        )

    def _check_room(self, count: int, pixels: NDArray[np.uint8]) -> None:
        """Refuse pictures like this one that are more than memory holds, before it is full."""
        size, there = count * pixels.nbytes, available_memory(own_cgroup())
        if there is None or 2 * size <= there:
            return
        smaller = "set data.image_size" if self.image_size is None else "a smaller data.image_size"
        raise DataError(
            f"the {count:,} pictures of {self.folder} have {_size(pixels)} pixels, "
            f"{size / 1e9:,.1f} GB in all and twice that while they are split, but "
            f"{there / 1e9:,.1f} GB of memory are free here: {smaller}"
        )

    def test(self) -> Split | None:
        """Return None: all pictures are one set."""
        return None


class NotAPicture(Exception):
    """A file that Pillow cannot read as pixels; the message is the reason."""


def _visible(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be read: {error.strerror}") from error
    return (path for path in entries if not path.name.startswith("."))


def read_pixels(file: Path, side: int | None) -> NDArray[np.uint8]:
    """Return a picture's pixels, shape (height, width, 1 or 3).

    Raises
    ------
    NotAPicture
        There is nothing that can be read as pixels.
    OSError
        The system does not let it be read now.
    """
    if file.is_dir():
        raise NotAPicture("a folder")
    try:
        size = file.stat().st_size
    except FileNotFoundError as error:  # a link to nothing
        raise NotAPicture(error.strerror or type(error).__name__) from error
    if size == 0:
        raise NotAPicture("empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata does not matter, an odd size does
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                image = _grey_or_colour(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        raise NotAPicture("no known picture format") from error
    # Pillow's decoders raise whatever a damaged file leads them to, SyntaxError included.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not Pillow's
            raise
        raise NotAPicture(str(error) or type(error).__name__) from error
    if side is not None:
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    pixels: NDArray[np.uint8] = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _grey_or_colour(image: Image.Image) -> Image.Image:
    """Return the image in mode ``L`` or ``RGB``, transparent parts white."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips 16 bits at 255 instead of scaling them.
        return Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of type {image.mode}, save it with 8 or 16 bits a channel")
    mode = "L" if image.mode in _GREY_MODES else "RGB"
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", picture.size, _WHITE), picture)
    return image.convert(mode)


def _size(pixels: NDArray[Any]) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"
