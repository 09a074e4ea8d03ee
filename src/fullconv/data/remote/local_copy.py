"""The copy on this machine of a data set that is a folder behind a URL, brought up to date.

In the cache folder, for each URL: ``datasets/DIGEST/NAME/``, the files as they are there, and
``datasets/DIGEST/files.jsonl``, the version of each that was copied. A file appears when it is
whole, and its line after it, so that a copy that was killed is continued. Copies that no process
uses make room for others (`copies_in_use`).
"""

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from fullconv.data.layouts.pair_list import ENDINGS
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.walk import is_debris
from fullconv.data.remote.copies_in_use import hold, make_room
from fullconv.data.remote.copy_record import CopyRecord
from fullconv.data.remote.remote_files import (
    Stored,
    check_distinct,
    files_below,
    in_parallel,
    writer_of,
)
from fullconv.data.shards.cache import DEFAULT_CACHE, CacheOptions
from fullconv.data.shards.filesystem import url_of
from fullconv.data.shards.remote_storage import MISSING, RemoteStorage
from fullconv.download.cache import exclusive
from fullconv.errors import UserError, name_by_address, one_line
from fullconv.files.atomic import write_atomically
from fullconv.files.file_errors import file_errors
from fullconv.notebook_progress import ProgressBar, in_notebook

FRESH = 10.0  # seconds for which a copy is not compared again
FREE = 2**28  # bytes of the disk that a copy leaves
_LISTS = (*ENDINGS, ".mat")
"""Endings of files that are a data set with what lies beside them."""
_copied: dict[tuple[str, Path], tuple[float, Path]] = {}


def local_copy(url: str | Path, cache: CacheOptions = DEFAULT_CACHE) -> Path:
    """The copy of the folder behind ``url`` in the cache folder; new and changed files are fetched.

    What is no longer there is removed here. Of a list of pairs, the folder that it lies in is
    copied, and the path is that of the list. One process copies at a time, others wait. Errors name
    the URL in place of the path, now and later.
    Raises UserError where nothing is there, a file cannot be had, or there is no room: for more
    than ``cache.limit`` bytes, or on the disk.
    """
    key = url_of(url), cache.copies
    when, path = _copied.get(key, (-FRESH, Path()))
    if time.monotonic() - when > FRESH or not path.exists():
        path = _updated(RemoteStorage(key[0]), cache)
        _copied[key] = time.monotonic(), path
    return path


def check_inside(source: PairSource, data: Path) -> None:
    """UserError where a list in the copy ``data`` names files outside of it."""
    root = f"{data if data.is_dir() else data.parent}{os.sep}"
    for file in chain(source.photos.texts(), source.masks.texts()):  # pyright: ignore
        if file and not os.path.normpath(file).startswith(root):
            raise UserError(
                f"{data}: names {file!r}, which lies outside of the folder; move the files into it",
                "FC-REMOTE-006",
            )


def _updated(storage: RemoteStorage, cache: CacheOptions) -> Path:
    files = files_below(storage)
    if set(files) == {""}:
        return _with_siblings(storage, cache)
    files.pop("", None)
    if not files:
        raise UserError(
            f"{storage.label}: there is no file at this address; look at its spelling", MISSING
        )
    place = cache.copies / hashlib.blake2b(storage.url.encode(), digest_size=8).hexdigest()
    folder = place / _folder_name(storage.url)
    name_by_address(folder, storage.label)
    with file_errors(place, writing=True):
        hold(place)
        with exclusive(place / "copy"):
            _bring_up_to_date(storage, files, CopyRecord(place / "files.jsonl"), folder, cache)
    return folder


def _with_siblings(storage: RemoteStorage, cache: CacheOptions) -> Path:
    """The copy of a file at the URL, and of all that lies beside it."""
    parent, _, name = storage.url.rpartition("/")
    if not name.lower().endswith(_LISTS) or parent.endswith(":/"):
        raise UserError(
            f"{storage.label}: is a file; name the folder of the data set, or a list of pairs "
            f"({', '.join(ENDINGS)})",
            "FC-REMOTE-001",
        )
    return _updated(RemoteStorage(parent), cache) / name


