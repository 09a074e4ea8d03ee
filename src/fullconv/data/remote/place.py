"""Where a data set is read from."""

from pathlib import Path

from fullconv.data.listing_cache import cached
from fullconv.data.remote.local_copy import local_copy
from fullconv.data.shards.cache import DEFAULT_CACHE, CacheOptions
from fullconv.data.shards.filesystem import is_url, url_of
from fullconv.data.shards.index import INDEX
from fullconv.data.shards.remote_storage import MISSING, RemoteStorage
from fullconv.data.shards.source import is_packed_at
from fullconv.errors import UserError


def place_of(data: str | Path, cache: CacheOptions = DEFAULT_CACHE) -> str | Path:
    """Where a data set is read from: its path, that of its copy here, or the URL of its shards."""
    if not is_url(data):
        return Path(data).expanduser()
    url = url_of(data)
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    return cached(("place", url, cache), lambda: _place_of_url(url, cache))


def _place_of_url(url: str, cache: CacheOptions) -> str | Path:
    if is_packed_at(url):
        return url
    if url.startswith(("http://", "https://")):
        label = RemoteStorage(url).label
        raise UserError(
            f"{label}/{INDEX}: there is no such file, and a web server does not list the files of "
            "a folder; name the shards that fullconv pack wrote, a bucket (s3://, gs://, "
            "hf://datasets/), or download the folder",
            MISSING,
        )
    return local_copy(url, cache)
