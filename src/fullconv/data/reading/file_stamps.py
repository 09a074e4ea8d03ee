"""What was read of files, kept between commands, by path, size and time of change."""

import contextlib
import hashlib
import io
import os
import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class Stats:
    """What the system says of files: size and time of change, int64 (N, 2), size -1 for none there.

    ``are_settled``, bool (N,), is False where a file has changed a moment ago.
    """

    values: npt.NDArray[np.int64]
    are_settled: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, paths: Iterable[str]) -> "Stats":
        """Those of now: one look at each file, none at the path ""."""
        settled, values = time.time_ns() - RECENT, array("q")
        for path in paths:
            values.extend(_size_and_time(path))
        table = np.frombuffer(values, np.int64).reshape(-1, 2)
        return cls(table, table[:, 1] <= settled)


def _size_and_time(path: str) -> tuple[int, int]:
    if not path:
        return 0, 0
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return -1, 0
    return stat.st_size, stat.st_mtime_ns


Column = tuple[Iterable[str], Stats]
"""One file of each sample: its absolute path, "" for none, and its stats."""


def column(paths: Iterable[str], stats: Stats) -> Column:
    """The files at ``paths``, which may be relative."""
    here = os.path.join(os.getcwd(), "")
    return (path if not path or os.path.isabs(path) else here + path for path in paths), stats


def column_of_texts(texts: Sequence[str]) -> Column:
    """Texts that say all that decides a result, in place of files."""
    zeros = np.zeros((len(texts), 2), np.int64)
    return texts, Stats(zeros, np.ones(len(texts), np.bool_))


@dataclass(frozen=True, eq=False)
class Keys:
    """What tells samples from others and from what they were: 16 bytes each, uint8 (N, 16).

    ``are_lasting`` is False, bool (N,), where a file may change again without another time.
    """

    values: npt.NDArray[np.uint8]
    are_lasting: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> "Keys":
        """The keys of samples of one file in each of the ``columns``."""
        parts = []
        for paths, stats in columns:
            pairs = zip(paths, stats.values.tolist(), strict=True)
            parts.append([f"{path}\0{size}\0{changed}" for path, (size, changed) in pairs])
        texts = map("\0\0".join, zip(*parts, strict=True))
        digests = (
            hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
            for text in texts
        )
        values = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, KEY_BYTES)
        return cls(values, np.logical_and.reduce([stats.are_settled for _, stats in columns]))

    def rows_in(self, stored: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The row of each key among ``stored`` ones, int64 (N,); -1 where it is not there."""
        if self.values.shape == stored.shape and (self.values == stored).all():
            rows = np.arange(len(stored))
        else:
            known, text = rows_of(stored), self.values.tobytes()
            rows = np.fromiter(
                (known.get(text[n : n + KEY_BYTES], -1) for n in range(0, len(text), KEY_BYTES)),
                np.int64, len(self.values),
            )  # fmt: skip
        return np.where(self.are_lasting, rows, -1)


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


def write_store(
    file: Path, keys: npt.NDArray[np.uint8], arrays: dict[str, npt.NDArray[Any]]
) -> None:
    """Keep ``arrays`` beside the ``keys`` of their rows; where nothing can be written, nothing."""
    content = io.BytesIO()
    np.savez(content, keys=keys, **arrays)  # pyright: ignore[reportArgumentType]
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
