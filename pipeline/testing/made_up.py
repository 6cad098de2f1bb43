"""A recording that nobody has recorded: few networks, and plain what is to come of them."""

from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.journey import macs, parameters
from pipeline.core.trial import Recipe
from pipeline.testing.curves import Curve, Recording

_SHAPE, _CLASSES = (28, 28, 1), 10
_RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle")


def made_up_recording() -> Recording:
    """Return ten networks over four epochs: three on the front, the others hopeless."""
    curves = [
        _curve("d128", (0.80, 0.84, 0.86, 0.87), "dnn"),
        _curve(REFERENCES["cnn"].notation, (0.85, 0.88, 0.90, 0.92), "cnn"),
        _curve("16k3-d32", (0.83, 0.86, 0.88, 0.90)),
        *(
            _curve(f"64k5s-64k{kernel}s-d{units}", (0.5, 0.6, 0.65, 0.7))
            for kernel in (3, 5)
            for units in (32, 64, 96, 128)
        ),
    ]
    origin = {
        "image_shape": list(_SHAPE), "classes": _CLASSES, "epochs": 4, "data": "made up",
        "train": 1000, "validation": 500,
    }  # fmt: skip
    return Recording(origin=origin, curves=tuple(curves))


def _curve(notation: str, accuracies: tuple[float, ...], reference: str | None = None) -> Curve:
    architecture = Architecture.parse(notation)
    work = macs(architecture, _SHAPE, _CLASSES)
    return Curve(
        architecture=architecture,
        recipe=_RECIPE,
        reference=reference,
        precision="float32",
        costs={
            "macs": float(work),
            "parameters": float(parameters(architecture, _SHAPE, _CLASSES)),
            "epoch_seconds": work / 1e6,
            "latency_ms": 1.0,
        },
        val_accuracy=accuracies,
        val_loss=tuple(1.0 - accuracy for accuracy in accuracies),
    )
