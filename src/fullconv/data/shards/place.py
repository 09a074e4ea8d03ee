"""Where a packed data set lies: a folder, or a URL that fsspec reads; bytes by file and range."""

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from fullconv.data.shards.cache import DEFAULT_CACHE, CacheOptions, RangeCache
from fullconv.errors import UserError, printable, reason_of

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
_PACKAGES = {
    "s3": ("s3fs", "fullconv[s3]"),
    "s3a": ("s3fs", "fullconv[s3]"),
    "gs": ("gcsfs", "fullconv[gs]"),
    "gcs": ("gcsfs", "fullconv[gs]"),
    "hf": ("huggingface_hub", "fullconv[hub]"),
    "http": ("aiohttp", "aiohttp"),
    "https": ("aiohttp", "aiohttp"),
}
"""What fsspec needs for a protocol, and what to install."""
ATTEMPTS = 4
RETRIED = ("s3", "s3a", "gs", "gcs")
"""Protocols whose libraries try again themselves: half as many attempts."""
PAUSE = 0.5  # seconds before the second attempt; doubled before each further one
CONNECT, SILENCE = 10.0, 60.0  # seconds until a server that does not answer is given up

Result = TypeVar("Result")


def is_url(data: Any) -> bool:
    """Whether ``data`` names a place by URL, as s3://bucket/shards; a drive letter is none."""
    return _URL.match(str(data)) is not None


def url_of(data: str | Path) -> str:
    """The URL as fsspec wants it: two slashes, which a Path loses, and none at the end."""
    protocol, rest = _URL.match(str(data)).groups()  # pyright: ignore[reportOptionalMemberAccess]
    slashes = ":///" if protocol.lower() == "file" else "://"
    return f"{protocol.lower()}{slashes}{rest.rstrip('/')}"


class Place(Protocol):
    """A folder of files: small ones are read whole, shards by range."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether a read waits for a network."""
        ...

    def read(self, name: str) -> bytes:
        """All of a file; UserError where it is not there or cannot be read."""
        ...

    def read_range(self, name: str, start: int, size: int, sha256: bytes | None) -> bytes:
        """``size`` bytes of a file from ``start`` on.

        UserError where there are fewer, or where they have another digest than ``sha256``.
        """
        ...


@dataclass(frozen=True)
class LocalPlace:
    """A folder on this machine."""

    folder: Path

    @property
    def label(self) -> str:
        """The folder's path."""
        return str(self.folder)

    @property
    def is_remote(self) -> bool:
        """Never."""
        return False

    def read(self, name: str) -> bytes:
        file = self.folder / name
        return _local(file, file.read_bytes)

    def size(self, name: str) -> int:
        """Bytes of a file; UserError where it is not there."""
        file = self.folder / name
        return _local(file, lambda: file.stat().st_size)

    def read_range(self, name: str, start: int, size: int, sha256: bytes | None) -> bytes:
        file = self.folder / name

        def read() -> bytes:
            with open(file, "rb", buffering=0) as opened:
                opened.seek(start)
                return opened.read(size)

        return checked_range(_local(file, read), f"{file}", start, size, sha256)


def _local(file: Path, read: Callable[[], Result]) -> Result:
    try:
        return read()
    except FileNotFoundError:
        raise UserError(
            f"{file}: is not there; copy the whole folder again, or pack the data again",
            "FC-SHARDS-003",
        ) from None
    except OSError as error:
        raise UserError(
            f"{file}: cannot be read: {error.strerror or error}", "FC-FILE-001"
        ) from error


