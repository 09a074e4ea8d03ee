"""Published data sets: which there are (``registry.toml``), and how they are downloaded."""

from fullconv.data.published.registry import (
    PublishedData,
    fetch,
    find_published_data,
    published_data,
    read_published,
)

__all__ = ["PublishedData", "fetch", "find_published_data", "published_data", "read_published"]
