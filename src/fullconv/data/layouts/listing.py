"""The common parts of layouts on disk: their description, split names, lists of photos."""

import re
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.reading.formats import SUFFIXES
from fullconv.data.reading.walk import composed, subfolders, walk
from fullconv.data.sample import Source
from fullconv.errors import UserError, printable
from fullconv.legacy_text import decodings, how_to_convert
from fullconv.parsing import decode_text, pointer_error

ALL = "all"
"""The one split of a data set that has neither split folders nor lists."""
USUAL = ("train", "val", "test", "trainval", ALL)
"""Splits by their usual names, in the order in which they are shown."""
OTHERWISE_CALLED = {
    "training": "train",
    "valid": "val",
    "validation": "val",
    "testing": "test",
}
"""Other names of the splits, in lower case."""
LONGEST = 4096  # characters of a path
_CELLS = re.compile(r"[\t;,| ]")


@dataclass(frozen=True)
class Layout:
    """How one arrangement of files is recognised and opened.

    ``name`` and ``what`` say what it is and looks like; ``looks_like(data)``; ``splits(data)`` are
    the names of its splits; ``open(data, split, classes)`` opens one, ``classes`` being a class
    file or None for the data's own. ``outputs(data)`` names its label maps where there are several,
    and ``open_output(data, split, output)`` opens a split with one of them. Where ``has_all``,
    the split 'all' can be opened beside split folders and has the photos of all of them.
    """

    name: str
    what: str
    looks_like: Callable[[Path], bool]
    splits: Callable[[Path], list[str]]
    open: Callable[[Path, str, Path | None], Source]
    outputs: Callable[[Path], list[str]] | None = None
    open_output: Callable[[Path, str, str], Source] | None = None
    has_all: bool = False


def usual_name(split: str) -> str:
    """'train' for 'Training', 'val' for 'valid' and so on; other names as they are."""
    lower = split.lower()
    lower = OTHERWISE_CALLED.get(lower, lower)
    return lower if lower in USUAL else split


def by_usual_names(splits: Iterable[str]) -> dict[str, str]:
    """Usual name -> the data's own name of each split; a name that is taken stays as it is."""
    own, named = list(splits), {}
    for split in own:
        usual = usual_name(split)
        named[split if usual in named or usual in own else usual] = split
    return named


def same_split(folder: Path, split: str) -> Path:
    """The folder of ``split`` in ``folder``, also under another of its names: 'Val' for 'valid'."""
    own = folder / split
    if not own.is_dir() and folder.is_dir():
        name = usual_name(split).lower()
        others = [each for each in subfolders(folder) if usual_name(each.name).lower() == name]
        if len(others) == 1:
            return others[0]
    return own


def usual_first(name: str) -> tuple[int, str]:
    """The sort key of splits: the usual ones first."""
    usual = usual_name(name)
    return (USUAL.index(usual) if usual in USUAL else len(USUAL), name)


def read_lines(path: Path) -> list[str]:
    """The lines of a list that are neither empty nor a comment; UserError if there are none.

    In UTF-8 or UTF-16, or in the encoding by which all its names are files beside or below it.
    """
    text = _text_of_list(path)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise UserError(f"{path}: the list is empty; write one photo a line", "FC-DATA-105")
    damaged = next((line for line in lines if "\0" in line or len(line) > 3 * LONGEST), None)
    if damaged is not None:
        raise UserError(
            f"{path}: line {printable(damaged, 80)!r} is no name of a file; the list is damaged, "
            "write it again",
            "FC-DATA-105",
        )
    return lines


def _text_of_list(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the list cannot be read: {error.strerror}", "FC-FILE-001") from (
            error
        )
    if pointer := pointer_error(path, content):
        raise pointer
    try:
        return decode_text(content)
    except UnicodeDecodeError:
        text = _by_names(content, path.parent)
    if text is None:
        what, fix = how_to_convert(content, str(path))
        raise UserError(f"{path}: the list {what}; {fix}", "FC-DATA-105")
    return text


def _by_names(content: bytes, folder: Path) -> str | None:
    """The one reading of a list by which files below ``folder`` are called as its names.

    Every line that is not ASCII has to name one; the names may be the same bytes as the list.
    """
    stems = {composed(file.stem) for file in walk(folder).files}
    as_bytes = content.decode("utf-8", "surrogateescape")
    fitting = [text for text in (as_bytes, *decodings(content)) if _all_named(text, stems)]
    return fitting[0] if len(fitting) == 1 else None


def _all_named(text: str, stems: Set[str]) -> bool:
    lines = [line for line in text.splitlines() if not line.isascii()]
    return bool(lines) and all(
        any(_stem(cell) in stems for cell in _CELLS.split(line) if not cell.isascii())
        or _stem(line) in stems
        for line in lines
    )


def _stem(cell: str) -> str:
    name = re.split(r"[/\\]", cell.strip(" \t\"'"))[-1]
    base, dot, ending = name.rpartition(".")
    return composed(base if dot and f".{ending.lower()}" in SUFFIXES else name)
