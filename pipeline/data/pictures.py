"""Single pictures: a file of one's own, or a photograph that scikit-learn ships."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import anchored
from pipeline.core.errors import DataError, one_of
from pipeline.core.places import looking_at
from pipeline.data.folder import NotAPicture, read_pixels

#: Photographs in scikit-learn's package, CC BY 2.0; its images/README.txt names the authors.
PHOTOGRAPHS = ("china", "flower")
#: Channels that a picture has as ``read_picture`` reads it: grey, or red, green and blue.
PICTURE_CHANNELS = (1, 3)
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and the lesson's libraries take it


def read_picture(name: str) -> NDArray[np.uint8]:
    """Return a photograph by its name, or the picture in a file.

    Parameters
    ----------
    name
        ``china`` or ``flower``, else a path; a relative one starts at the project.

    Returns
    -------
    numpy.ndarray
        uint8, shape ``(height, width, 1 or 3)``.

    Raises
    ------
    DataError
        There is no such file, or it is not a picture.
    """
    if name in PHOTOGRAPHS:
        return photograph(name)
    path = anchored(Path(name))
    with looking_at(path, DataError):
        is_there = path.is_file()
    if not is_there:
        raise DataError(
            f"there is no picture {path}; give a file's path, or {one_of(PHOTOGRAPHS)} from "
            "scikit-learn"
        )
    try:
        return read_pixels(path, None)
    except NotAPicture as error:
        raise DataError(f"{path} is not a picture that can be read: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def photograph(name: str) -> NDArray[np.uint8]:
    """Return a photograph that scikit-learn ships: uint8, shape ``(427, 640, 3)``."""
    from sklearn.datasets import load_sample_image  # type: ignore[import-untyped]

    pixels: NDArray[np.uint8] = np.asarray(load_sample_image(f"{name}.jpg"))
    return pixels


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture in grey, shape ``(height, width, 1)``; one in grey stays as it is.

    Raises
    ------
    DataError
        It has neither 1 channel nor 3.
    """
    channels = pixels.shape[2]
    if channels == 1:
        return pixels
    if channels not in PICTURE_CHANNELS:
        raise DataError(f"an image of {channels} channels cannot be shown in grey")
    mixed: NDArray[np.float64] = pixels @ np.array(_GREY)
    return np.rint(mixed).astype(np.uint8)[..., None]


def fitted(pixels: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a picture as a network wants it: resized, in grey or in three channels.

    Parameters
    ----------
    pixels
        Of 1 channel or 3, or of as many as are wanted.
    shape
        ``(height, width, channels)`` of the result.

    Raises
    ------
    DataError
        A picture is neither in grey nor in colour for a network of 2 or 4 channels.
    """
    from PIL import Image

    height, width, channels = shape
    chosen = grey(pixels) if channels == 1 else pixels
    if chosen.shape[2] != channels and channels not in PICTURE_CHANNELS:
        raise DataError(
            f"the network takes images of {channels} channels, but a picture has 1 or 3: give it "
            "images as the ones it was trained on, in an .npz archive"
        )
    if chosen.shape[:2] != (height, width):
        # Channel by channel, as Pillow gives some numbers of channels a meaning of their own.
        planes = [Image.fromarray(plane) for plane in np.moveaxis(chosen, -1, 0)]
        resized = [p.resize((width, height), Image.Resampling.BILINEAR) for p in planes]
        chosen = np.stack([np.asarray(plane) for plane in resized], axis=-1)
    return np.broadcast_to(chosen, shape).copy()
