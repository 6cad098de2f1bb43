import json
import zipfile

import numpy as np
import pytest

from pipeline.core.architecture import Architecture
from pipeline.core.errors import StorageError
from pipeline.training import saving
from pipeline.training.backend import compile_inference
from pipeline.training.model import build_model
from pipeline.training.saving import load_model, predicted_probabilities, save_model

#: Keras 3.15 itself copies arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

IMAGES = np.random.default_rng(3).integers(0, 256, size=(1500, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return build_model(Architecture.parse("4k3b-d8p0.2"), (8, 8, 1), 3, 1, "float32")


def modules_in(configuration):
    if isinstance(configuration, dict):
        if "class_name" in configuration and "module" in configuration:
            yield configuration["module"], configuration["registered_name"]
        configuration = list(configuration.values())
    if isinstance(configuration, list):
        for part in configuration:
            yield from modules_in(part)


def test_a_model_needs_nothing_of_this_project(model, tmp_path):
    save_model(model, tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        configuration = json.loads(archive.read("config.json"))
    assert not configuration["compile_config"]  # no optimiser, no loss
    found = set(modules_in(configuration))
    assert ("keras.layers", None) in found
    for module, registered in found:
        assert module.split(".")[0] == "keras" or (module, registered) == ("builtins", None)


def test_probabilities_come_in_the_images_order(model, tmp_path):
    save_model(model, tmp_path / "model.keras")
    found = predicted_probabilities(tmp_path / "model.keras", IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(model(IMAGES)), rtol=1e-5, atol=1e-6)


def test_saving_replaces_and_leaves_nothing_else(model, tmp_path):
    (tmp_path / "model.keras").write_text("old")
    save_model(model, tmp_path / "model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    load_model(tmp_path / "model.keras")


def test_a_place_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"model\.keras cannot be written"):
        save_model(model, tmp_path / "file" / "model.keras")


@pytest.mark.parametrize("content", [None, "not a model"])
def test_what_is_not_a_model_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "model.keras").write_text(content)
    with pytest.raises(StorageError, match=r"model\.keras cannot be read"):
        load_model(tmp_path / "model.keras")


def test_a_file_that_holds_code_is_refused(tmp_path, monkeypatch):
    """Somebody else's network may run whatever its Lambda layer says; Keras' safe mode does not."""
    import keras

    network = keras.Sequential(
        [keras.layers.Input((8, 8, 1)), keras.layers.Lambda(lambda x: x + 1)]
    )
    network.save(tmp_path / "code.keras")
    with pytest.raises(StorageError, match=r"code\.keras cannot be read: .*"):
        load_model(tmp_path / "code.keras")
    keras.saving.load_model(tmp_path / "code.keras", safe_mode=False)  # it is sound but for that


@pytest.mark.parametrize("content", [b"", b"[]", b'{"class_name": "os.system", "config": {}}'])
def test_a_damaged_file_is_refused_in_a_sentence(model, tmp_path, content):
    save_model(model, tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, held in {**members, "config.json": content}.items():
            archive.writestr(name, held)
    with pytest.raises(StorageError, match=r"model\.keras cannot be read"):
        load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_flipped_byte_is_refused_in_a_sentence(model, tmp_path, member):
    path = tmp_path / "model.keras"
    save_model(model, path)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(member) + info.compress_size // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"model\.keras cannot be read: ."):
        load_model(path)


def test_large_images_are_classified_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.training.batching.device_kind", lambda: "cpu")
    model = build_model(Architecture.parse("64k3-d8"), (96, 96, 3), 3, 1, "float32")
    save_model(model, tmp_path / "model.keras")
    images = np.random.default_rng(3).integers(0, 256, size=(130, 96, 96, 3)).astype(np.uint8)
    sizes: list[int] = []

    def compiled(*given, **how):
        infer = compile_inference(*given, **how)

        def counted(images):
            sizes.append(len(images))
            return infer(images)

        return counted

    monkeypatch.setattr(saving, "compile_inference", compiled)
    found = predicted_probabilities(tmp_path / "model.keras", images)
    assert sizes == [3] * 43 + [1]
    np.testing.assert_allclose(found, np.asarray(model(images)), rtol=1e-5, atol=1e-6)


def test_a_model_is_on_the_disk_before_it_has_its_name(model, tmp_path, disk_calls):
    """Its trial is complete next, and its checkpoint goes: a power cut must not empty it."""
    path = tmp_path / "model.keras"
    save_model(model, path)
    assert disk_calls == [
        ("fsync", path.stat().st_ino), ("replace", path), ("fsync", tmp_path.stat().st_ino),
    ]  # fmt: skip


def test_an_archive_with_a_password_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    content = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"model\.keras cannot be read: .*password"):
        load_model(path)