def _folder_name(url: str) -> str:
    """The last part of a URL as the name of a folder of any system."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", url.rpartition("/")[2])[:60] or "data"


def _bring_up_to_date(
    storage: RemoteStorage,
    files: Mapping[str, Stored],
    record: CopyRecord,
    folder: Path,
    cache: CacheOptions,
) -> None:
    known, here = record.read(), dict(_files_in(folder))
    wanted = {
        name: file
        for name, file in files.items()
        if here.get(name) != file.size or known.get(name) != file.version
    }
    gone = [name for name in here if name not in files]
    if not wanted and not gone:
        return
    folder.mkdir(parents=True, exist_ok=True)
    check_distinct(storage, files, _names_are_alike(folder))
    if wanted:
        growth = sum(file.size - here.get(name, 0) for name, file in wanted.items())
        freed = sum(here[name] for name in gone)
        total = sum(file.size for file in files.values())
        _check_room(storage, total, growth - freed, folder, cache)
    seen = [name for name in gone if not is_debris(name.rpartition("/")[2])]
    _say(storage, files, wanted, len(seen), folder)
    _remove(folder, gone)
    kept = {name: known[name] for name in files if name in known and name not in wanted}
    with record.rewritten(kept) as add:
        _fetch(storage, wanted, folder, add)


def _say(
    storage: RemoteStorage,
    files: Mapping[str, Stored],
    wanted: Mapping[str, Stored],
    gone: int,
    folder: Path,
) -> None:
    size = _amount(sum(file.size for file in wanted.values()))
    parts = [f"copying {len(wanted):,} of {len(files):,} files, {size}, to {folder}"]
    if gone:
        parts.append(f"removing {gone:,} from it")
    print(one_line(f"{storage.label}: {', '.join(parts)}"), file=sys.stderr)


def _fetch(
    storage: RemoteStorage,
    wanted: Mapping[str, Stored],
    folder: Path,
    add: Callable[[str, str], object],
) -> None:
    total, done = sum(file.size for file in wanted.values()), 0

    def copied(name: str) -> str:
        write_atomically(folder / name, writer_of(storage, name, wanted[name].size))
        return name

    with _progress(f"copying {storage.label}") as move:
        for name in in_parallel(copied, wanted):
            add(name, wanted[name].version)
            done += wanted[name].size
            move(done, total)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], object]]:
    """A bar of bytes on stderr, or in a notebook; none where stderr is no terminal."""
    if in_notebook():
        yield ProgressBar(what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(one_line(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _files_in(folder: Path) -> Iterator[tuple[str, int]]:
    """The files of the copy, hidden ones too: their paths from ``folder`` on, and bytes."""
    for place, _, names in os.walk(folder):
        below = Path(place).relative_to(folder).as_posix()
        for name in names:
            yield (
                name if below == "." else f"{below}/{name}",
                os.lstat(os.path.join(place, name)).st_size,
            )


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files, and folders that are empty without them."""
    for name in names:
        (folder / name).unlink()
    for place, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # not empty
            os.rmdir(place)


def _names_are_alike(folder: Path) -> bool:
    """Whether the disk takes names that differ by case only for the same."""
    probe = folder / ".names-ALIKE"
    probe.touch()
    try:
        return (folder / ".NAMES-alike").exists()
    finally:
        probe.unlink()


def _check_room(
    storage: RemoteStorage, total: int, missing: int, folder: Path, cache: CacheOptions
) -> None:
    """UserError where the copy would be too large; ``missing`` are the bytes that it grows by."""
    pack = f"fullconv pack {storage.label} shards/"
    if total > cache.limit:
        raise UserError(
            f"{storage.label}: {_amount(total)} have to be copied to this machine, data.cache_size "
            f"allows {_amount(cache.limit)}; raise it, or train on shards, which need not fit: "
            f"{pack}",
            "FC-REMOTE-002",
        )
    removed = make_room(cache.copies, folder.parent, total, cache.limit)
    if removed:
        text = f"{len(removed)} copies of other data sets were removed (data.cache_size)"
        print(one_line(f"{storage.label}: {text}"), file=sys.stderr)
    free = shutil.disk_usage(folder).free - FREE
    if missing > free:
        raise UserError(
            f"{storage.label}: {_amount(missing)} have to be copied to {folder.parent}, where "
            f"{_amount(max(free, 0))} are free; name a folder of a larger disk (data.cache, or "
            f"FULLCONV_CACHE), or train on shards, which need not fit: {pack}",
            "FC-REMOTE-002",
        )


def _amount(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
