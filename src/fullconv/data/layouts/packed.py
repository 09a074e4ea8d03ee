"""Shards that ``fullconv pack`` wrote, in a folder or behind a URL."""

from functools import partial
from pathlib import Path

from fullconv.data.layouts.find_class_file import given_classes
from fullconv.data.layouts.listing import Layout
from fullconv.data.shards.cache import DEFAULT_CACHE, CacheOptions
from fullconv.data.shards.remote_storage import storage_of
from fullconv.data.shards.source import PackedSource, index_of, is_packed, open_packed


def splits(data: str | Path) -> list[str]:
    """The names of the splits."""
    return list(index_of(storage_of(data)).splits)


def open_split(
    data: str | Path,
    split: str,
    classes: Path | None = None,
    cache: CacheOptions = DEFAULT_CACHE,
) -> PackedSource:
    """One split; ``classes`` is a class file in place of the classes in the index."""
    known = None if classes is None else given_classes(classes)
    return open_packed(storage_of(data, cache), split, known)


def with_cache(cache: CacheOptions) -> Layout:
    """The layout, where what comes over a network is kept in ``cache``."""
    return Layout(
        "packed",
        "shards.json with tar shards, as fullconv pack writes",
        is_packed,
        splits,
        partial(open_split, cache=cache),
    )


LAYOUT = with_cache(DEFAULT_CACHE)
