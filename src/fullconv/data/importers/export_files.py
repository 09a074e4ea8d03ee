"""The files of an export: neither hidden ones, nor what an earlier import left in its folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from fullconv.data.importers.import_report import JSON, TEXT
from fullconv.data.reading.walk import walk

_listed: ContextVar[dict[Path, list[Path]] | None] = ContextVar("_listed", default=None)


@contextmanager
def listed_once() -> Iterator[None]:
    """Within the block a folder is walked once, however many readers ask for its files."""
    token = _listed.set(_listed.get() or {})
    try:
        yield
    finally:
        _listed.reset(token)


def files_below(folder: Path) -> list[Path]:
    """All files, sorted, also in folders that are links, but for the data sets of an import.

    So 'fullconv import . out' can be typed twice. Left out is what `walk` leaves out: hidden files,
    the '._a.json' of a Mac's archive, the copies in '.ipynb_checkpoints'.
    """
    lists = _listed.get()
    if lists is not None and folder in lists:
        return lists[folder]
    files = walk(folder).files
    imported = {file.parent for file in files if file.name == JSON and file.parent != folder}
    files = [f for f in files if imported.isdisjoint(f.parents) and f.name not in (JSON, TEXT)]
    if lists is not None:
        lists[folder] = files
    return files
