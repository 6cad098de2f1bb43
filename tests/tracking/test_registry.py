"""Champions in a real registry, of sweeps whose training was left out."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.core.errors import StorageError
from pipeline.tracking.champions import Version, history
from pipeline.tracking.keras_model import read_model_folder
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.registry import (
    Registration,
    Registry,
    RegistryError,
    champions,
    download_run_model,
    the_champions_data,
)
from pipeline.tracking.registry_lock import registry_held
from pipeline.tracking.serving import checked_champion, serve_environment
from pipeline.tracking.store import open_client
from pipeline.tracking.sweeps import delete_sweep

Sweep = Any
EXAMPLE = np.arange(28 * 28, dtype=np.uint8).reshape(1, 28, 28, 1)


@pytest.fixture
def registry(small_sweep: Sweep) -> Registry:
    with Mirror(small_sweep.dir, small_sweep.config, small_sweep.data) as mirror:
        assert mirror.sync().failure is None
    return Registry(config=small_sweep.config, data="digits")


def registration(sweep: Sweep, trial: int) -> Registration:
    return Registration(
        sweep=sweep.dir.name,
        trial=trial,
        keras_file=sweep.dir / "models" / f"{trial:04d}.keras",
        classes=sweep.data.classes,
        example=EXAMPLE,
        tags={
            "sweep": sweep.dir.name,
            "trial": str(trial),
            "architecture": "16k5b-d64",
            "val_accuracy": f"0.9{trial}",
            "epoch_seconds": "1.5",
            "leading_cost": "epoch_seconds",
            "model_digest": f"digest-{trial}",
            "reason": "it is better",
        },
        card=f"# card of trial {trial}",
    )


def registered(registry: Registry, new: Registration) -> Version:
    version = registry.register(new, instead_of=registry.version("champion"))
    assert version is not None
    return version


def numbers(registry: Registry) -> tuple[str | None, str | None]:
    found = (registry.version(alias) for alias in ("champion", "previous"))
    champion, previous = (None if version is None else version.number for version in found)
    return champion, previous


def test_champions_come_and_go(registry: Registry, small_sweep: Sweep) -> None:
    assert numbers(registry) == (None, None)
    with pytest.raises(
        RegistryError, match=r"sweetspot-digits has no champion: .* promote mlruns="
    ):
        registry.roll_back()
    assert registered(registry, registration(small_sweep, 0)).number == "1"
    assert numbers(registry) == ("1", None)
    with pytest.raises(RegistryError, match="there is nothing to roll back to"):
        registry.roll_back()
    for trial in (1, 0):
        registered(registry, registration(small_sweep, trial))
    assert numbers(registry) == ("3", "2")
    now, before = registry.roll_back()
    assert (now.number, before.number) == ("2", "3")
    assert numbers(registry) == ("2", "1")
    assert registry.rolled_back("digest-0").number == "3"
    assert registry.rolled_back("digest-1") is None
    registry.roll_back()
    assert numbers(registry) == ("1", None)

    client = open_client(registry.config)
    version = client.get_model_version("sweetspot-digits", "2")
    assert version.description == "# card of trial 1"
    assert version.tags["replaced"] == "1"
    story = client.get_registered_model("sweetspot-digits").description
    rows = [line.split(" | ") for line in story.splitlines() if line.startswith("| ")][2:]
    assert [row[0].strip("| ") for row in rows] == ["3", "2", "1"]
    assert [row[7].partition(" 2")[0] for row in rows] == ["rolled back"] * 2 + ["champion"]


def test_what_is_in_use_has_class_names_and_an_example(
    registry: Registry, small_sweep: Sweep, tmp_path: Path
) -> None:
    import mlflow

    registered(registry, registration(small_sweep, 1))
    champion = registry.version("champion")
    assert champion is not None
    folder = registry.download(champion, tmp_path)
    found = read_model_folder(folder)
    assert found.classes == tuple("0123456789")
    assert found.image_shape == (28, 28, 1)
    kept = small_sweep.dir / "models" / "0001.keras"
    assert found.keras_file.read_bytes() == kept.read_bytes()
    model = mlflow.models.Model.load(str(folder))
    np.testing.assert_array_equal(model.load_input_example(str(folder)), EXAMPLE)
    client = open_client(registry.config)
    (run,) = client.search_runs(
        [client.get_experiment_by_name("sweetspot-digits").experiment_id], "tags.trial = '1'"
    )
    again = download_run_model(registry.config, run.info.run_id, tmp_path / "run")
    assert read_model_folder(again).classes == found.classes
    with pytest.raises(RegistryError, match="refused"):
        download_run_model(registry.config, "0" * 32, tmp_path / "none")


def test_what_is_served_is_a_copy_that_was_checked(registry: Registry, small_sweep: Sweep) -> None:
    with pytest.raises(RegistryError, match="sweetspot-digits has no champion"):
        checked_champion(registry)
    registered(registry, registration(small_sweep, 1))
    served = checked_champion(registry)
    assert served.relative_to(registry.config.mlruns / "served").parts[0].startswith("digits-1-")
    assert read_model_folder(served).classes == tuple("0123456789")
    # MLflow's own guard stays up, whatever the checks let through.
    assert serve_environment(registry)["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_a_champion_that_brings_code_is_not_served(registry: Registry, small_sweep: Sweep) -> None:
    registered(registry, registration(small_sweep, 1))
    client = open_client(registry.config)
    address = client.get_model_version_download_uri("sweetspot-digits", "1")
    described = Path(address.removeprefix("file:"), "MLmodel")
    values = yaml.safe_load(described.read_text())
    values["flavors"]["python_function"]["code"] = "code"
    described.write_text(yaml.safe_dump(values))
    with pytest.raises(StorageError, match="none of sweetspot's"):
        checked_champion(registry)


def test_a_promoted_sweep_stays(registry: Registry, small_sweep: Sweep) -> None:
    registered(registry, registration(small_sweep, 1))
    with pytest.raises(StorageError, match="holds what was promoted"):
        delete_sweep(registry.config, small_sweep.dir.name)
    with Mirror(small_sweep.dir, small_sweep.config, small_sweep.data) as mirror:
        assert mirror.sync().failure is None
    assert numbers(registry) == ("1", None)


def test_what_was_not_mirrored_cannot_be_registered(registry: Registry, small_sweep: Sweep) -> None:
    (small_sweep.dir / "models" / "0001.keras").write_bytes(b"another network")
    with pytest.raises(RegistryError, match=r"trial 1 of question: the store refuses it$"):
        registry.register(
            registration(small_sweep, 1), instead_of=None, refused="the store refuses it"
        )
    with pytest.raises(RegistryError, match=r"sync question mlruns=\S+ brings it there"):
        registered(registry, registration(small_sweep, 1))
    assert numbers(registry) == (None, None)


def test_whose_champion_is_meant(
    registry: Registry, small_sweep: Sweep, fake_sweep: Callable[..., Sweep]
) -> None:
    def asked(name: str) -> Any:
        data = registry.config.data.model_copy(update={"name": name})
        return registry.config.model_copy(update={"data": data})

    assert champions(registry.config) == ()
    with pytest.raises(RegistryError, match="there is no champion yet"):
        the_champions_data(asked("auto"))
    registered(registry, registration(small_sweep, 0))
    assert the_champions_data(asked("auto")) == "digits"
    assert the_champions_data(asked("digits")) == "digits"
    with pytest.raises(RegistryError, match="data=mnist has no champion; there is one of digits"):
        the_champions_data(asked("mnist"))

    client = open_client(registry.config)
    client.create_registered_model("sweetspot-mnist")
    source = client.get_model_version("sweetspot-digits", "1").source
    assert source is not None
    client.create_model_version("sweetspot-mnist", source)
    client.set_registered_model_alias("sweetspot-mnist", "champion", "1")
    assert the_champions_data(asked("mnist")) == "mnist"
    with pytest.raises(RegistryError, match=r"choose one: data=digits or data=mnist$"):
        the_champions_data(asked("auto"))


def test_nobodys_store_is_made_by_asking(fake_sweep: Callable[..., Sweep]) -> None:
    sweep = fake_sweep()
    assert champions(sweep.config) == ()
    assert not (sweep.mlruns / "mlflow.db").exists()


def test_versions_of_others_break_nothing() -> None:
    foreign = Version(number="2", tags={"epoch_seconds": "fast", "protocol": "[1"})
    assert foreign.costs == {}
    assert foreign.protocol == {}
    assert foreign.best_accuracy is None
    assert Version(number="3", tags={"best_val_accuracy": "0.912345"}).best_accuracy == 0.912345
    assert foreign.title == "version 2"
    assert "| 2 | – | – | – of – | – | – | – | champion | – |" in history(
        "digits", [foreign], {"champion": "2"}
    )


def test_a_long_history_fits_into_every_database() -> None:
    versions = [Version(number=str(n), tags={"reason": "it is better " * 9}) for n in range(1, 90)]
    text = history("digits", versions, {"champion": "89"})
    assert len(text) <= 5000
    shown = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert shown[0].startswith("| 89 | ")
    assert f"in the list of versions: {89 - len(shown)}." in text


def test_who_was_judged_against_another_champion_is_none(
    registry: Registry, small_sweep: Sweep
) -> None:
    assert registry.register(registration(small_sweep, 0), instead_of=None) is not None
    assert registry.register(registration(small_sweep, 1), instead_of=None) is None
    assert numbers(registry) == ("1", None)


class Failing:
    """A client one of whose changes fails: before it is done, or after, so that nobody hears."""

    def __init__(self, client: Any, count: int, *, done: bool) -> None:
        self._client = client
        self._left = count
        self._done = done

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not name.startswith(("create_", "set_", "update_", "delete_")):
            return method

        def call(*words: Any, **named: Any) -> Any:
            self._left -= 1
            result = None if self._left == -1 and not self._done else method(*words, **named)
            if self._left == -1:
                from mlflow.exceptions import MlflowException

                raise MlflowException("the connection is reset")
            return result

        return call


def breaking_off(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], object], count: int, *, done: bool
) -> bool:
    """Let one change of a call fail; return whether it came so far."""
    with monkeypatch.context() as patched:
        client = "pipeline.tracking.registry.open_client"
        patched.setattr(client, lambda config: Failing(open_client(config), count, done=done))
        try:
            call()
        except RegistryError:
            return True
    return False


def description(registry: Registry) -> str:
    return str(open_client(registry.config).get_registered_model(registry.name).description)


def versions(registry: Registry) -> list[str]:
    found = open_client(registry.config).search_model_versions(f"name = '{registry.name}'")
    return sorted((str(version.version) for version in found), key=int)


@pytest.mark.parametrize("done", [False, True], ids=["not-done", "unheard"])
def test_a_promotion_that_breaks_off_is_begun_again(
    registry: Registry, small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    registered(registry, registration(small_sweep, 0))
    for count in range(100):
        before, known = registry.version("champion"), versions(registry)
        assert before is not None
        trial = 1 - int(before.tags["trial"])
        new = registration(small_sweep, trial)
        promoting = partial(registered, registry, new)
        broke_off = breaking_off(monkeypatch, promoting, count, done=done)
        champion = registry.version("champion")
        assert champion is not None
        if champion.number == before.number:  # else `promote` says that it is the champion
            champion = registered(registry, new)
        assert champion.tags["trial"] == str(trial)
        assert versions(registry) == [*known, champion.number]
        assert numbers(registry) == (champion.number, before.number)
        assert f"| {champion.number} | " in description(registry)
        if not broke_off:
            break
    assert count == 4  # version, previous, history, champion
    registered(registry, registration(small_sweep, trial))
    assert registry.roll_back()[0].number == champion.number


def test_a_promotion_that_broke_off_elsewhere_is_completed_with_what_is_known_now(
    registry: Registry, small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = registration(small_sweep, 0)
    forced = replace(first, tags={**first.tags, "forced": "true", "reason": "it is not"})
    assert breaking_off(monkeypatch, partial(registered, registry, forced), 2, done=True)
    assert versions(registry) == ["1"] and numbers(registry) == (None, None)
    again = replace(first, card="# another card")
    for count in range(100):
        if not breaking_off(monkeypatch, partial(registered, registry, again), count, done=False):
            break
    assert versions(registry) == ["1"] and numbers(registry) == ("1", None)
    found = open_client(registry.config).get_model_version(registry.name, "1")
    assert found.tags["reason"] == "it is better" and "forced" not in found.tags
    assert found.description == "# another card"


@pytest.mark.parametrize("done", [False, True], ids=["not-done", "unheard"])
@pytest.mark.parametrize("earlier", [0, 1], ids=["to-the-first", "to-a-later-one"])
def test_a_rollback_that_breaks_off_is_begun_again(
    registry: Registry,
    small_sweep: Sweep,
    monkeypatch: pytest.MonkeyPatch,
    earlier: int,
    done: bool,
) -> None:
    for trial in range(1 + earlier):
        registered(registry, registration(small_sweep, trial))
    back, further = numbers(registry)
    for count in range(100):
        taken_back = registered(registry, registration(small_sweep, 1 - earlier))
        assert numbers(registry) == (taken_back.number, back)
        broke_off = breaking_off(monkeypatch, registry.roll_back, count, done=done)
        champion = registry.version("champion")
        assert champion is not None
        if champion.number == taken_back.number:
            now, before = registry.roll_back()
            assert (now.number, before.number) == (back, taken_back.number)
        assert numbers(registry) == (back, further)
        assert (
            "rolled_back"
            in open_client(registry.config).get_model_version(registry.name, taken_back.number).tags
        )
        (row,) = (r for r in description(registry).splitlines() if f"| {taken_back.number} |" in r)
        assert "rolled back" in row
        if not broke_off:
            break
    assert count == 4  # tag, previous, history, champion


def test_a_network_that_is_removed_on_its_way_is_named(
    registry: Registry, small_sweep: Sweep
) -> None:
    (small_sweep.dir / "models" / "0001.keras").unlink()
    with pytest.raises(RegistryError, match=r"trial 1 of question has been removed meanwhile: .*"):
        registered(registry, registration(small_sweep, 1))


def test_nothing_is_promoted_while_a_sweep_is_removed(
    registry: Registry, small_sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.tracking.registry_lock._LOCK_SECONDS", 0.0)
    refused = []

    def remove(client: Any, run: Any) -> None:
        with pytest.raises(StorageError, match="has been changing the champions") as error:
            registered(registry, registration(small_sweep, 0))
        refused.append(error)

    monkeypatch.setattr("pipeline.tracking.entities.remove_run", remove)
    with registry_held(registry.config.mlruns), pytest.raises(StorageError, match="changing the"):
        delete_sweep(registry.config, small_sweep.dir.name)
    assert refused == []
    assert delete_sweep(registry.config, small_sweep.dir.name) == len(refused) > 0


def test_a_lock_that_cannot_be_had_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".registry.lock").mkdir()
    refused = pytest.raises(StorageError, match=r"\.registry\.lock cannot be taken: Is a directory")
    with refused, registry_held(tmp_path):
        pass
