import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.search.space import SearchSpace

IMAGE = (28, 28, 1)


@pytest.fixture(scope="session")
def base_config():
    """Return a configuration with random search and MACs as the cost."""
    overrides = ("data=digits", "search=random", "objective=macs", "sweep_name=test")
    return compose(CommandLine(command="sweep", overrides=overrides))


@pytest.fixture
def config(base_config, tmp_path):
    """Return the configuration with results under a folder of this test."""
    return base_config.model_copy(update={"mlruns": tmp_path})


@pytest.fixture
def space(config):
    """Return the configuration's space on grey 28x28 images."""
    return SearchSpace(config.space, IMAGE, 10)
