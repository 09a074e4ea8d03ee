"""What a check found out about photos and masks, kept for the next one: only what is new or
changed is looked at again."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.checks.sample_findings import SampleCheck
from fullconv.data.layouts.class_folders import ClassMasks
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.file_stamps import (
    KEY_BYTES,
    read_store,
    rows_of,
    stamp,
    store_file,
    write_store,
)
from fullconv.data.reading.modality_files import plane_file
from fullconv.data.sample import Source
from fullconv.data.shards.source import PackedSource
from fullconv.data.splits.multimodal import Stacked
from fullconv.data.splits.remapped import Remapped
from fullconv.errors import Finding, UserError
from fullconv.modalities import is_of_photo
from fullconv.version import __version__

RULES = 1
"""To be counted up where the check finds something that it did not before."""


@dataclass
class KnownChecks:
    """The results of earlier checks of one split.

    ``keys`` are those of its photos as they are now, None for what cannot be recognised again.
    """

    file: Path | None
    keys: list[bytes | None]
    checks: dict[bytes, SampleCheck]

    @classmethod
    def of(cls, source: Source) -> "KnownChecks":
        """What is known of ``source``: nothing where its photos are no files."""
        how = _how(source)
        if how is None or not len(source):
            return cls(None, [None] * len(source), {})
        file = store_file("checks", __version__, str(RULES), str(_has_rasterio()), how)
        keys = [_key(source, index) for index in range(len(source))]
        return cls(file, keys, _read(read_store(file), set(keys)))

    def check(self, index: int) -> SampleCheck | None:
        """The result for a photo, None where it has to be looked at."""
        key = self.keys[index]
        return None if key is None else self.checks.get(key)

    def keep(self, checks: Sequence[SampleCheck]) -> None:
        """Keep the results of all photos, in their order, for the next time."""
        if self.file is None:
            return
        rows = {key: check for key, check in zip(self.keys, checks, strict=True) if key}
        if rows.keys() != self.checks.keys():
            write_store(self.file, list(rows), _arrays(list(rows.values())))


def _has_rasterio() -> bool:
    try:
        return importlib.util.find_spec("rasterio") is not None
    except ValueError:  # as tests take a package away
        return False


def _how(source: Source) -> str | None:
    """All that decides what a check of the same files finds; None where it cannot be told."""
    if isinstance(source, PairSource):
        read = _described(source.read)
        place = str(source.photos[0].parent.absolute()) if source.photos else ""
        return read and f"{place} {source.split} {source.classes!r} {_colors(source)} {read} " + (
            repr(source.options)
        )
    if isinstance(source, PackedSource):
        return (
            f"{source.place.label} {source.split} {source.classes!r} {_colors(source)} "
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


def _key(source: Source, index: int) -> bytes | None:
    """What is another one where a file that the check reads is another, or has changed."""
    files: list[Path | str | None] = []
    try:
        _add_files(source, index, files)
    except UserError:  # two files of one name, which the check says
        return None
    return stamp(files)


def _add_files(source: Source, index: int, files: list[Path | str | None]) -> None:
    if isinstance(source, PackedSource):
        files.append(f"\0{source.names[index]}\0{source.digest(index).hex()}")
    elif isinstance(source, Remapped):
        _add_files(source.source, index, files)
    elif isinstance(source, Stacked):
        for part in source.sources:
            _add_files(part, index, files)
        photo = source.files(index)[0]
        if photo is not None:
            files += [plane_file(photo, kind) for kind in source.kinds if not is_of_photo(kind)]
    elif isinstance(source, PairSource):
        photo, mask = source.photos[index], source.masks[index]
        files += [photo.absolute(), None if mask is None else mask.absolute()]
        read = source.read
        while isinstance(read, partial):
            read = read.keywords.get("read", read.func)
        if isinstance(read, ClassMasks) and mask is not None:
            files += read.files[mask]


def _arrays(checks: Sequence[SampleCheck]) -> dict[str, npt.NDArray[Any]]:
    """The results as arrays, without objects in them."""
    digests = [check.digest or bytes(KEY_BYTES) for check in checks]
    listed = [[row, *astuple(f)] for row, check in enumerate(checks) for f in check.findings]
    return {
        "digests": np.frombuffer(b"".join(digests), np.uint8).reshape(-1, KEY_BYTES),
        "has_digest": np.array([check.digest is not None for check in checks]),
        "findings": np.frombuffer(json.dumps(listed).encode(), np.uint8),
        **_sparse("counts", [check.counts for check in checks]),
        **_sparse("ignored", [check.ignored for check in checks]),
    }


def _sparse(name: str, rows: Sequence[npt.NDArray[np.int64] | None]) -> dict[str, npt.NDArray[Any]]:
    """Rows of counts, most of which are 0 where there are many classes."""
    length = max((len(row) for row in rows if row is not None), default=0)
    table = np.zeros((len(rows), length), np.int64)
    for number, row in enumerate(rows):
        if row is not None:
            table[number] = row
    at = np.nonzero(table)
    return {
        f"{name}_has": np.array([row is not None for row in rows]),
        f"{name}_shape": np.array(table.shape),
        f"{name}_at": np.stack(at).astype(np.int32),
        f"{name}_values": table[at],
    }


def _dense(name: str, store: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[np.int64] | None]:
    table = np.zeros(tuple(store[f"{name}_shape"].tolist()), np.int64)
    table[tuple(store[f"{name}_at"])] = store[f"{name}_values"]
    has = store[f"{name}_has"].tolist()
    return [row if there else None for row, there in zip(table, has, strict=True)]


def _read(
    store: dict[str, npt.NDArray[Any]], wanted: "set[bytes | None]"
) -> dict[bytes, SampleCheck]:
    """The results in a store under the ``wanted`` keys; none where it is damaged."""
    if not store:
        return {}
    try:
        counts, ignored = _dense("counts", store), _dense("ignored", store)
        digests, has_digest = store["digests"], store["has_digest"].tolist()
        findings: dict[int, list[Finding]] = {}
        for row, *parts in json.loads(store["findings"].tobytes()):
            findings.setdefault(row, []).append(Finding(*parts))
        return {
            key: SampleCheck(
                counts[row],
                ignored[row],
                digests[row].tobytes() if has_digest[row] else None,
                findings.get(row, []),
            )
            for key, row in rows_of(store["keys"]).items()
            if key in wanted
        }
    except (KeyError, ValueError, TypeError, IndexError, MemoryError):
        return {}
