"""The one module that knows which backend runs below Keras.

Import ``keras`` from here: the environment is prepared and start-up noise is kept from the
terminal before Keras and its backend load. TensorFlow is the default; ``KERAS_BACKEND=jax``
chooses JAX. Everything else in this room is plain Keras 3.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import ConfigurationError
from pipeline.core.places import temporary_file
from pipeline.measuring.backends import ENVIRONMENT, VARIABLE, backend_name, backend_version
from pipeline.measuring.machine import this_machine
from pipeline.training.importing import without

#: The backend, what is installed for it to see a GPU, and what is set for it to see none.
_GPU_WORDS = {
    "tensorflow": ("TensorFlow", "tensorflow[and-cuda]", "CUDA_VISIBLE_DEVICES="),
    "jax": ("JAX", "jax[cuda13]", "JAX_PLATFORMS=cpu"),
}


@contextmanager
def _noise_kept_back() -> Iterator[None]:
    """Keep what native code writes to stderr; it is shown only if the block fails.

    TensorFlow logs before it reads the variables that would silence it.
    """
    sys.stderr.flush()
    with temporary_file() as kept:
        terminal = os.dup(2)
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            if failed:
                kept.seek(0)
                sys.stderr.write(kept.read().decode(errors="replace"))


for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
backend_version()  # a sentence where it is not there
# Said outright: Keras would look into the user's keras.json where the variable is empty.
os.environ[VARIABLE] = backend_name()
with _noise_kept_back(), without():
    import keras

__all__ = [
    "Device",
    "Inference",
    "compile_inference",
    "compute_threads",
    "device_kind",
    "forget_networks",
    "fused_normalisation",
    "keras",
    "ran_out_of_memory",
    "set_up",
    "set_up_for_training",
]

Inference = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Device:
    """What the networks run on.

    Parameters
    ----------
    kind
        ``gpu`` if the backend sees one; where networks are trained ``this_machine()`` knows of it.
    xla_only
        The backend compiles with XLA or not at all.
    memory_counter
        Returns the peak memory in bytes since ``reset_memory``; None without such a counter.
    """

    kind: Literal["cpu", "gpu"]
    xla_only: bool
    memory_counter: Callable[[], int] | None
    reset_memory: Callable[[], None]

    def loops(self, jit_compile: bool) -> bool:
        """Say whether one call of the compiled function should run several steps in a loop.

        XLA runs convolutions inside a loop forty times slower on a CPU; and a loop in a program
        that is not compiled would be compiled by itself, anew for each call.
        """
        if self.kind == "cpu":
            return not (jit_compile or self.xla_only)
        return jit_compile or not self.xla_only


def set_up(*, threads: int, deterministic: bool, gpu_memory: float | None = None) -> Device:
    """Set the backend up, once a process and before its first operation.

    Parameters
    ----------
    threads
        Compute threads of the CPU.
    deterministic
        The same program gives the same numbers; stays so until the process ends.
    gpu_memory
        The share of a GPU's memory that this process may take; None for all.

    Raises
    ------
    RuntimeError
        The backend is already running with another number of threads.
    """
    # A user's keras.json may say otherwise, and shapes and costs are computed for these.
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    # Filtering takes a fifth of the time of a trace, and hides where an error comes from.
    keras.config.disable_traceback_filtering()
    # What the imports have made lives as long as the process: a tenth of a trace was spent
    # looking through it for garbage.
    gc.collect()
    gc.freeze()
    with _noise_kept_back():
        if keras.backend.backend() == "jax":
            return _set_up_jax(threads, deterministic, gpu_memory)
        return _set_up_tensorflow(threads, deterministic, gpu_memory)


def device_kind() -> Literal["cpu", "gpu"]:
    """Say what the backend computes on; it is started where it was not yet."""
    if keras.backend.backend() == "jax":
        import jax

        return "cpu" if jax.default_backend() == "cpu" else "gpu"
    import tensorflow as tf

    return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"


def compute_threads() -> int:
    """Return how many threads an operation has on a processor, as it was set up."""
    if keras.backend.backend() == "jax":
        return int(os.environ["PJRT_NPROC"])
    import tensorflow as tf

    return int(tf.config.threading.get_intra_op_parallelism_threads()) or this_machine().cores


def compile_inference(
    network: Any, image_shape: tuple[int, int, int], *, jit_compile: bool
) -> Inference:
    """Compile a network's forward pass once, for batches of any size.

    Returns
    -------
    Inference
        Takes uint8 images ``(n, height, width, channels)`` and returns, when the device is
        done, float32 outputs ``(n, classes)`` in host memory. Later changes of the network's
        weights take effect.
    """
    if keras.backend.backend() == "jax":
        return _jax_inference(network)
    import tensorflow as tf

    def forward(images: Any) -> Any:
        return network(images, training=False)

    function = tf.function(
        forward,
        input_signature=[tf.TensorSpec((None, *image_shape), tf.uint8)],
        jit_compile=jit_compile,
        autograph=False,
    ).get_concrete_function()

    def infer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = function(tf.constant(images)).numpy()
        return outputs

    return infer


def fused_normalisation(values: Any, layer: Any, *, own: bool) -> tuple[Any, Any, Any]:
    """Do what a layer of batch normalisation does in one operation; TensorFlow alone has it.

    Parameters
    ----------
    values
        ``(n, height, width, channels)``, of any floating dtype.
    layer
        Keras' layer, of whose moving statistics nothing is changed.
    own
        Normalise the batch by its own mean and variance, else by the moving ones.

    Returns
    -------
    tuple
        The normalised values; the mean and the variance, float32 ``(channels,)``: of a batch's own
        the unbiased estimate.
    """
    import tensorflow as tf

    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    found: tuple[Any, Any, Any] = tf.compat.v1.nn.fused_batch_norm(
        values,
        layer.gamma.value,
        layer.beta.value,
        mean=None if own else mean,
        variance=None if own else variance,
        epsilon=layer.epsilon,
        data_format="NHWC",
        is_training=own,
    )
    return found


def ran_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that the device or the process ran out of memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    text = str(error)
    return "RESOURCE_EXHAUSTED" in text or "CUDA_ERROR_OUT_OF_MEMORY" in text


def forget_networks() -> None:
    """Free the networks that nobody holds any more; they are cycles, on the device too."""
    keras.backend.clear_session(free_memory=False)
    keras.config.disable_traceback_filtering()  # the session had been told so
    gc.collect()


def _set_up_tensorflow(threads: int, deterministic: bool, gpu_memory: float | None) -> Device:
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    tf.debugging.disable_traceback_filtering()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    gpus = this_machine().gpus
    if not gpus and not tf.test.is_built_with_cuda():
        # Apple's or AMD's, which is nowhere named, locked or calibrated: the processor trains.
        tf.config.set_visible_devices([], "GPU")
    if gpus and gpu_memory is not None:
        # The first GPU that this process sees is the one that it trains on; one that shares the
        # host's memory has none of its own to share.
        limit = int(gpu_memory * gpus[0].memory_mib)
        for device in tf.config.list_physical_devices("GPU")[: 1 if limit else 0]:
            tf.config.set_logical_device_configuration(
                device, [tf.config.LogicalDeviceConfiguration(memory_limit=limit)]
            )
    if device_kind() == "cpu":
        return Device(kind="cpu", xla_only=False, memory_counter=None, reset_memory=_nothing)
    memory = tf.config.experimental
    return Device(
        kind="gpu",
        xla_only=False,
        memory_counter=lambda: int(memory.get_memory_info("GPU:0")["peak"]),
        reset_memory=lambda: memory.reset_memory_stats("GPU:0"),
    )


def _set_up_jax(threads: int, deterministic: bool, gpu_memory: float | None) -> Device:
    if gpu_memory is not None:
        os.environ.pop("XLA_PYTHON_CLIENT_MEM_FRACTION", None)  # its old name; both are an error
        os.environ["XLA_CLIENT_MEM_FRACTION"] = str(gpu_memory)
    flags = [os.environ.get("XLA_FLAGS", "")]
    if threads == 1:
        flags.append("--xla_cpu_multi_thread_eigen=false")
    if deterministic:
        flags.append("--xla_gpu_deterministic_ops=true")
    os.environ["XLA_FLAGS"] = " ".join(flags).strip()
    # JAX has no setting for it; this sizes the pool of its client, one a core otherwise.
    os.environ["PJRT_NPROC"] = str(threads)
    # JAX counts the peak of the whole process and cannot set it back.
    return Device(kind=device_kind(), xla_only=True, memory_counter=None, reset_memory=_nothing)


def set_up_for_training(
    *, threads: int, deterministic: bool, gpu_memory: float | None = None
) -> Device:
    """Set the backend up where networks are trained and measured; see ``set_up``.

    Locks, precision, workers and labels are those of the GPUs that nvidia-smi lists.

    Raises
    ------
    ConfigurationError
        There is a GPU that the backend does not see, or that it alone sees.
    """
    device = set_up(threads=threads, deterministic=deterministic, gpu_memory=gpu_memory)
    library, package, hiding = _GPU_WORDS[backend_name()]
    listed, seen = bool(this_machine().gpus), device.kind == "gpu"
    if listed and not seen:
        raise ConfigurationError(
            f"there is a GPU here that {library} does not see; install it with CUDA ({package}), "
            "or hide the GPU with CUDA_VISIBLE_DEVICES="
        )
    if seen and not listed:
        raise ConfigurationError(
            f"{library} sees a GPU that nvidia-smi does not list, so nobody knows what it is and "
            f"who else is on it; make nvidia-smi work here, or train on the processor with {hiding}"
        )
    return device


def _jax_inference(network: Any) -> Inference:
    import jax

    def stateless(trainable: Any, non_trainable: Any, images: Any) -> Any:
        return network.stateless_call(trainable, non_trainable, images, training=False)[0]

    forward = jax.jit(stateless)

    def infer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        trainable = [variable.value for variable in network.trainable_variables]
        non_trainable = [variable.value for variable in network.non_trainable_variables]
        return np.asarray(forward(trainable, non_trainable, images))

    return infer


def _nothing() -> None:
    """Stand in where there is nothing to reset."""
