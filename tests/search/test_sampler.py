"""Optuna's own samplers on our spaces."""

from collections import Counter
from typing import Any

import optuna
import pytest

from pipeline.search.experimental import experiments_accepted
from pipeline.search.sampler import build_sampler
from pipeline.search.space import SearchSpace
from pipeline.search.suggestion import TrialChooser

#: Two blocks, any padding and pooling: a second kernel of 7 fits some maps, and others not.
WIDE: dict[str, dict[str, Any]] = {
    "depth": {"choices": [2]},
    "kernel_size": {"choices": [3, 5, 7]},
    "pooling": {"choices": ["max", "none"]},
}
UNUSED: dict[str, Any] = {"choices": None, "low": None, "high": None, "log": None, "step": None}


def wide(config):
    dimensions = {name: UNUSED | values for name, values in WIDE.items()}
    values = config.space.model_dump(mode="json") | dimensions
    return SearchSpace(type(config.space).model_validate(values), (14, 14, 1), 10)


def drawn(study, config, space, number):
    """Ask for a trial, tell that kernels are the better the larger, and return both kernels."""
    with experiments_accepted():
        study.sampler = build_sampler(config.search, number)
        trial = study.ask()
    architecture, _ = space.draw(TrialChooser(trial))
    first, second = (block.kernel_size for block in architecture.blocks)
    study.tell(trial, [0.5 + 0.01 * second, 1000.0 + number % 7])
    return first, second


@pytest.fixture
def study():
    """Return a study in memory."""
    return optuna.create_study(directions=["maximize", "minimize"])


def test_tpe_proposes_a_large_kernel_after_trials_with_small_maps(config, study):
    search = config.search.model_copy(update={"sampler": "tpe", "startup_trials": 4})
    config = config.model_copy(update={"search": search})
    space = wide(config)
    # A first kernel of 5 and pooling leave 5 pixels: a second one of 7 does not fit.
    small = {"kernel_size_1.index": 1, "padding_1": "valid", "pooling_1": "max"}
    for number in range(6):
        study.enqueue_trial(small)
        assert drawn(study, config, space, number)[1] < 7
    found = Counter(drawn(study, config, space, number)[1] for number in range(6, 50))
    assert found[7] > 10


def test_chance_draws_every_kernel_that_fits_as_often(config, study):
    space = wide(config)
    pairs = [drawn(study, config, space, number) for number in range(900)]
    assert Counter(first for first, _ in pairs)[7] == pytest.approx(300, abs=50)
    restricted = [
        kernel
        for trial in study.trials
        if (kernel := trial.params.get("kernel_size_2_of_2.index")) is not None
    ]
    assert restricted and sum(restricted) == pytest.approx(len(restricted) / 2, abs=12)


def test_what_an_earlier_version_has_drawn_is_drawn_again(config, study):
    """It had only what fits as the range, and a trial that waits for its retry has such values."""
    space = wide(config)
    earlier = {"kernel_size_1.index": 1, "padding_1": "valid", "pooling_1": "max",
               "kernel_size_2.index": 1, "padding_2": "valid"}  # fmt: skip
    study.enqueue_trial(earlier)
    assert drawn(study, config, space, 0) == (5, 5)
