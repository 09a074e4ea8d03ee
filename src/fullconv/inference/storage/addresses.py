"""Buckets and other storage by address (s3://, gs://, hf://, memory://), through fsspec.

Nothing of fsspec is imported before an address is used. What goes wrong there is one line.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from fullconv.data.reading.walk import is_debris
from fullconv.data.remote.remote_files import Stored, stored_of
from fullconv.errors import UserError, printable, reason_of


@dataclass(frozen=True)
class Scheme:
    """The package that reads a protocol, the extra that installs it, and its options."""

    package: str = "fsspec"
    extra: str = ""


SCHEMES = {
    "s3": Scheme("s3fs", "s3"),
    "s3a": Scheme("s3fs", "s3"),
    "gs": Scheme("gcsfs", "gs"),
    "gcs": Scheme("gcsfs", "gs"),
    "hf": Scheme("huggingface_hub", "hub"),
    "memory": Scheme(),
}
MOST_PHOTO = 2**28
"""Bytes of a photo, as of one that is fetched from the web."""
_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 4}}
_CREDENTIALS = frozenset({
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError",
    "TokenRetrievalError", "ProfileNotFound", "RefreshError", "DefaultCredentialsError",
    "GoogleAuthError", "GatedRepoError", "LocalTokenNotFoundError", "PermissionError",
})  # fmt: skip
"""Exceptions that say that a login is missing or has no rights, by their names."""


def is_stored(name: str | Path) -> bool:
    """Whether a name is an address of storage, as s3://bucket/photos."""
    return scheme_of(str(name)) in SCHEMES


def scheme_of(name: str) -> str:
    """The protocol of an address, in lower case: the part before '://'; '' where there is none."""
    scheme, sign, _ = name.partition("://")
    return scheme.lower() if sign else ""


def local_path(name: str) -> str:
    """A file:// address as the path that it names; everything else as it is."""
    if scheme_of(name) != "file":
        return name
    parts = urlsplit(name)
    if parts.netloc not in ("", "localhost"):
        raise UserError(
            f"{printable(name)}: names another computer; write file:/// and the path",
            "FC-STORAGE-002",
        )
    return unquote(parts.path)


def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises UserError where the package that reads it is not installed.
    """
    name = scheme_of(address)
    scheme = SCHEMES[name]
    try:
        import fsspec

        importlib.import_module(scheme.package)
    except ImportError:
        raise UserError(
            f"{printable(address)}: needs {scheme.package}; pip install 'fullconv[{scheme.extra}]'",
            "FC-STORAGE-001",
        ) from None
    options = {"config_kwargs": _TIMEOUTS} if scheme.package == "s3fs" else {}
    with storage_errors(address):
        system = fsspec.filesystem(name, **options)
        return system, system._strip_protocol(f"{name}{address[len(name) :]}").rstrip("/")


@contextmanager
def storage_errors(address: str) -> Iterator[None]:
    """Turns what fsspec and the packages behind it raise in the block into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each package has exceptions of its own
        raise _error(error, printable(address)) from error


def _error(error: Exception, shown: str) -> UserError:
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, FileNotFoundError):
        return UserError(f"{shown}: no such bucket, folder or file", "FC-STORAGE-003")
    if names & _CREDENTIALS:
        return UserError(
            f"{shown}: no right to it ({reason_of(error)}); log in, or set the credentials as for "
            "the storage's own tools",
            "FC-STORAGE-004",
        )
    return UserError(
        f"{shown}: cannot be reached ({reason_of(error)}); look at the address and the connection",
        "FC-STORAGE-005",
    )


class StoredPlace:
    """What is at an address, asked for only where it is needed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._system, path = file_system(address)
        self.path = PurePosixPath(path)

    def exists(self, path: PurePath) -> bool:
        """Whether ``path``, in the same storage as ``self.path``, is a file or a folder."""
        with storage_errors(self._address):
            return bool(self._system.exists(str(path)))

    def files(self, folder: PurePosixPath) -> set[str]:
        """Names of the files in a folder below the address; none where there is no such folder."""
        with storage_errors(self._address):
            self._system.invalidate_cache()
            paths = self._system.find(str(self.path / folder), maxdepth=1)
        return {PurePosixPath(path).name for path in paths}


def stored_file(path: str) -> Stored:
    """A file of this disk, as storage lists one; an OSError passes through."""
    status = os.stat(path)
    return Stored(path, status.st_size, f"{status.st_size} {status.st_mtime_ns}")


def listed_files(address: str) -> list[tuple[Stored, int]]:
    """The file at ``address``, or all files below it, or those that a pattern matches.

    Each with the number of parts of its path below what was named (1 for a file). Hidden files and
    folders are left out, as on a disk. Raises UserError where nothing is there.
    """
    system, path = file_system(address)
    with storage_errors(address):
        system.invalidate_cache()
        try:
            info = system.info(path)
        except FileNotFoundError:
            matches = system.glob(path, detail=True) if any(s in path for s in "*?[") else {}
            if not matches:
                raise
            return [(_stored(system, i), 1) for i in _files_of(matches, _fixed(path))]
        if info["type"] == "file":
            return [(_stored(system, info), 1)]
        entries = system.find(path, detail=True)
    return [
        (_stored(system, info), info["name"][len(path) :].strip("/").count("/") + 1)
        for info in _files_of(entries, path)
    ]


def _files_of(entries: dict[str, Any], below: str) -> list[Any]:
    """The files of a listing, sorted by name, without hidden ones and those of systems."""
    files = (info for info in entries.values() if info["type"] == "file")
    visible = (
        info for info in files if not any(map(is_debris, info["name"][len(below) :].split("/")))
    )
    return sorted(visible, key=lambda info: info["name"])


def _fixed(pattern: str) -> str:
    """The folder of a pattern before its first sign."""
    first = min(pattern.find(sign) for sign in "*?[" if sign in pattern)
    return pattern[: pattern[:first].rfind("/") + 1]


def _stored(system: Any, info: Any) -> Stored:
    return stored_of(system.unstrip_protocol(info["name"]), info)


def read_stored(address: str) -> bytes:
    """All bytes of a file; UserError where it cannot be had."""
    system, path = file_system(address)
    with storage_errors(address):
        return system.cat_file(path)


def open_stored(address: str) -> Any:
    """A file to read from, seekable; its own errors pass through."""
    system, path = file_system(address)
    with storage_errors(address):
        return system.open(path, "rb")


def fetch_stored(address: str, to: Path) -> None:
    """Copy a file to the path ``to``."""
    system, path = file_system(address)
    with storage_errors(address):
        system.get_file(path, str(to))
