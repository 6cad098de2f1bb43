"""All that MLflow finds, which it returns in pages."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlflow.store.entities import PagedList

#: The most that every store of MLflow returns at once.
_PAGE = 1000
Found = TypeVar("Found")


def every(search: "Callable[..., PagedList[Found]]", **asked: object) -> Iterator[Found]:
    """Yield what a search of an ``MlflowClient`` finds.

    Parameters
    ----------
    asked
        What it is asked for, without pages.
    """
    token: str | None = None
    while True:
        page = search(**asked, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
