"""The file system of fsspec behind a URL, and which package a protocol needs."""

import re
from pathlib import Path
from typing import Any

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
"""The module that fsspec needs for a protocol, and the package to install."""
CONNECT, SILENCE = 10.0, 60.0  # seconds until a server that does not answer is given up


def is_url(data: Any) -> bool:
    """Whether ``data`` names a place by URL, as s3://bucket/shards; a drive letter is none."""
    return _URL.match(str(data)) is not None


def url_of(data: str | Path) -> str:
    """The URL as fsspec wants it: two slashes, which a Path loses, and none at the end."""
    protocol, rest = _URL.match(str(data)).groups()  # pyright: ignore[reportOptionalMemberAccess]
    slashes = ":///" if protocol.lower() == "file" else "://"
    return f"{protocol.lower()}{slashes}{rest.rstrip('/')}"


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
