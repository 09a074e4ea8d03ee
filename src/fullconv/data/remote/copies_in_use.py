"""Copies of data sets that processes use, and room for a new one by removing others."""

import os
import shutil
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: there no copy is removed
    fcntl = None

USED = ".used"
"""A file in the folder of each copy: locked by who uses it; its time is that of the last use."""
GONE = ".gone"
"""The end of the hidden name of a copy that is being removed."""
_held: dict[Path, IO[bytes]] = {}


def hold(place: Path) -> None:
    """Keep the copy in ``place``, which is made, until this process ends; OSError passes."""
    while True:
        place.mkdir(parents=True, exist_ok=True)
        file = (place / USED).open("ab")
        if fcntl is not None:
            _lock(file, fcntl.LOCK_SH)
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(place / USED)):
                os.utime(place / USED)
                break
        except FileNotFoundError:  # removed before it was locked
            pass
        file.close()
    if place in _held:
        _held[place].close()
    _held[place] = file


def let_go() -> None:
    """Hold no copy any more."""
    while _held:
        _held.popitem()[1].close()


def make_room(copies: Path, own: Path, size: int, limit: int) -> list[Path]:
    """Remove copies below ``copies`` until they and ``size`` bytes of ``own`` have ``limit``.

    The least recently used first, and none that a process uses; returns the removed ones.
    """
    for left in copies.glob(f".*{GONE}"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    used = {place: _last_use(place) for place in copies.iterdir() if place != own}
    sizes = {place: _size(place) for place, when in used.items() if when is not None}
    total, removed = size + sum(sizes.values()), []
    for place in sorted(sizes, key=lambda place: used[place] or 0):
        if total <= limit:
            break
        if _removed(place):
            total -= sizes[place]
            removed.append(place)
    return removed


def _last_use(place: Path) -> float | None:
    """When a copy was used last; None of what is no copy, or one of an earlier version."""
    try:
        return (place / USED).stat().st_mtime
    except OSError:
        return None


def _size(place: Path) -> int:
    """Bytes of the files of a copy."""
    files = (os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
    return sum(os.lstat(file).st_size for file in files)


def _removed(place: Path) -> bool:
    """Whether a copy could be removed: nobody uses it."""
    if fcntl is None:
        return False
    try:
        with (place / USED).open("ab") as file:
            if not _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
            gone = place.with_name(f".{place.name}{GONE}")
            os.replace(place, gone)  # at once: who comes now makes another
            shutil.rmtree(gone, ignore_errors=True)
    except OSError:
        return False
    return True


def _lock(file: IO[bytes], kind: int) -> bool:
    """Whether the file is locked now; some file systems have no locks."""
    assert fcntl is not None
    try:
        fcntl.flock(file, kind)
    except OSError:
        return False
    return True
