import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.config import PROJECT_ROOT
from pipeline.core.architecture import Architecture
from pipeline.core.errors import ConfigurationError
from pipeline.measuring.backends import ENVIRONMENT
from pipeline.measuring.machine import Gpu, this_machine
from pipeline.training import backend
from pipeline.training.backend import keras
from pipeline.training.model import build_model
from pipeline.training.saving import save_model

FRESH = """
import json, sys
import numpy as np
from pipeline.core.architecture import Architecture
from pipeline.core.trial import Recipe
from pipeline.data.dataset import Split
from pipeline.training.backend import keras, set_up
from pipeline.training.network import CompiledNetwork, DeviceData

set_up(threads=1, deterministic=False)
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
shape = list(np.shape(model(keras.ops.zeros((1, 8, 8, 1), dtype="uint8"))))

images = np.random.default_rng(1).integers(0, 256, size=(64, 8, 8, 1)).astype(np.uint8)
data = DeviceData.place(Split(images=images, labels=np.arange(64) % 3), 3)
losses = []
for jit_compile, looping in ((False, True), (True, True), (True, False)):
    network = CompiledNetwork(
        Architecture.parse("2k3-d8"),
        Recipe(batch_size=16, optimizer="adam", learning_rate=0.1, schedule="constant"),
        5,
        data=data,
        epochs=1,
        precision="float32",
        jit_compile=jit_compile,
        looping=looping,
    )
    order = network.order(1)
    losses.append([network.train(order, 0, 1)[0], network.train(order, 1, 4)[0]])
print(json.dumps({"shape": shape, "losses": losses}))
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """What a process that is not deterministic says; compiling with XLA needs that."""
    path = tmp_path_factory.mktemp("fresh") / "model.keras"
    model = build_model(Architecture.parse("4k3b-d8p0.2"), (8, 8, 1), 3, 1, "mixed_bfloat16")
    with warnings.catch_warnings():
        # Keras 3.15 itself copies arrays in a way that NumPy 2 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        save_model(model, path)
    kept = ("PATH", "HOME", "KERAS_BACKEND")
    return subprocess.run(
        [sys.executable, "-c", FRESH, path],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT_ROOT,
        env={name: os.environ[name] for name in kept if name in os.environ},
    )


def test_a_fresh_process_reads_a_model(fresh):
    assert json.loads(fresh.stdout)["shape"] == [1, 3]


def test_nothing_is_said_while_the_backend_starts(fresh):
    assert fresh.stdout.count("\n") == 1
    assert fresh.stderr == ""


def test_gpus_are_counted_as_nvidia_smi_does():
    assert ENVIRONMENT["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert os.environ["CUDA_DEVICE_ORDER"]


def test_xla_takes_the_same_steps_in_one_call_or_several(fresh):
    plain, in_one_call, in_several = json.loads(fresh.stdout)["losses"]
    np.testing.assert_allclose(in_one_call, plain, rtol=1e-3)
    np.testing.assert_allclose(in_several, plain, rtol=1e-3)


def test_what_was_kept_back_is_shown_when_it_fails(capfd):
    with pytest.raises(ImportError), backend._noise_kept_back():
        os.write(2, b"libcuda is too old\n")
        raise ImportError
    with backend._noise_kept_back():
        os.write(2, b"nothing to worry about\n")
    assert capfd.readouterr().err == "libcuda is too old\n"


def test_a_users_settings_of_keras_do_not_matter(session_with):
    keras.config.set_floatx("float64")
    session_with()
    assert keras.config.floatx() == "float32"
    assert keras.config.image_data_format() == "channels_last"


@pytest.mark.parametrize(
    ("error", "ran_out"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: while allocating 5 bytes"), True),
        (RuntimeError("CUDA_ERROR_OUT_OF_MEMORY"), True),
        (type("ResourceExhaustedError", (Exception,), {})("OOM when allocating"), True),
        (ValueError("shapes"), False),
    ],
)
def test_memory_errors_are_told_from_others(error, ran_out):
    assert backend.ran_out_of_memory(error) is ran_out


def seeing(monkeypatch, *, listed, seen):
    """Let nvidia-smi list a GPU, and the backend see one, or not."""
    gpu = Gpu(name="NVIDIA H200", uuid="GPU-1", memory_mib=143771, capability=(9, 0))
    machine = replace(this_machine(), gpus=(gpu,) if listed else ())
    monkeypatch.setattr(backend, "this_machine", lambda: machine)
    import tensorflow

    monkeypatch.setattr(
        tensorflow.config, "list_logical_devices", lambda kind: [kind] if seen else []
    )
    return tensorflow


def test_where_tensorflow_does_not_see_the_gpu_nothing_is_trained_on_the_processor(monkeypatch):
    seeing(monkeypatch, listed=True, seen=False)
    with pytest.raises(ConfigurationError, match="a GPU here that TensorFlow does not see"):
        backend.set_up_for_training(threads=1, deterministic=True)


def test_a_gpu_that_nvidia_smi_does_not_list_is_refused(monkeypatch):
    seeing(monkeypatch, listed=False, seen=True)
    with pytest.raises(ConfigurationError, match="sees a GPU that nvidia-smi does not list"):
        backend.set_up_for_training(threads=1, deterministic=True)


def test_a_gpu_of_another_kind_is_hidden(monkeypatch):
    tensorflow, hidden = seeing(monkeypatch, listed=False, seen=False), []
    monkeypatch.setattr(tensorflow.test, "is_built_with_cuda", lambda: False)
    monkeypatch.setattr(
        tensorflow.config, "set_visible_devices", lambda *devices: hidden.append(devices)
    )
    assert backend.set_up(threads=1, deterministic=True).kind == "cpu"
    assert hidden == [([], "GPU")]


def test_what_trains_nothing_computes_on_whatever_there_is(monkeypatch):
    seeing(monkeypatch, listed=True, seen=False)
    assert backend.set_up(threads=1, deterministic=True).kind == "cpu"


def test_a_gpu_that_is_hidden_is_none(monkeypatch):
    seeing(monkeypatch, listed=False, seen=False)
    assert backend.set_up(threads=1, deterministic=True).kind == "cpu"


def test_jax_has_as_many_threads_as_it_is_told(monkeypatch):
    for name in ("XLA_FLAGS", "PJRT_NPROC"):
        monkeypatch.setenv(name, "")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(default_backend=lambda: "cpu"))
    seeing(monkeypatch, listed=False, seen=False)
    backend._set_up_jax(3, False, None)
    assert os.environ["PJRT_NPROC"] == "3" and not os.environ["XLA_FLAGS"]
    backend._set_up_jax(1, False, None)
    assert os.environ["PJRT_NPROC"] == "1" and "multi_thread" in os.environ["XLA_FLAGS"]


def test_compiled_inference_follows_the_weights(session):
    model = keras.Sequential([keras.Input((2, 2, 1), dtype="uint8"), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1, kernel_initializer="ones"))
    infer = backend.compile_inference(model, (2, 2, 1), jit_compile=False)
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    np.testing.assert_allclose(infer(images)[:, 0], [6, 22, 38])
    model.layers[-1].bias.assign([100.0])
    np.testing.assert_allclose(infer(images[:1]), [[106.0]])


@pytest.mark.parametrize(
    ("kind", "xla_only", "jit_compile", "loops"),
    [
        ("cpu", False, False, True),
        ("cpu", False, True, False),
        ("cpu", True, True, False),
        ("cpu", True, False, False),
        ("gpu", False, False, True),
        ("gpu", False, True, True),
        ("gpu", True, True, True),
        ("gpu", True, False, False),
    ],
)
def test_steps_are_looped_over_where_a_loop_is_fast(kind, xla_only, jit_compile, loops):
    device = backend.Device(
        kind=kind, xla_only=xla_only, memory_counter=None, reset_memory=lambda: None
    )
    assert device.loops(jit_compile) is loops


def test_tracebacks_stay_whole_from_one_trial_to_the_next(session):
    backend.forget_networks()
    assert not keras.config.is_traceback_filtering_enabled()
