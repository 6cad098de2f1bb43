"""``sweetspot filters``: what a convolution, ReLU and pooling do to a picture."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import ALL_FILTERS, Config, FiltersConfig, command
from pipeline.core.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from pipeline.core.filters import Filter
    from pipeline.reporting.filter_figures import Step

FLAGS = ()
NAMES = 0
FROM_DATA = "data"


def run(line: CommandLine) -> int:
    """Filter a picture, print what happens and write the pictures; ``kernel=all`` shows all."""
    from pipeline.reporting.files import write_atomically

    config = compose(line)
    settings = config.filters
    every = settings.matrix is None and settings.kernel == ALL_FILTERS
    _remark_unused(line, settings, every=every)
    image, pixels = _picture(config)
    filters = settings.chosen()
    folder = config.mlruns / "filters" / f"{image}-{ALL_FILTERS if every else filters[0].name}"
    made = _gallery(config, filters, image, pixels) if every else None
    files = made or _steps(config, filters[0], image, pixels)
    print()
    for name, content in files.items():
        write_atomically(folder / name, content)
        print(folder / name)
    if settings.mlflow:
        _log(config, image, [folder / name for name in files])
    return 0


def _remark_unused(line: CommandLine, settings: FiltersConfig, *, every: bool) -> None:
    alone = "with filters.kernel=all, which shows the filters alone"
    for setting, is_unused, why in (
        ("filters.kernel", settings.matrix is not None, "beside filters.matrix"),
        ("filters.pooling", every, alone),
        ("filters.pool_size", every, alone),
        ("filters.index", settings.image != FROM_DATA, "without filters.image=data"),
    ):
        if is_unused and setting in line.said:
            print(f"{setting} does nothing {why}", file=sys.stderr)


def _picture(config: Config) -> tuple[str, NDArray[np.uint8]]:
    """Return the picture with a name that is safe for a folder."""
    from pipeline.data.pictures import PICTURE_CHANNELS, grey, read_picture

    settings = config.filters
    if settings.image == FROM_DATA:
        name, pixels = _of_data_set(config)
    else:
        pixels = read_picture(settings.image)
        name = re.sub(r"[^A-Za-z0-9_]+", "-", Path(settings.image).stem).strip("-") or "picture"
    channels = pixels.shape[2]
    if not settings.grey and channels not in PICTURE_CHANNELS:
        raise DataError(f"an image of {channels} channels cannot be shown")
    return name[:60], grey(pixels) if settings.grey else pixels


def _of_data_set(config: Config) -> tuple[str, NDArray[np.uint8]]:
    """Return a validation image: test images are read for an accuracy and nothing else."""
    from pipeline.data.loading import load_training, resolve

    data = resolve(config.data, print)
    images = load_training(data).validation.images
    index = config.filters.index
    if index >= len(images):
        raise ConfigurationError(
            f"filters.index must be below {len(images):,}, the validation images of {data.name}, "
            f"not {index}"
        )
    return f"{data.name}-{index}", images[index]


def _steps(
    config: Config, kernel: "Filter", image: str, pixels: NDArray[np.uint8]
) -> dict[str, bytes]:
    from pipeline.reporting.figures import png
    from pipeline.reporting.filter_figures import picture_png, steps_figure
    from pipeline.reporting.filter_page import filter_lines, show_filter, show_steps

    settings = config.filters
    show_filter(filter_lines(kernel, settings, image, (pixels.shape[0], pixels.shape[1])))
    steps = _filtered(config, kernel, pixels)
    show_steps(steps)
    files = {"steps.png": png(steps_figure(f"{kernel.name} on {image}", steps))}
    for number, step in enumerate(steps, start=1):
        files[f"{number}-{step.name.replace(' ', '-').lower()}.png"] = picture_png(step.values)
    return files


def _filtered(config: Config, kernel: "Filter", pixels: NDArray[np.uint8]) -> "list[Step]":
    from pipeline.reporting.filter_figures import Step
    from pipeline.training.filtering import filter_steps

    settings = config.filters
    _set_up_backend()
    done = filter_steps(
        pixels.astype(np.float32),
        kernel,
        stride=settings.stride,
        padding=settings.padding,
        pooling=settings.pooling,
        pool_size=settings.pool_size,
    )
    steps = [
        Step(name="picture", what="as it is", values=done.picture),
        Step(name="convolution", what="the filter over every pixel", values=done.convolved),
        Step(name="ReLU", what="what is below 0 becomes 0", values=done.rectified),
    ]
    if done.pooled is not None:
        which = "largest" if settings.pooling == "max" else "mean"
        side = settings.pool_size
        what = f"the {which} of each {side}×{side} square"
        steps.append(Step(name=f"{settings.pooling} pooling", what=what, values=done.pooled))
    return steps


def _gallery(
    config: Config, filters: "tuple[Filter, ...]", image: str, pixels: NDArray[np.uint8]
) -> dict[str, bytes]:
    from pipeline.reporting.figures import png
    from pipeline.reporting.filter_figures import gallery_figure
    from pipeline.reporting.filter_page import show_gallery
    from pipeline.training.filtering import convolve

    settings = config.filters
    show_gallery(filters)
    _set_up_backend()
    floats = pixels.astype(np.float32)
    pictures = [("the picture", floats)]
    pictures += [
        (kernel.name, convolve(floats, kernel, stride=settings.stride, padding=settings.padding))
        for kernel in filters
    ]
    return {"gallery.png": png(gallery_figure(f"classic filters on {image}", pictures))}


def _set_up_backend() -> None:
    from pipeline.measuring.machine import default_threads
    from pipeline.training.backend import set_up

    set_up(threads=default_threads(), deterministic=False)


def _log(config: Config, image: str, pictures: list[Path]) -> None:
    from pipeline.tracking.pictures import FILTERS_EXPERIMENT, log_pictures

    settings = config.filters
    name = pictures[0].parent.name
    log_pictures(config, name, {**settings.model_dump(mode="json"), "image": image}, pictures)
    uri = config.tracking.uri
    where = f"; {command(config, 'ui')} shows it" if uri is None else f" at {uri}"
    print(f"logged to MLflow's experiment {FILTERS_EXPERIMENT}{where}")
