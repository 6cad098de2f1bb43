import csv
import io
import json

import numpy as np

from pipeline.reporting.predictions import (
    Predictions,
    predictions_csv,
    predictions_json,
    show_predictions,
)

FOUND = Predictions(
    model="the champion of fashion_mnist, version 2",
    names=("a.png", "b, c.png"),
    classes=("Bag", "Shirt", "Coat"),
    probabilities=np.array([[0.75, 0.125, 0.125], [0.001, 0.998, 0.001]], dtype=np.float32),
)


def test_a_table_for_people():
    stream = io.StringIO()
    show_predictions(FOUND, stream)
    header, first, second, _, by = stream.getvalue().rstrip().splitlines()
    assert header.split() == ["picture", "class", "probability", "or", "else"]
    assert first.split() == ["a.png", "Bag", "75.0%", "Shirt", "12%,", "Coat", "12%"]
    assert second.split() == ["b,", "c.png", "Shirt", "99.8%"]
    assert by == "by the champion of fashion_mnist, version 2"


def test_what_a_name_could_do_to_the_terminal_is_left_out():
    stream = io.StringIO()
    names = ("\x1b[31mred[bold].png", "b")
    show_predictions(
        Predictions(
            model="m", names=names, classes=FOUND.classes, probabilities=FOUND.probabilities
        ),
        stream,
    )
    assert "?[31mred[bold].png" in stream.getvalue()


def test_json_for_programs():
    found = json.loads(predictions_json(FOUND))
    assert found["model"] == FOUND.model
    assert found["pictures"][0] == {
        "picture": "a.png",
        "class": "Bag",
        "probability": 0.75,
        "probabilities": {"Bag": 0.75, "Shirt": 0.125, "Coat": 0.125},
    }


def test_csv_for_spreadsheets():
    rows = list(csv.DictReader(io.StringIO(predictions_csv(FOUND))))
    assert rows[1]["picture"] == "b, c.png"
    assert (rows[1]["class"], rows[1]["probability"]) == ("Shirt", "0.998")
    assert float(rows[0]["Coat"]) == 0.125
