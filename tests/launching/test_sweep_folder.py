import numpy as np
import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.errors import ConfigurationError, DataError, StorageError
from pipeline.launching.planning import create_folder, plan_sweep
from pipeline.launching.sweep_folder import (
    backend_of,
    check_backend,
    load_config,
    load_description,
    unchanged_data,
)


def planned(tmp_path, *overrides):
    words = ("data=digits", f"mlruns={tmp_path}", *overrides)
    return plan_sweep(compose(CommandLine(command="sweep", overrides=words)), print)


def test_a_published_set_is_found_where_it_is_on_this_machine(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    labels = (np.arange(60) % 10).astype(np.uint8)
    folder = tmp_path / "theirs" / "mnist"
    folder.mkdir(parents=True)
    for name, array in (
        ("train-images-idx3", pixels), ("train-labels-idx1", labels),
        ("t10k-images-idx3", pixels[:20]), ("t10k-labels-idx1", labels[:20]),
    ):  # fmt: skip
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / f"{name}-ubyte").write_bytes(
            bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
        )
    words = ("data=mnist", "space=small", f"data.dir={tmp_path / 'theirs'}", f"mlruns={tmp_path}")
    plan = plan_sweep(compose(CommandLine(command="sweep", overrides=words)), print)
    monkeypatch.delenv("SWEETSPOT_DATA_DIR", raising=False)
    (tmp_path / "theirs").rename(tmp_path / "ours")
    with pytest.raises(DataError, match=r"is no longer in .*theirs"):
        unchanged_data(plan.config, plan.description)
    monkeypatch.setenv("SWEETSPOT_DATA_DIR", str(tmp_path / "ours"))
    assert unchanged_data(plan.config, plan.description).description == plan.description


def test_what_was_planned_is_what_workers_read(tmp_path):
    plan = planned(tmp_path)
    create_folder(plan)
    name = plan.config.sweep_name or ""
    assert load_config(tmp_path, name) == plan.config
    assert load_description(plan.config.sweep_dir) == plan.description
    assert planned(tmp_path).exists


def test_damaged_files_are_named(tmp_path):
    plan = planned(tmp_path)
    create_folder(plan)
    name = plan.config.sweep_name or ""
    (plan.config.sweep_dir / "config.yaml").write_text("search: [")
    with pytest.raises(StorageError, match=r"config\.yaml cannot be read"):
        load_config(tmp_path, name)
    (plan.config.sweep_dir / "identity.json").write_text("{")
    with pytest.raises(StorageError, match=r"identity\.json cannot be read"):
        planned(tmp_path)
    (plan.config.sweep_dir / "description.json").unlink()
    with pytest.raises(StorageError, match=r"description\.json cannot be read"):
        load_description(plan.config.sweep_dir)
    with pytest.raises(StorageError, match="there is no sweep other"):
        load_config(tmp_path, "other")


def test_a_sweep_does_not_go_on_with_another_backend(tmp_path, monkeypatch):
    plan = planned(tmp_path, "training.precision=float32")
    create_folder(plan)
    named = f"sweep_name={plan.config.sweep_name}"
    assert planned(tmp_path, "training.precision=float32", named).exists
    assert backend_of(plan.config.sweep_dir) == "tensorflow"
    check_backend(plan.config.sweep_dir)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("pipeline.measuring.backends.version", lambda package: "9")
    with pytest.raises(ConfigurationError, match=r"another question; KERAS_BACKEND .*differs"):
        planned(tmp_path, "training.precision=float32", named)
    with pytest.raises(ConfigurationError, match="was begun with tensorflow and would go"):
        check_backend(plan.config.sweep_dir)
    other = planned(tmp_path, "training.precision=float32")
    assert other.config.sweep_name != plan.config.sweep_name
    create_folder(other)
    assert backend_of(other.config.sweep_dir) == "jax"
    check_backend(other.config.sweep_dir)
