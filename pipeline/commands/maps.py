"""``sweetspot maps``: images on their way through the convolutions of trained networks."""

import sys
from typing import TYPE_CHECKING

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.commands.sweeps import chosen_sweep, with_data
from pipeline.config import Config
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.launching.looking import ChosenImages, KeptNetwork

FLAGS = ()
NAMES = 1


def run(line: CommandLine) -> int:
    """Print what the layers answer to, and write the pictures.

    By default the sweet spot and the ``cnn`` reference look at three validation images of one
    class; the sweep is the one that is named, or else the one that changed last.
    """
    from pipeline.launching.looking import chosen_images, chosen_networks, is_file, network_in_file
    from pipeline.launching.sweep_folder import load_config, load_description
    from pipeline.reporting.map_figures import maps_dir

    config = compose(line)
    if config.maps.images is not None:
        for setting in ("maps.label", "maps.count"):
            if setting in line.said:
                print(
                    f"{setting} does nothing beside maps.images, which says what to look at",
                    file=sys.stderr,
                )
    if is_file(config.maps.run):
        network = network_in_file(config.maps.run)
        _set_up_backend()
        from pipeline.training.feature_maps import input_shape

        images = chosen_images(config, None, input_shape(network.path))
        _show(config, network, images, config.mlruns / "maps" / network.path.stem)
        return 0
    sweep = chosen_sweep(line, config)
    folder = config.mlruns / "sweeps" / sweep
    networks = chosen_networks(folder, config.maps.run)
    seeing = [network for network in networks if network.convolutions]
    for network in networks:
        if network not in seeing:
            print(f"{network.title}: no convolution, and so no feature maps")
    if not seeing:
        raise ConfigurationError(f"no network of {sweep} that was asked for has a convolution")
    own = with_data(line, config, load_config(config.mlruns, sweep))
    images = chosen_images(config, own, load_description(folder).image_shape)
    _set_up_backend()
    for network in seeing:
        _show(config, network, images, maps_dir(folder) / f"{network.trial:04d}")
    return 0


def _show(config: Config, network: "KeptNetwork", images: "ChosenImages", folder: "Path") -> None:
    from pipeline.reporting.map_figures import map_pictures, write_maps
    from pipeline.reporting.map_page import show_maps
    from pipeline.training.feature_maps import feature_maps

    maps = feature_maps(network.path, images.images)
    show_maps(network.title, maps, images.captions, images.classes)
    pictures = map_pictures(
        network.title, maps, images.captions, images.classes, strongest=config.maps.strongest
    )
    print()
    for path in write_maps(folder, network.title, pictures):
        print(path)


def _set_up_backend() -> None:
    from pipeline.measuring.machine import default_threads
    from pipeline.training.backend import set_up

    set_up(threads=default_threads(), deterministic=False)
