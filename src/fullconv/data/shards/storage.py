"""The storage of a packed data set: what its reader needs, and a folder on this machine."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from fullconv.errors import UserError

Result = TypeVar("Result")


class Storage(Protocol):
    """A folder of files, here or behind a URL: small ones are read whole, shards by range."""

    @property
    def label(self) -> str:
        """Its name in messages."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether a read waits for a network."""
        ...

    def read(self, name: str) -> bytes:
        """The whole file; UserError where it does not exist or cannot be read."""
        ...

    def read_range(self, name: str, start: int, size: int, sha256: bytes | None) -> bytes:
        """``size`` bytes of a file from ``start`` on.

        UserError where there are fewer, or where they have another digest than ``sha256``.
        """
        ...


@dataclass(frozen=True)
class LocalStorage:
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


def is_intact(content: bytes, size: int, sha256: bytes | None) -> bool:
    """Whether bytes have the size and, where it is known, the digest that the index states."""
    return len(content) == size and (sha256 is None or hashlib.sha256(content).digest() == sha256)


def checked_range(content: bytes, file: str, start: int, size: int, sha256: bytes | None) -> bytes:
    """``content`` itself; UserError where its size or digest differs from what was packed."""
    if is_intact(content, size, sha256):
        return content
    what = f"differs from what was packed, at byte {start}"
    if len(content) < size:
        what = f"ends at byte {start + len(content)}, in the middle of a sample"
    raise UserError(
        f"{file}: {what}; the shard is truncated or damaged: copy it again, or pack the data again",
        "FC-SHARDS-005",
    )
