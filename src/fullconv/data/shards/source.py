"""A split of a packed data set as a Source: any sample by its number, by one range of a shard."""

import io
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.mask_classes import mask_of
from fullconv.data.reading.image import read_with_mask
from fullconv.data.reading.mask import read_mask, stored_values
from fullconv.data.sample import Mask, Sample, Source
from fullconv.data.shards.index import (
    INDEX,
    PHOTO,
    PHOTO_SIZE,
    SHARD,
    Index,
    SplitFile,
    SplitIndex,
    read_index,
    read_split_index,
)
from fullconv.data.shards.remote_storage import MISSING, storage_of
from fullconv.data.shards.storage import LocalStorage, Storage
from fullconv.errors import DataError, UserError
from fullconv.modalities import AS_STORED, ReadOptions

THREADS = 16
"""Ranges that a process reads at once: with 50 ms each, 320 in a second."""
AHEAD = 32
"""Samples that are read before they are asked for, where nobody says which come next."""
MOST_AHEAD = 64  # samples that are kept of those that nobody asks for
BYTES_AHEAD = 2**27  # that may be on their way at once
FRESH = 60.0  # seconds for which the index behind a URL is not read again


@dataclass(frozen=True, eq=False, repr=False)
class PackedSource:
    """The samples of a split in shards; each read is checked against the index by its digest.

    ``classes`` are the data's own, or others for the same masks. ``is_checked`` says that `pack`
    has looked at every sample with these classes.
    """

    storage: Storage
    index: SplitIndex
    classes: ClassSet
    split: str
    options: ReadOptions = AS_STORED
    is_checked: bool = False
    _ahead: "ReadAhead" = field(default_factory=lambda: ReadAhead(), repr=False)

    def __repr__(self) -> str:
        return f"PackedSource({self.storage.label!r}, {self.split!r}, {len(self)} photos)"

    @property
    def names(self) -> tuple[str, ...]:
        """One name a photo, as in the data that was packed."""
        return self.index.names

    @property
    def largest(self) -> tuple[int, int]:
        """Height and width of the photo with the most pixels."""
        return self.index.largest

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Sample:
        content = self._bytes(index)
        size = int(self.index.spans[index, PHOTO_SIZE])
        label = self._label(index)
        photo = io.BytesIO(content[:size])
        image, valid = read_with_mask(photo, label, options=self.options)
        mask = self._mask(index, content)
        if mask is not None and mask.shape[:2] != image.shape[:2]:
            (height, width), (rows, columns) = image.shape[:2], mask.shape[:2]
            what = f"the mask is {columns} x {rows} but the photo is {width} x {height}"
            raise DataError(label, what, "", "correct the data and pack it again", "FC-DATA-109")
        if mask is not None and valid is not None:
            labelled = valid[..., None] if mask.ndim == 3 else valid  # overlapping classes
            mask = np.where(labelled, mask, mask.dtype.type(self.classes.ignore))
        return Sample(self.names[index], image, mask)

    def mask(self, index: int) -> Mask | None:
        """The mask alone; None where there is none."""
        shard, _, _, start, size, *_ = self.index.spans[index].tolist()
        if not size:
            return None
        if self.storage.is_remote:  # the whole sample, which is then in the cache
            return self._mask(index, self._bytes(index))
        file = self.index.shards[shard].file
        return self._decoded(index, self.storage.read_range(file, start, size, None))

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """None: a photo is no file of its own."""
        return None, None

    def prefetch(self, indices: Sequence[int]) -> None:
        """Begin to read the samples that are wanted next, the next one first."""
        if self.storage.is_remote:
            self._ahead.start(self, indices)

    def chosen(self, indices: Sequence[int], split: str) -> "PackedSource":
        """The samples at ``indices``, as a split of that name."""
        return replace(self, index=self.index.chosen(indices), split=split, _ahead=ReadAhead())

    def digest(self, index: int) -> bytes:
        """The digest of the bytes of photo and mask."""
        return self.index.digests[index].tobytes()

    def check_shards(self) -> None:
        """UserError for shards in a folder that are missing or of another size than packed."""
        if not isinstance(self.storage, LocalStorage):
            return
        for shard in self.index.shards:
            size = self.storage.size(shard.file)
            if size != shard.size:
                raise UserError(
                    f"{self.storage.folder / shard.file}: has {size} bytes instead of "
                    f"{shard.size}; the shard is truncated or damaged: copy it again, or pack the "
                    "data again",
                    "FC-SHARDS-005",
                )

    def _label(self, index: int) -> str:
        shard = self.index.shards[int(self.index.spans[index, SHARD])]
        return f"{self.storage.label}/{shard.file}[{self.names[index]}]"

    def _bytes(self, index: int) -> bytes:
        return self._ahead.taken(self, index) if self.storage.is_remote else self.read_bytes(index)

    def read_bytes(self, index: int) -> bytes:
        """Photo, what a tar has between, and mask, read now; UserError where they are damaged."""
        shard, start = self.index.spans[index, [SHARD, PHOTO]].tolist()
        file = self.index.shards[shard].file
        return self.storage.read_range(file, start, self.size(index), self.digest(index))

    def size(self, index: int) -> int:
        """How many bytes these are."""
        _, start, size, mask, mask_size, *_ = self.index.spans[index].tolist()
        return mask + mask_size - start if mask_size else size

    def _mask(self, index: int, content: bytes) -> Mask | None:
        _, start, _, mask, size, *_ = self.index.spans[index].tolist()
        return self._decoded(index, content[mask - start : mask - start + size]) if size else None

    def _decoded(self, index: int, content: bytes) -> Mask:
        file, label = io.BytesIO(content), f"{self._label(index)} (mask)"
        if not self.classes.is_overlapping or len(self.classes) == 1:
            return read_mask(file, self.classes, label, self.options)
        count = len(self.classes)
        limit = replace(self.options, max_megapixels=self.options.max_megapixels * count)
        values = stored_values(file, label, limit)
        if values.ndim != 2 or values.shape[0] % count:
            raise DataError(label, f"is not {count} masks below one another", "", "pack the data "
                            "again", "FC-DATA-014")  # fmt: skip
        planes = values.reshape(count, -1, values.shape[1]).transpose(1, 2, 0)
        return mask_of(np.ascontiguousarray(planes), self.classes, label)


