"""The script that people write: Optuna around Keras' ``fit``, with MLflow in the objective.

    python -m benchmarks.peers.plain_optuna DATA.npz LOG.jsonl SECONDS SEED [tpe|nsga2]

Two objectives, validation accuracy and the logarithm of the multiply-accumulates; one process,
all cores, batches of 32, float32. Several objectives as in Optuna's tutorial,
https://optuna.readthedocs.io/en/stable/tutorial/20_recipes/002_multi_objective.html.
"""

import math
import sys
import tempfile
from typing import Any

import keras
import mlflow
import optuna

from benchmarks.peers.networks import (
    BATCH_SIZE,
    DEPTHS,
    DROPOUTS,
    EPOCHS,
    FILTERS,
    KERNELS,
    LEARNING_RATES,
    NORMALISATIONS,
    PADDINGS,
    UNITS,
    arguments,
    build,
    load,
    work,
    written_down,
)


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Return a network's parameters."""
    params: dict[str, Any] = {"depth": trial.suggest_int("depth", DEPTHS[0], DEPTHS[-1])}
    for number in range(1, params["depth"] + 1):
        for name, choices in (
            ("filters", FILTERS), ("kernel_size", KERNELS), ("padding", PADDINGS),
            ("normalisation", NORMALISATIONS),
        ):  # fmt: skip
            key = f"{name}_{number}"
            params[key] = trial.suggest_categorical(key, choices)
    params["dense_units"] = trial.suggest_categorical("dense_units", UNITS)
    params["dropout"] = trial.suggest_categorical("dropout", DROPOUTS)
    params["learning_rate"] = trial.suggest_float("learning_rate", *LEARNING_RATES, log=True)
    return params


def main() -> None:
    """Search until the time is over."""
    path, log, seconds, seed = arguments()
    train, train_labels, validation, validation_labels = load(path)
    classes = int(train_labels.max()) + 1
    sampler: optuna.samplers.BaseSampler = optuna.samplers.TPESampler(seed=seed)
    if sys.argv[5:] == ["nsga2"]:
        sampler = optuna.samplers.NSGAIISampler(seed=seed)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        keras.utils.set_random_seed(1_000 * seed + trial.number)
        params = suggest(trial)
        model, architecture = build(params, train.shape[1:], classes)
        with mlflow.start_run(run_name=f"trial-{trial.number}"):
            mlflow.log_params(params)
            history = model.fit(
                train, train_labels, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0,
                validation_data=(validation, validation_labels),
                callbacks=[written_down(log, architecture)],
            ).history  # fmt: skip
            for epoch, accuracy in enumerate(history["val_accuracy"]):
                mlflow.log_metric("val_accuracy", accuracy, step=epoch)
        return history["val_accuracy"][-1], math.log10(work(model))

    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_experiment("plain")
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/optuna.db",
            directions=["maximize", "minimize"],
            sampler=sampler,
        )
        study.optimize(objective, timeout=seconds)


if __name__ == "__main__":
    main()
