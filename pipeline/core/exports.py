"""What came of a network in other formats: its check, its size, its speed.

::

    schema_version   1
    sweep, trial, architecture
    classes          names, in the order of the probabilities; no format holds them itself
    device           what Keras ran on
    threads          compute threads
    images           validation images that were classified
    keras            accuracy and latency of the network as it was trained, and its precision
    exports          by format (onnx, onnx_int8, saved_model): file (relative to the sweep's
                     folder; null where it failed its check), bytes, accuracy, same_labels
                     (share of the images with the label of the same weights in float32),
                     same_labels_as_trained, failure (null, or the sentence why), latency,
                     device (that it ran on; earlier versions have none)

A latency has median_ms, low_ms and high_ms (95% interval of the median), p90_ms, batch_size,
noisy, and of an export ratio (to Keras', measured in turn). Accuracies are shares in [0, 1].
"""

from typing import Literal, get_args

#: Where they are, in the sweep's folder.
EXPORT_DIR = "export"
ExportFormat = Literal["onnx", "onnx_int8", "saved_model"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
#: Formats that run on the processor, here and whatever device Keras runs on.
ON_PROCESSOR: frozenset[ExportFormat] = frozenset({"onnx", "onnx_int8"})
EXPORTS_SCHEMA_VERSION = 1

#: The same weights in float32 give the same label for this share of images.
SAME_LABELS = 0.999
#: Eight bits cost at most this share of the images.
ACCURACY_LOSS = 0.005


def export_failure(
    form: ExportFormat, *, same_labels: float, accuracy: float, trained_accuracy: float
) -> str | None:
    """Return why an export is not what it should be, in words; None where it is.

    Parameters
    ----------
    same_labels
        Share of the images with the label of the network that was exported: the same weights in
        float32, or for ``saved_model``, which computes as it was trained, that network.
    accuracy, trained_accuracy
        Of the export, and of the network as it was trained, on the same images.
    """
    if form == "onnx_int8":
        lost = trained_accuracy - accuracy
        if lost > ACCURACY_LOSS:
            return (
                f"eight bits cost {100 * lost:.2f} points of accuracy, more than "
                f"{100 * ACCURACY_LOSS:g}"
            )
    elif same_labels < SAME_LABELS:
        return (
            f"only {100 * same_labels:.2f}% of the labels are those of the network, fewer than "
            f"{100 * SAME_LABELS:g}%"
        )
    return None
