import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.config import PROJECT_ROOT
from pipeline.core.architecture import Architecture
from pipeline.training import backend
from pipeline.training.backend import keras
from pipeline.training.model import build_model
from pipeline.training.saving import save_model

FRESH = """
import sys
from pipeline.training.backend import set_up, keras
set_up(threads=1, deterministic=False)
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
print(model(keras.ops.zeros((1, 8, 8, 1), dtype="uint8")).shape)
"""


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
def test_a_fresh_process_reads_a_model_and_says_nothing_while_it_starts(tmp_path):
    model = build_model(Architecture.parse("4k3b-d8p0.2"), (8, 8, 1), 3, 1, "mixed_bfloat16")
    save_model(model, tmp_path / "model.keras")
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", FRESH, tmp_path / "model.keras"],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT_ROOT,
        env=environment,
    )
    assert done.stdout == "(1, 3)\n"
    assert done.stderr == ""


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


def test_compiled_inference_follows_the_weights(session):
    model = keras.Sequential([keras.Input((2, 2, 1), dtype="uint8"), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1, kernel_initializer="ones"))
    infer = backend.compile_inference(model, (2, 2, 1), jit_compile=False)
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    np.testing.assert_allclose(infer(images)[:, 0], [6, 22, 38])
    model.layers[-1].bias.assign([100.0])
    np.testing.assert_allclose(infer(images[:1]), [[106.0]])
