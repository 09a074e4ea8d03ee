"""The data sets that fullconv can download, read from ``published.toml`` beside this."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from fullconv.download import RemoteFile
from fullconv.download.remote import KEYS
from fullconv.errors import UserError

FILE = Path(__file__).with_name("published.toml")
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
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
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
