import pytest

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.journey import macs, parameters
from pipeline.core.trial import Recipe
from pipeline.testing.curves import Curve, Recording

SHAPE, CLASSES = (28, 28, 1), 10
RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle")


def curve(notation, accuracies, reference=None, recipe=RECIPE):
    architecture = Architecture.parse(notation)
    work = macs(architecture, SHAPE, CLASSES)
    return Curve(
        architecture=architecture,
        recipe=recipe,
        reference=reference,
        precision="float32",
        costs={
            "macs": float(work),
            "parameters": float(parameters(architecture, SHAPE, CLASSES)),
            "epoch_seconds": work / 1e6,
            "latency_ms": 1.0,
        },
        val_accuracy=tuple(accuracies),
        val_loss=tuple(1.0 - accuracy for accuracy in accuracies),
    )


@pytest.fixture(scope="session")
def recording():
    """Return ten networks over four epochs: three on the front, the others hopeless."""
    cnn = REFERENCES["cnn"].notation
    curves = [
        curve("d128", (0.80, 0.84, 0.86, 0.87), "dnn"),
        curve(cnn, (0.85, 0.88, 0.90, 0.92), "cnn"),
        curve("16k3-d32", (0.83, 0.86, 0.88, 0.90)),
        *(
            curve(f"64k5s-64k{k}s-d{units}", (0.5, 0.6, 0.65, 0.7))
            for k in (3, 5)
            for units in (32, 64, 96, 128)
        ),
    ]
    origin = {"image_shape": list(SHAPE), "classes": CLASSES, "epochs": 4, "data": "made up",
              "train": 1000, "validation": 500}  # fmt: skip
    return Recording(origin=origin, curves=tuple(curves))
