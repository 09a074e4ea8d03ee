"""The cache of a command for what it asks of a data set several times: listings, sizes, splits.

A training opens its data several times before the first step: for the range of its photos, for its
classes, for the crop. With 100,000 photos each listing, stat and split takes a while.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Result = TypeVar("Result")
_results: ContextVar[dict[Hashable, tuple[Any, Any]] | None] = ContextVar("results", default=None)


@contextmanager
def cached_listings() -> Iterator[None]:
    """Within the block each `cached` result is computed once, however often the data is opened.

    Outside of a block nothing is cached: files may change between two calls.
    """
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def cached(key: Hashable, compute: Callable[[], Result], same: tuple[object, ...] = ()) -> Result:
    """``compute()``, or its earlier result for the same ``key`` in this `cached_listings` block.

    ``same`` are further parts of the key that are compared by identity. Results are kept until the
    block ends, so they should be small.
    """
    results = _results.get()
    if results is None:
        return compute()
    key = (key, *map(id, same))
    if key not in results:
        results[key] = compute(), same  # a reference, so that no other object gets the same id
    return results[key][0]
