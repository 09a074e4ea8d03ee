"""What was read of files, kept between commands, by path, size and time of change."""

import contextlib
import hashlib
import io
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.atomic import write_atomically
from fullconv.download.cache import cache_folder
from fullconv.errors import UserError

KEY_BYTES = 16
RECENT = 50_000_000
"""Nanoseconds: a file that changed so shortly ago may change again without another time."""
MOST_STORES = 64
"""Stores that are kept in a folder, the newest."""


def stamp(files: Iterable[Path | str | None]) -> bytes | None:
    """A key of files as they are now, 16 bytes; None where one is being written."""
    parts = []
    for file in files:
        if file is None:
            parts.append("")
            continue
        try:
            stat = os.stat(file)
        except (OSError, ValueError):
            parts.append(f"{file}\0missing")
            continue
        if stat.st_mtime_ns > time.time_ns() - RECENT:
            return None
        parts.append(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}")
    text = "\0\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=KEY_BYTES).digest()


def store_file(kind: str, *identity: str) -> Path:
    """Where a store of a ``kind`` lies, by what it is of."""
    text = "\0".join(identity).encode("utf-8", "surrogateescape")
    name = hashlib.blake2b(text, digest_size=KEY_BYTES).hexdigest()
    return cache_folder() / kind / f"{name}.npz"


def read_store(file: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a store; empty where there is none, or a damaged one."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        keys = content["keys"]
        return content if keys.dtype == np.uint8 and keys.shape[1:] == (KEY_BYTES,) else {}
    except Exception:  # a damaged zip makes numpy raise nearly anything; all is looked at again
        return {}


def write_store(file: Path, keys: Sequence[bytes], arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Keep ``arrays`` beside the ``keys`` of their rows; where nothing can be written, nothing."""
    content = io.BytesIO()
    rows = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)
    np.savez(content, keys=rows, **arrays)  # pyright: ignore[reportArgumentType]  # pyright: ignore[reportArgumentType]
    with contextlib.suppress(OSError, UserError):
        write_atomically(file, content.getvalue())
        stores = sorted(file.parent.glob("*.npz"), key=lambda path: -path.stat().st_mtime)
        for old in stores[MOST_STORES:]:
            old.unlink()


def rows_of(keys: npt.NDArray[np.uint8]) -> dict[bytes, int]:
    """Key -> row."""
    text = keys.tobytes()
    return {
        text[first : first + KEY_BYTES]: row
        for row, first in enumerate(range(0, len(text), KEY_BYTES))
    }
