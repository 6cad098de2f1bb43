from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from mlflow.store.entities import PagedList

from pipeline.tracking.entities import registered_versions, sweep_runs
from pipeline.tracking.paging import every
from pipeline.tracking.registry import Registry, _registered_models


def pages(*contents: list[Any]) -> Any:
    """Return a search that finds its results in pages."""

    def search(*_: object, page_token: str | None = None, **__: object) -> PagedList[Any]:
        number = int(page_token or 0)
        last = number + 1 == len(contents)
        return PagedList(contents[number], None if last else str(number + 1))

    return MagicMock(side_effect=search)


def version(number: int) -> Any:
    return SimpleNamespace(version=number, tags={}, name="sweetspot-digits", run_id=str(number))


def test_every_page_is_read() -> None:
    search = pages([1, 2], [], [3])
    assert list(every(search, filter_string="a")) == [1, 2, 3]
    assert search.call_count == 3


def test_a_registry_of_many_models_and_versions_is_read_to_its_end() -> None:
    ours: Any = SimpleNamespace(name="sweetspot-digits", aliases={"champion": 2})
    client = MagicMock(
        search_registered_models=pages([SimpleNamespace(name="sweetspot-a", aliases={})], [ours]),
        search_model_versions=pages([version(1)], [version(2)]),
        search_runs=pages(["a"], ["b"]),
    )
    assert _registered_models(client)[-1] is ours
    asked = client.search_registered_models.call_args.kwargs
    assert asked["filter_string"] == "name LIKE 'sweetspot-%'"
    registry = Registry(config=MagicMock(), data="digits")
    versions, aliases = registry._versions(client)
    assert [item.number for item in versions] == ["1", "2"]
    assert aliases["champion"].number == "2"
    assert registered_versions(client, {"2"}) == ["sweetspot-digits version 2"]
    runs: list[Any] = list(sweep_runs(client, ["7"], "some"))
    assert runs == ["a", "b"]