@dataclass(frozen=True)
class RemotePlace:
    """A folder behind a URL, read through fsspec; ranges are kept in a cache on this machine.

    It can be handed to other processes: each opens its own connections.
    """

    url: str
    cache: CacheOptions = DEFAULT_CACHE
    _opened: "_Opened" = field(default_factory=lambda: _Opened(), repr=False, compare=False)

    @property
    def label(self) -> str:
        """The URL without name and password."""
        parts = urlsplit(self.url)
        return self.url.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1)

    @property
    def is_remote(self) -> bool:
        """Always."""
        return True

    def read(self, name: str) -> bytes:
        return self._fetched(name)

    def read_range(self, name: str, start: int, size: int, sha256: bytes | None) -> bytes:
        cache = None if sha256 is None else self._opened.range_cache(self.cache)
        if cache is not None and sha256 is not None and (content := cache.get(sha256)) is not None:
            if is_right(content, size, sha256):
                return content
            cache.drop(sha256)
        content = self._fetched(name, start, start + size)
        if len(content) > size:  # a server that knows no ranges gives the whole file
            content = content[start : start + size]
        checked_range(content, f"{self.label}/{name}", start, size, sha256)
        if cache is not None and sha256 is not None:
            cache.put(sha256, content)
        return content

    def _fetched(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """A file, or a range of it."""
        filesystem, root = self._opened.filesystem(self.url)
        span = {} if start is None else {"start": start, "end": end}
        return self._tried(name, lambda: filesystem.cat_file(f"{root}/{name}", **span))

    def _tried(self, name: str, read: Callable[[], bytes]) -> bytes:
        """What ``read`` gives, tried again after errors that may pass."""
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
                if (status := status_of(error)) == 404:
                    raise self._missing(name) from error
                if status == 416:  # the range lies behind the end of the file
                    return b""
                if attempt == attempts or not may_pass(error):
                    raise self._error(name, "cannot be read", error, "check the address and the "
                                      "network") from error  # fmt: skip
            time.sleep(pause)
            pause *= 2
        raise AssertionError  # the last attempt returns or raises

    def _missing(self, name: str) -> UserError:
        return UserError(f"{self.label}/{name}: there is no such file; check the address: it is "
                         "the folder that fullconv pack wrote", "FC-SHARDS-003")  # fmt: skip

    def _error(self, name: str, what: str, error: Exception, fix: str) -> UserError:
        reason = reason_of(error).replace(self.url, self.label)
        return UserError(f"{self.label}/{name}: {what} ({reason}); {fix}", "FC-SHARDS-004")


def is_right(content: bytes, size: int, sha256: bytes | None) -> bool:
    """Whether bytes have the size and, where it is known, the digest that the index states."""
    return len(content) == size and (sha256 is None or hashlib.sha256(content).digest() == sha256)


def checked_range(content: bytes, file: str, start: int, size: int, sha256: bytes | None) -> bytes:
    """``content`` itself; UserError where it is not what was packed."""
    if is_right(content, size, sha256):
        return content
    what = f"differs from what was packed, at byte {start}"
    if len(content) < size:
        what = f"ends at byte {start + len(content)}, in the middle of a sample"
    raise UserError(
        f"{file}: {what}; the shard is truncated or damaged: copy it again, or pack the data again",
        "FC-SHARDS-005",
    )


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


def may_pass(error: BaseException) -> bool:
    """Whether a second attempt may go better: cut connections, silence, a busy server."""
    status = status_of(error)
    if status is not None:
        return status in (408, 425, 429) or status >= 500
    names = {cls.__name__ for cls in type(error).__mro__}
    passing = {"ClientError", "ClientPayloadError", "HTTPClientError", "ConnectionError"}
    return isinstance(error, OSError | TimeoutError | EOFError) or bool(names & passing)


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


def open_filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it; UserError names what is not installed."""
    protocol = url.partition("://")[0]
    try:
        import fsspec
    except ImportError:
        raise _not_installed(url, ("fsspec", "fsspec")) from None
    options: dict[str, Any] = {}
    if protocol in ("http", "https"):
        options["client_kwargs"] = {"timeout": _timeout(url)}
    elif protocol in ("s3", "s3a"):
        options["config_kwargs"] = {"connect_timeout": CONNECT, "read_timeout": SILENCE}
    try:
        filesystem, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        other = reason_of(error), f"the package that fsspec needs for {protocol}"
        raise _not_installed(url, _PACKAGES.get(protocol, other)) from error
    except ValueError as error:
        raise UserError(
            f"{printable(url)}: cannot be opened ({reason_of(error)}); addresses begin with "
            "s3://, gs://, hf://datasets/, https:// or http://",
            "FC-SHARDS-002",
        ) from error
    return filesystem, root.rstrip("/")


def _timeout(url: str) -> Any:
    try:
        import aiohttp
    except ImportError:
        raise _not_installed(url, _PACKAGES["http"]) from None
    return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENCE)


def _not_installed(url: str, package: tuple[str, str]) -> UserError:
    name, install = package
    return UserError(
        f"{printable(url)}: needs {name}, which is not installed: pip install '{install}'",
        "FC-SHARDS-001",
    )


def place_of(data: str | Path, cache: CacheOptions = DEFAULT_CACHE) -> Place:
    """The place that ``data`` names: a folder's path, or a URL."""
    if not is_url(data):
        return LocalPlace(Path(data).expanduser())
    url = url_of(data)
    if url.startswith("file://"):
        return LocalPlace(Path(url.removeprefix("file://")))
    return RemotePlace(url, cache)