class ReadAhead:
    """Bytes of samples on their way, read in threads; each process has its own."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._coming: OrderedDict[int, tuple[int, Future[bytes]]] = OrderedDict()
        self._held = 0  # bytes of all that is coming
        self._last, self._is_told = -1, False

    def start(self, source: PackedSource, indices: Sequence[int], is_told: bool = True) -> None:
        """Begin to read those that are not on their way yet, as many as there is room for.

        ``is_told``: they are what will be asked for, so that nothing is guessed any more.
        """
        self._renew()
        with self._lock:
            self._is_told |= is_told
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="fullconv-shards")
            for index in indices:
                if index in self._coming:
                    continue
                size = source.size(index)
                if self._coming and self._held + size > BYTES_AHEAD:
                    return
                self._coming[index] = size, self._pool.submit(source.read_bytes, index)
                self._held += size

    def taken(self, source: PackedSource, index: int) -> bytes:
        """The bytes of a sample, waited for or read now; those after it where reads are in order.

        What came long ago and nobody asked for makes room.
        """
        self._renew()
        in_order, self._last = 0 < index - self._last <= THREADS, index
        if in_order and not self._is_told:
            self.start(source, range(index, min(index + AHEAD, len(source))), is_told=False)
        with self._lock:
            future = self._removed(index)
            while self._held > BYTES_AHEAD / 2 and len(self._coming) > MOST_AHEAD:
                self._removed(next(iter(self._coming)))
        return source.read_bytes(index) if future is None else future.result()

    def _removed(self, index: int) -> "Future[bytes] | None":
        size, future = self._coming.pop(index, (0, None))
        self._held -= size
        return future

    def _renew(self) -> None:
        if self._pid != os.getpid():  # threads and locks do not come along through a fork
            self.__init__()

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()


def prefetch(source: Source, indices: Sequence[int]) -> None:
    """Begin to read the samples of any source that are wanted next, where it can."""
    begin = getattr(source, "prefetch", None)
    if begin is not None:
        begin(indices)


def open_packed(storage: Storage, split: str, classes: ClassSet | None = None) -> PackedSource:
    """One split of a packed data set, its masks by ``classes`` where these are not its own.

    Raises UserError where the split is not there, or the index is missing or damaged.
    """
    index = index_of(storage)
    if split not in index.splits:
        known = ", ".join(index.splits) or "none"
        raise UserError(
            f"{storage.label}: there is no split {split!r}; it has {known}", "FC-DATA-102"
        )
    samples = _split_index(storage, index.splits[split])
    known = index.classes if classes is None else classes
    source = PackedSource(
        storage, samples, known, split, index.options, index.checked and known == index.classes
    )
    source.check_shards()
    return source


def is_packed(folder: Path) -> bool:
    """Whether a folder was written by ``fullconv pack``."""
    return (folder / INDEX).is_file()


def is_packed_at(url: str) -> bool:
    """Whether shards lie behind a URL; UserError where it cannot be asked."""
    try:
        index_of(storage_of(url))
    except UserError as error:
        if error.code == MISSING:
            return False
        raise
    return True


def index_of(storage: Storage) -> Index:
    """``shards.json`` of a storage, read again only where it may have changed."""
    stamp: Any = time.monotonic() // FRESH
    if isinstance(storage, LocalStorage) and is_packed(storage.folder):
        stat = (storage.folder / INDEX).stat()
        stamp = stat.st_mtime_ns, stat.st_size, stat.st_ino
    return _index(storage, stamp)


@lru_cache(maxsize=8)
def _index(storage: Storage, stamp: Any) -> Index:
    return read_index(storage)


@lru_cache(maxsize=4)
def _split_index(storage: Storage, split: SplitFile) -> SplitIndex:
    return read_split_index(storage, split)  # never stale: the key has its digest
