"""Bytes that came over a network, kept on this machine up to a limit; several processes share it.

A file is called as the SHA-256 of its content, written to a temporary name and renamed, and its
size and digest are checked by whoever reads it: a file that was cut or damaged is read again.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from fullconv.download.cache import acquire, cache_folder
from fullconv.errors import UserError

DEFAULT_LIMIT = 20 * 2**30  # bytes
FILLED = 0.9  # of the limit, to which the cache is emptied when it is full
SHARE = 0.02  # of the limit that a process writes before it looks how full the cache is
TOUCHED = 60.0  # seconds after which a use is noted again
STALE = 3600.0  # seconds after which a temporary file was left by a process that was killed


@dataclass(frozen=True)
class CacheOptions:
    """Where ranges of remote files are kept, and how many bytes; a ``limit`` of 0 keeps none.

    Without a ``folder`` they are in ``shards/`` of the cache folder (FULLCONV_CACHE). Folders
    behind a URL of at most ``limit`` bytes are copied into `copies`.
    """

    folder: Path | None = None
    limit: int = DEFAULT_LIMIT

    @property
    def place(self) -> Path:
        """The folder."""
        return self.folder.expanduser() if self.folder else cache_folder() / "shards"

    @property
    def copies(self) -> Path:
        """The folder of the copies of data sets that are folders behind a URL, absolute."""
        base = self.folder.expanduser() if self.folder else cache_folder()
        return base.absolute() / "datasets"


DEFAULT_CACHE = CacheOptions()
ALL_OF_THE_DISK = CacheOptions(limit=sys.maxsize)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def size_in_bytes(text: str, what: str) -> int:
    """'20GB', '256 MiB', '0' in bytes, a unit being 1024 of the smaller one; UserError for others.

    ``what`` is the option that says so.
    """
    match = _SIZE.fullmatch(str(text).strip())
    if not match:
        raise UserError(
            f"{what} {str(text)[:40]!r}: is no size; write it as 256MB or 20GB", "FC-SHARDS-009"
        )
    return round(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


class RangeCache:
    """A folder of files by digest, the least recently used removed at the limit."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._written: int | None = None  # since the last look; None: not looked yet
        self._lock = threading.Lock()

    def get(self, sha256: bytes) -> bytes | None:
        """The bytes under a digest, unchecked; None where they are not here."""
        file = self._file(sha256)
        try:
            with open(file, "rb") as opened:
                content = opened.read()
                age = time.time() - os.fstat(opened.fileno()).st_mtime
        except OSError:
            return None
        if age > TOUCHED:
            with contextlib.suppress(OSError):
                os.utime(file)
        return content

    def put(self, sha256: bytes, content: bytes) -> None:
        """Keep ``content``, making room first. A disk that cannot be written keeps nothing."""
        if len(content) > self.limit * FILLED:
            return
        file = self._file(sha256)
        if file.exists():
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._make_room(len(content))
            self._write(file, content)
        except OSError as error:
            if self._written is None:  # the first one: a folder that cannot be used at all
                raise UserError(
                    f"{self.folder}: the cache cannot be written: {error.strerror or error}; name "
                    'another folder with data.cache, or set data.cache_size = "0"',
                    "FC-SHARDS-006",
                ) from error

    def drop(self, sha256: bytes) -> None:
        """Remove what turned out to be damaged."""
        with contextlib.suppress(OSError):
            self._file(sha256).unlink()

    def _file(self, sha256: bytes) -> Path:
        name = sha256.hex()
        return self.folder / name[:2] / name

    def _write(self, file: Path, content: bytes) -> None:
        # No fsync: what a crash cuts short is found by its digest.
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(content)
            os.replace(temporary, file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _make_room(self, size: int) -> None:
        if self._written is None or self._written + size > self.limit * SHARE:
            self._remove_oldest(size)
            self._written = 0
        self._written += size

    def _remove_oldest(self, size: int) -> None:
        """Remove files, the least recently used first, where ``size`` more would fill the cache."""
        with contextlib.suppress(Timeout), self._locked():
            files = self._files()
            total = sum(entry[1] for entry in files)
            if total + size <= self.limit * FILLED:
                return
            for _, bytes_of_file, path in sorted(files):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                total -= bytes_of_file
                # Lower than need be, so that not each file that comes looks through all.
                if total + size <= self.limit * (FILLED - 2 * SHARE):
                    return

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time removes files; filelock's Timeout where another one takes long."""
        lock = FileLock(self.folder / ".lock", timeout=30)
        acquire(lock)
        try:
            yield
        finally:
            lock.release()

    def _files(self) -> list[tuple[float, int, str]]:
        """Time of the last use, bytes and path of each file."""
        files = []
        folders = [entry for entry in os.scandir(self.folder) if entry.is_dir()]
        for folder in folders:
            if len(folder.name) != 2:  # `CacheOptions.copies`
                continue
            for entry in os.scandir(folder):
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    if entry.name.startswith(".") and time.time() - stat.st_mtime < STALE:
                        continue  # being written
                    files.append((stat.st_mtime, stat.st_size, entry.path))
        return files
