"""Syne Tune's MO-ASHA with two workers: early stopping with several objectives.

    python -m benchmarks.peers.moasha DATA.npz LOG.jsonl SECONDS SEED

The local backend starts a process a trial, two at a time, each with half of the cores; the same
module trains a network when Syne Tune starts it with a configuration, as in Syne Tune's own
``examples/launch_height_moasha.py``.
"""

import json
import math
import os
import sys
import tempfile

import numpy as np

from benchmarks.peers.networks import (
    BATCH_SIZE,
    DEPTHS,
    DROPOUTS,
    FILTERS,
    KERNELS,
    LEARNING_RATES,
    NORMALISATIONS,
    PADDINGS,
    UNITS,
    Log,
    arguments,
    build,
    load,
    work,
)

WORKERS, MOST_EPOCHS = 2, 8


def search() -> None:
    """Search until the time is over."""
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import choice, loguniform, randint
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    data, log, seconds, seed = arguments()
    share = str(max(1, len(os.sched_getaffinity(0)) // WORKERS))
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = share
    np.random.seed(seed)  # the scheduler draws from this one, whatever its own seed
    space = {
        "data": data,
        "log": str(log.path),
        "depth": randint(DEPTHS[0], DEPTHS[-1]),
        "dense_units": choice(list(UNITS)),
        "dropout": choice(list(DROPOUTS)),
        "learning_rate": loguniform(*LEARNING_RATES),
    }
    for number in range(1, DEPTHS[-1] + 1):
        space |= {
            f"filters_{number}": choice(list(FILTERS)),
            f"kernel_size_{number}": choice(list(KERNELS)),
            f"padding_{number}": choice(list(PADDINGS)),
            f"normalisation_{number}": choice(list(NORMALISATIONS)),
        }
    scheduler = MOASHA(
        space, metrics=["error", "log_macs"], time_attr="epoch", max_t=MOST_EPOCHS,
        grace_period=1, reduction_factor=3, random_seed=seed,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SYNETUNE_FOLDER"] = folder
        Tuner(
            trial_backend=LocalBackend(entry_point=__file__),
            scheduler=scheduler,
            stop_criterion=StoppingCriterion(max_wallclock_time=seconds),
            n_workers=WORKERS,
            print_update_interval=1e9,
        ).run()


def train(words: list[str]) -> None:
    """Train one network as Syne Tune asks, and report every epoch."""
    from syne_tune import Reporter

    pairs = zip(words[::2], words[1::2], strict=True)
    params = {name.removeprefix("--"): _value(text) for name, text in pairs}
    train_images, labels, validation, validation_labels = load(str(params["data"]))
    model, architecture = build(params, train_images.shape[1:], int(labels.max()) + 1)
    log, report, macs = Log(str(params["log"])), Reporter(), math.log10(work(model))
    for epoch in range(1, MOST_EPOCHS + 1):
        history = model.fit(
            train_images, labels, batch_size=BATCH_SIZE, verbose=0,
            validation_data=(validation, validation_labels),
        ).history  # fmt: skip
        accuracy = history["val_accuracy"][-1]
        # Whoever is stopped here has this accuracy: every epoch is a result.
        log.trial(architecture, accuracy)
        report(epoch=epoch, error=1.0 - accuracy, log_macs=macs)


def _value(text: str) -> "str | int | float":
    try:
        number: int | float = json.loads(text)
    except ValueError:
        return text
    return number


if __name__ == "__main__":
    if sys.argv[1].startswith("--"):
        train(sys.argv[1:])
    else:
        search()
