"""Stored results of the check: photos and masks that have not changed are not checked again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.checks.check_table import CheckTable
from fullconv.data.checks.sample_findings import SampleCheck
from fullconv.data.layouts.class_folders import ClassMasks
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.path_list import PathList
from fullconv.data.reading.file_stamps import (
    Column,
    Stamps,
    column,
    column_of_texts,
    read_store,
    store_file,
    write_store,
)
from fullconv.data.reading.modality_files import plane_file
from fullconv.data.reading.photo_heads import column_of
from fullconv.data.reading.recognize_file import has_rasterio
from fullconv.data.sample import Source
from fullconv.data.shards.source import PackedSource
from fullconv.data.splits.multimodal import Stacked
from fullconv.data.splits.remapped import Remapped
from fullconv.errors import UserError
from fullconv.modalities import is_of_photo
from fullconv.version import __version__

RULES = 1
"""To be counted up where the check finds something that it did not before."""


@dataclass
class KnownChecks:
    """The results of earlier checks of one split.

    ``rows``, int64 (N,), are those of its photos in ``table``, -1 for a photo that has to be looked
    at. Without a ``file`` nothing is known, nor kept.
    """

    file: Path | None
    stamps: Stamps | None
    table: CheckTable
    rows: npt.NDArray[np.int64]

    @classmethod
    def of(cls, source: Source) -> "KnownChecks":
        """The stored results for ``source``: none where its photos are no files."""
        how, none = _how(source), CheckTable.of(())
        if how is None or not len(source):
            return cls(None, None, none, np.full(len(source), -1))
        file = store_file("checks", __version__, str(RULES), str(has_rasterio()), how)
        stamps, store = Stamps(_columns(source)), read_store(file)
        table = CheckTable.read(store, len(store["keys"])) if store else None
        if table is None:
            return cls(file, stamps, none, np.full(len(source), -1))
        return cls(file, stamps, table, stamps.rows_in(store))

    @property
    def unknown(self) -> list[int]:
        """The numbers of the photos that have to be looked at."""
        return np.flatnonzero(self.rows < 0).tolist()

    def forget(self) -> None:
        """Let all photos be looked at again."""
        self.rows = np.full(len(self.rows), -1)

    def completed(self, checks: Sequence[SampleCheck]) -> CheckTable:
        """The results of all photos, ``checks`` being those of the unknown ones; they are kept."""
        rows, unknown = self.rows.copy(), self.rows < 0
        rows[unknown] = len(self.table) + np.arange(len(checks))
        if not len(checks) and np.array_equal(rows, np.arange(len(self.table))):
            return self.table  # as it was stored
        table = self.table.with_more(CheckTable.of(checks)).chosen(rows)
        if self.file is not None and self.stamps is not None:
            lasting = table.chosen(np.flatnonzero(self.stamps.are_lasting))
            write_store(self.file, {**self.stamps.stored(), **lasting.arrays()})
        return table


def _how(source: Source) -> str | None:
    """The key of a check's results: all that decides them; None where it cannot be determined."""
    if isinstance(source, PairSource):
        read = _described(source.read)
        place = str(source.photos[0].parent.absolute()) if source.photos else ""
        return read and f"{place} {source.split} {source.classes!r} {_colors(source)} {read} " + (
            repr(source.options)
        )
    if isinstance(source, PackedSource):
        return (
            f"{source.storage.label} {source.split} {source.classes!r} {_colors(source)} "
            f"{source.options!r}"
        )
    if isinstance(source, Remapped):
        change, inner = _described(source.change), _how(source.source)
        return change and inner and f"{change} {source.classes!r} {inner}"
    if isinstance(source, Stacked):
        parts = [_how(part) for part in source.sources]
        return None if None in parts else f"{source.kinds} {parts}"
    return None


def _colors(source: Source) -> str:
    return json.dumps(source.classes.to_dict())


def _described(what: Any) -> str | None:
    """A function with all its parameters as text."""
    if isinstance(what, partial):
        parts = [what.func, *what.args, *what.keywords.items()]
        texts = [_described(part) for part in parts]
        return None if None in texts else f"partial {texts}"
    if isinstance(what, tuple | list):
        texts = [_described(part) for part in what]
        return None if None in texts else str(texts)
    if isinstance(what, np.ndarray):
        return f"{what.dtype} {what.tolist()}"
    if isinstance(what, str | int | float | bool | None):
        return repr(what)
    if isinstance(what, ClassMasks):  # whose files are in the keys
        return f"ClassMasks {what.ignore}"
    if is_dataclass(what) and not isinstance(what, type):
        texts = [_described(getattr(what, field.name)) for field in fields(what)]
        return None if None in texts else f"{type(what).__qualname__} {texts}"
    name = getattr(what, "__qualname__", "<")
    return None if "<" in name else f"{what.__module__}.{name}"


def _columns(source: Source) -> list[Column]:
    """The files that the check of each photo reads: where one is another, its key is."""
    if isinstance(source, PackedSource):
        digests = (source.digest(index).hex() for index in range(len(source)))
        names = zip(source.names, digests, strict=True)
        return [column_of_texts([f"\0{name}\0{digest}" for name, digest in names])]
    if isinstance(source, Remapped):
        return _columns(source.source)
    if isinstance(source, Stacked):
        columns = [of_part for part in source.sources for of_part in _columns(part)]
        kinds = [kind for kind in source.kinds if not is_of_photo(kind)]
        return columns + [_planes(source, kind) for kind in kinds]
    assert isinstance(source, PairSource)  # `_how` knows no other
    columns = [column_of(PathList.of(files)) for files in (source.photos, source.masks)]
    read = source.read
    while isinstance(read, partial):
        read = read.keywords.get("read", read.func)
    if isinstance(read, ClassMasks):
        of_class = zip(*(_class_files(read, mask) for mask in source.masks), strict=True)
        columns += [column(PathList.of(files)) for files in of_class]
    return columns


def _planes(source: Stacked, kind: str) -> Column:
    """The files of a further input. Of two files of one name none is known: the check says so."""
    files: list[Path | None] = [None] * len(source)
    is_known = np.ones(len(source), np.bool_)
    for index in range(len(source)):
        photo = source.files(index)[0]
        try:
            files[index] = None if photo is None else plane_file(photo, kind)
        except UserError:
            is_known[index] = False
    paths, stats = column(PathList.of(files))
    return paths, replace(stats, are_settled=stats.are_settled & is_known)


def _class_files(read: ClassMasks, mask: Path | None) -> tuple[Path | None, ...]:
    """The masks of all classes of a photo."""
    if mask is None:
        return (None,) * len(next(iter(read.files.values()), ()))
    return read.files[mask]
