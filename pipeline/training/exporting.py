"""A trained network in the formats that other programs run."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.architecture import Architecture
from pipeline.core.exports import ExportFormat
from pipeline.training.backend import Inference, compile_inference, keras
from pipeline.training.batching import images_a_call
from pipeline.training.model import build_model
from pipeline.training.onnx_files import open_onnx, write_float, write_int8
from pipeline.training.onnx_graph import onnx_graph
from pipeline.training.saving import BATCH_SIZE, load_model


class ExportedNetwork:
    """A saved network that is written in other formats.

    Parameters
    ----------
    path
        Of the ``.keras`` file.
    threads
        Compute threads of what runs the other formats.
    """

    def __init__(self, path: Path, architecture: Architecture, threads: int) -> None:
        self._threads = threads
        self._model = load_model(path)
        height, width, channels = self._model.input_shape[1:]
        shape = (height, width, channels)
        #: Images that it is given in a call, in any format.
        self.images_a_call = images_a_call(self._model, BATCH_SIZE)
        #: The network as it was trained, compiled.
        self.as_trained: Inference = compile_inference(self._model, shape, jit_compile=False)
        # The same weights, computed in float32: what an export has to equal.
        self._exact = build_model(architecture, shape, self._model.output_shape[1], 0, "float32")
        self._exact.set_weights(self._model.get_weights())
        self.exact: Inference = compile_inference(self._exact, shape, jit_compile=False)

    def write(self, form: ExportFormat, path: Path, images: NDArray[np.uint8]) -> None:
        """Write the network.

        Parameters
        ----------
        path
            File, or for ``saved_model`` folder, to create.
        images
            Training images that eight bits are calibrated with.
        """
        match form:
            case "onnx":
                write_float(onnx_graph(self._exact), path)
            case "onnx_int8":
                write_int8(onnx_graph(self._exact), path, images, images_a_call=self.images_a_call)
            case "saved_model":
                self._model.export(path, format="tf_saved_model", verbose=False)

    def open(self, form: ExportFormat, path: Path) -> Inference:
        """Return what ``write`` has written, as other programs run it."""
        if form != "saved_model":
            return open_onnx(path, threads=self._threads)
        layer: Any = keras.layers.TFSMLayer(path, call_endpoint="serve")

        def infer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.asarray(layer(images))

        return infer
