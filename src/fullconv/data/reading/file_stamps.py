"""What was read of files, kept between commands, by path, size and time of change."""

import contextlib
import hashlib
import io
import os
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.path_list import NameList, PathList
from fullconv.download.cache import cache_folder
from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically

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


Column = tuple[PathList | NameList, Stats]
"""One file of each sample, by its absolute path, and its stats."""


def column(files: PathList, stats: Stats | None = None) -> Column:
    """The column of ``files``, whose ``stats`` may be known."""
    return files.absolute(), stats or Stats.of(files.texts())


def column_of_texts(texts: Sequence[str]) -> Column:
    """Texts that say all that decides a result, in place of files."""
    zeros = np.zeros((len(texts), 2), np.int64)
    return NameList.of(texts), Stats(zeros, np.ones(len(texts), np.bool_))


class Stamps:
    """What tells the samples whose files are in ``columns`` from others, and from what they were.

    A store keeps them beside the results: a digest of all paths with the stats of each sample, by
    which all are compared at once, and a key of each sample (of its paths and stats, 16 bytes), by
    which it is known among other ones.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.stats = np.stack([stats.values for _, stats in columns], 1)  # N,columns,2
        self.are_lasting = np.logical_and.reduce([stats.are_settled for _, stats in columns])

    @cached_property
    def paths(self) -> npt.NDArray[np.uint8]:
        """The digest of all paths, (16,)."""
        joined = b"".join(files.digest() for files, _ in self.columns)
        digest = hashlib.blake2b(joined, digest_size=KEY_BYTES).digest()
        return np.frombuffer(digest, np.uint8)

    @cached_property
    def keys(self) -> npt.NDArray[np.uint8]:
        """The key of each sample, (N, 16)."""
        parts = []
        for files, stats in self.columns:
            texts = files.texts() if isinstance(files, PathList) else files
            pairs = zip(texts, stats.values.tolist(), strict=True)
            parts.append([f"{text}\0{size}\0{changed}" for text, (size, changed) in pairs])
        texts = map("\0\0".join, zip(*parts, strict=True))
        keys = (
            hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
            for text in texts
        )
        return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)

    def rows_in(self, store: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
        """The row of each sample in a store, int64 (N,); -1 where it is not there."""
        count, stats = len(self.stats), store["stats"][: len(self.stats)]
        if np.array_equal(store["paths"], self.paths) and stats.shape == self.stats.shape:
            same = (stats == self.stats).all((1, 2))
            rows = np.where(same, np.arange(count), -1)
        else:
            known, text = rows_of(store["keys"]), self.keys.tobytes()
            keys = (text[at : at + KEY_BYTES] for at in range(0, len(text), KEY_BYTES))
            rows = np.fromiter((known.get(key, -1) for key in keys), np.int64, count)
        return np.where(self.are_lasting, rows, -1)

    def stored(self) -> dict[str, npt.NDArray[Any]]:
        """What a store keeps of those that are lasting, in their order."""
        lasting = self.are_lasting
        paths = self.paths if lasting.all() else self.paths[:0]
        return {"keys": self.keys[lasting], "stats": self.stats[lasting], "paths": paths}


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
        keys, stats, paths = content["keys"], content["stats"], content["paths"]
        fits = keys.shape == (len(keys), KEY_BYTES) and stats.shape == (
            len(keys),
            stats.shape[1],
            2,
        )
        types = (keys.dtype, stats.dtype, paths.dtype) == (np.uint8, np.int64, np.uint8)
        return content if fits and types else {}
    except Exception:  # a damaged zip makes numpy raise nearly anything; all is looked at again
        return {}


def write_store(file: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Keep results beside what `Stamps.stored` gives; where nothing can be written, nothing."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # pyright: ignore[reportArgumentType]
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
