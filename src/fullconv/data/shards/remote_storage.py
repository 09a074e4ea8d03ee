"""A data set behind a URL: files, their ranges and listings, with retries and a local cache."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fullconv.data.shards.cache import DEFAULT_CACHE, CacheOptions, RangeCache
from fullconv.data.shards.filesystem import is_url, open_filesystem, url_of
from fullconv.data.shards.storage import LocalStorage, Storage, checked_range, is_intact
from fullconv.errors import UserError, reason_of

ATTEMPTS = 4
RETRIED = ("s3", "s3a", "gs", "gcs")
"""Protocols whose libraries retry by themselves: half as many attempts."""
MISSING = "FC-SHARDS-003"
Result = TypeVar("Result")
PAUSE = 0.5  # seconds before the second attempt; doubled before each further one


def storage_of(data: str | Path, cache: CacheOptions = DEFAULT_CACHE) -> Storage:
    """The storage that ``data`` names: the path of a folder, or a URL."""
    if not is_url(data):
        return LocalStorage(Path(data).expanduser())
    url = url_of(data)
    if url.startswith("file://"):
        return LocalStorage(Path(url.removeprefix("file://")))
    return RemoteStorage(url, cache)


@dataclass(frozen=True)
class RemoteStorage:
    """A folder behind a URL, read through fsspec; ranges are kept in a cache on this machine.

    It can be handed to other processes: each opens its own connections.
    """

    url: str
    cache: CacheOptions = DEFAULT_CACHE
    _opened: "_Opened" = field(default_factory=lambda: _Opened(), repr=False, compare=False)

    @property
    def label(self) -> str:
        """The URL without name and password."""
        login, sign, _ = urlsplit(self.url).netloc.rpartition("@")
        return self.url.replace(login + sign, "", 1)

    @property
    def is_remote(self) -> bool:
        """Always."""
        return True

    def read(self, name: str) -> bytes:
        return self.fetched(name)

    def read_range(self, name: str, start: int, size: int, sha256: bytes | None) -> bytes:
        cache = None if sha256 is None else self._opened.range_cache(self.cache)
        if cache is not None and sha256 is not None and (content := cache.get(sha256)) is not None:
            if is_intact(content, size, sha256):
                return content
            cache.drop(sha256)
        content = self.fetched(name, start, start + size)
        if len(content) > size:  # a server without range requests sends the whole file
            content = content[start : start + size]
        checked_range(content, f"{self.label}/{name}", start, size, sha256)
        if cache is not None and sha256 is not None:
            cache.put(sha256, content)
        return content

    def entries(self, folder: str) -> list[dict[str, Any]]:
        """What lies in a folder below the URL ("" for it), as fsspec describes it.

        Of a file there it is the file. Their names begin with `root`. UserError where nothing is
        there, or it cannot be listed.
        """
        filesystem, root = self._opened.filesystem(self.url)
        path = f"{root}/{folder}" if folder else root
        return self._retried(folder, lambda: filesystem.ls(path, detail=True))

    @property
    def root(self) -> str:
        """The folder as its file system calls it."""
        return self._opened.filesystem(self.url)[1]

    def forget_listings(self) -> None:
        """What is listed from now on is of now."""
        self._opened.filesystem(self.url)[0].invalidate_cache()

    def fetched(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """A file, or a range of it; UserError where it cannot be had."""
        filesystem, root = self._opened.filesystem(self.url)
        span = {} if start is None else {"start": start, "end": end}

        def read() -> bytes:
            try:
                return filesystem.cat_file(f"{root}/{name}", **span)
            except Exception as error:
                if status_of(error) == 416:  # the range lies behind the end of the file
                    return b""
                raise

        return self._retried(name, read)

    def _retried(self, name: str, read: Callable[[], Result]) -> Result:
        """The result of ``read``, tried again after errors that may be transient."""
        pause, attempts = PAUSE, ATTEMPTS
        if self.url.partition(":")[0] in RETRIED:
            attempts //= 2
        for attempt in range(1, attempts + 1):
            try:
                return read()
            except UserError:
                raise
            except FileNotFoundError as error:
                raise self._missing(name) from error
            except PermissionError as error:
                raise self._error(name, "access is denied", error, "check the rights and the keys "
                                  "of this machine") from error  # fmt: skip
            except Exception as error:  # each protocol raises exceptions of its own library
                if status_of(error) == 404:
                    raise self._missing(name) from error
                if attempt == attempts or not is_transient(error):
                    raise self._error(name, "cannot be read", error, "check the address and the "
                                      "network") from error  # fmt: skip
            time.sleep(pause)
            pause *= 2
        raise AssertionError  # the last attempt returns or raises

    def _missing(self, name: str) -> UserError:
        return UserError(
            f"{self._named(name)}: there is no such file or folder; check the address", MISSING
        )

    def _error(self, name: str, what: str, error: Exception, fix: str) -> UserError:
        reason = reason_of(error).replace(self.url, self.label)
        return UserError(f"{self._named(name)}: {what} ({reason}); {fix}", "FC-SHARDS-004")

    def _named(self, name: str) -> str:
        return f"{self.label}/{name}" if name else self.label


class _Opened:
    """The connections and the cache of one process; after a fork they are opened anew.

    Threads may open them at the same time: the last one stays, and all are alike.
    """

    def __init__(self) -> None:
        self._filesystem: tuple[int, Any, str] | None = None
        self._cache: tuple[int, RangeCache] | None = None

    def filesystem(self, url: str) -> tuple[Any, str]:
        """The file system of fsspec, and the folder as it calls it."""
        opened = self._filesystem
        if opened is None or opened[0] != os.getpid():
            self._filesystem = opened = (os.getpid(), *open_filesystem(url))
        return opened[1:]

    def range_cache(self, options: CacheOptions) -> RangeCache | None:
        """The cache on this machine; None where its limit is 0."""
        if not options.limit:
            return None
        opened = self._cache
        if opened is None or opened[0] != os.getpid():
            opened = os.getpid(), RangeCache(options.place, options.limit)
            self._cache = opened
        return opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception of any client library, or its cause, carries."""
    own = _own_status(error)
    return status_of(error.__cause__) if own is None and error.__cause__ else own


def _own_status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's ClientError
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    status = getattr(error, "status", getattr(response, "status_code", None))
    return status if isinstance(status, int) else None


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed: cut connections, timeouts, a busy server."""
    status = status_of(error)
    if status is not None:
        return status in (408, 425, 429) or status >= 500
    names = {cls.__name__ for cls in type(error).__mro__}
    passing = {"ClientError", "ClientPayloadError", "HTTPClientError", "ConnectionError"}
    return isinstance(error, OSError | TimeoutError | EOFError) or bool(names & passing)
