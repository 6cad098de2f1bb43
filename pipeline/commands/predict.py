"""``sweetspot predict``: classify pictures with the champion, or with any other network."""

import sys

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError

FLAGS = ("--json", "--csv", "--invert")
NAMES = None


def run(line: CommandLine) -> int:
    """Classify files, folders, ``.npz`` archives or the standard input (``-``).

    ``model=`` chooses the network: ``champion`` (default), ``previous``, a sweep's name,
    ``SWEEP/TRIAL`` or the ID of an MLflow run. ``--invert`` turns dark on light into light on dark.
    """
    from pipeline.launching.prediction import predict
    from pipeline.reporting.predictions import predictions_csv, predictions_json, show_predictions

    if {"--json", "--csv"} <= line.flags:
        raise ConfigurationError("--json and --csv exclude each other, choose one")
    if not line.names:
        raise ConfigurationError(
            "predict needs pictures: files, folders, .npz archives, or - for the standard input"
        )
    model, line = line.taking("model")
    predictions = predict(
        compose(line),
        "champion" if model is None else model,
        line.names,
        invert="--invert" in line.flags,
        stdin=sys.stdin.buffer,
    )
    if "--json" in line.flags:
        print(predictions_json(predictions))
    elif "--csv" in line.flags:
        print(predictions_csv(predictions), end="")
    else:
        show_predictions(predictions)
    return 0
