"""ONNX models on disk: written, quantised to eight bits, and run by onnxruntime."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from pipeline.core.places import temporary_folder
from pipeline.training.backend import Inference
from pipeline.training.onnx_graph import INPUT, OUTPUT

_CALIBRATION_BATCH = 100
_ERRORS_ONLY = 3


def write_float(model: onnx.ModelProto, path: Path) -> None:
    """Write a model."""
    onnx.save(model, str(path))


def write_int8(
    model: onnx.ModelProto,
    path: Path,
    images: NDArray[np.uint8],
    *,
    images_a_call: int = _CALIBRATION_BATCH,
) -> None:
    """Write a model whose weights and values are whole numbers of eight bits.

    The last layer, whose outputs are the logits, stays in float32: it has few weights, and this
    is where eight bits cost most. Of the others, weights are scaled channel by channel. The
    range of each layer's values is what the images show: B. Jacob et al., "Quantization and
    training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018,
    2704-2713.

    Parameters
    ----------
    images
        Some training images, uint8 ``(n, height, width, channels)``.
    images_a_call
        At most so many of them at a time, whose values of all layers memory has to hold.
    """
    with temporary_folder() as folder, _quiet():
        source = folder / "float.onnx"
        write_float(model, source)
        quantize_static(
            str(source),
            str(path),
            _Images(images, min(_CALIBRATION_BATCH, images_a_call)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            # Unsigned as the values are: sums of signed with unsigned products overflow on
            # x86 processors without VNNI instructions, which changed 4% of the labels.
            weight_type=QuantType.QUInt8,
            nodes_to_exclude=[node.name for node in model.graph.node if node.op_type == "Gemm"][
                -1:
            ],
            # The scaling of the pixels to [0, 1] and the softmax stay as they are.
            op_types_to_quantize=["Conv", "Gemm", "MaxPool", "AveragePool", "Relu"],
        )


def open_onnx(path: Path, *, threads: int) -> Inference:
    """Return the model in a file as a callable, for batches of any size, on the processor.

    Parameters
    ----------
    threads
        Compute threads.

    Returns
    -------
    Inference
        As of ``pipeline.training.backend.compile_inference``.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def infer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = session.run([OUTPUT], {INPUT: images})[0]
        return outputs

    return infer


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands images to the calibration, a batch at a time."""

    def __init__(self, images: NDArray[np.uint8], at_once: int) -> None:
        self._batches = iter(
            images[start : start + at_once] for start in range(0, len(images), at_once)
        )

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back onnxruntime's advice on how to prepare a model, which this one needs not."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
