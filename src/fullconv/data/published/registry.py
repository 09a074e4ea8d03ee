"""The data sets that fullconv knows, read from ``registry.toml``, and their download."""

import os
import shutil
import tomllib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from fullconv.download import RemoteFile, RetryPolicy, download, exclusive, unpack
from fullconv.download.remote import KEYS
from fullconv.errors import UserError, did_you_mean

FILE = Path(__file__).with_name("registry.toml")
_OWN_KEYS = ("what", "inside", "folder")


@dataclass(frozen=True)
class PublishedData:
    """A data set by name: ``what`` it is, its archive, the part ``inside`` that becomes ``folder``
    below the user's folder (None: all of it).
    """

    name: str
    what: str
    file: RemoteFile
    folder: str
    inside: str | None = None


def published_data() -> Mapping[str, PublishedData]:
    """All of them, in the order of the file."""
    return _read()


def find_published_data(name: str) -> PublishedData:
    """The data set called ``name``; UserError with the known names otherwise."""
    known = published_data()
    if name in known:
        return known[name]
    hint = f"{did_you_mean(name, known)} ".lstrip()
    raise UserError(
        f"no data set is called {name!r}: {hint}known are {', '.join(known)} "
        "('fullconv download' lists them)",
        "FC-DATA-124",
    )


@cache
def _read() -> Mapping[str, PublishedData]:
    return read_published(FILE)


def read_published(path: Path) -> Mapping[str, PublishedData]:
    """The data sets of a registry; UserError naming what is wrong in it."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        return MappingProxyType({name: _entry(name, table) for name, table in content.items()})
    except (OSError, ValueError, RecursionError, UserError) as error:
        raise UserError(f"{path}: {error}", "FC-DATA-124") from None


def _entry(name: str, table: Any) -> PublishedData:
    try:
        if not isinstance(table, dict):
            raise UserError("is no table", "FC-DATA-124")
        unknown = sorted(set(table) - {*KEYS, *_OWN_KEYS})
        if unknown:
            raise UserError(f"unknown key {unknown[0]!r}", "FC-DATA-124")
        for key in ("what", "folder"):
            if not isinstance(table.get(key), str) or not table[key]:
                raise UserError(f"{key} = {table.get(key)!r} is no text", "FC-DATA-124")
        for place in (table["folder"], table.get("inside", "all")):
            if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
                raise UserError(f"{place!r} leads out of the folder", "FC-DATA-124")
        return PublishedData(
            name, table["what"], RemoteFile.from_table(table), table["folder"], table.get("inside")
        )
    except UserError as error:
        raise UserError(f"{name}: {error}", "FC-DATA-124") from None


Shown = Callable[[str], AbstractContextManager[Callable[[int, int | None], object]]]


def fetch(
    name: str,
    folder: str | Path,
    *,
    keep: bool = False,
    shown: Shown = lambda what: nullcontext(lambda done, total: None),
    offline: bool | None = None,
    retry: RetryPolicy | None = None,
) -> Path:
    """The place of the data set called ``name`` below ``folder``; fetched where it is not there.

    The archive is downloaded into ``folder``, or taken from there, and removed after unpacking
    unless ``keep`` or it was there before. It is unpacked beside its place and renamed when
    complete. ``shown(what)`` gives a context with the function that shows progress, once for
    each step. Raises UserError.
    """
    data, folder = find_published_data(name), Path(folder).expanduser()
    place = folder / data.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / name):
            if not place.exists():
                _fetch(data, folder, place, keep, shown, offline, retry)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror or error})", "FC-FILE-002"
        ) from error
    return place


def _fetch(
    data: PublishedData,
    folder: Path,
    place: Path,
    keep: bool,
    shown: Shown,
    offline: bool | None,
    retry: RetryPolicy | None,
) -> None:
    archive = folder / data.file.name
    keep = keep or archive.exists()
    with shown(f"downloading {data.name}") as progress:
        download(data.file, archive, progress=progress, offline=offline, retry=retry)
    # A killed call leaves this name behind; no call that runs uses it, as only one does at once.
    temporary = folder / f".{data.name}.unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with shown(f"unpacking {data.name}") as progress:
            unpack(archive, temporary, progress)
        unpacked = temporary / (data.inside or "")
        if not unpacked.is_dir():
            raise UserError(
                f"{archive}: there is no {data.inside} in it; nothing is unpacked", "FC-DATA-124"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(unpacked, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not keep:
        archive.unlink()
