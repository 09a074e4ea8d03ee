"""Lists of pairs: a text file with a photo and its mask on each line."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.folder import repeated_lines
from fullconv.data.layouts.listing import (
    ALL,
    LONGEST,
    USUAL,
    Layout,
    read_lines,
    usual_first,
    usual_name,
)
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.image import SUFFIXES
from fullconv.data.reading.walk import composed, existing, is_debris
from fullconv.errors import Finding, UserError, printable
from fullconv.parsing import decode_text

ENDINGS = (".txt", ".csv", ".tsv", ".lst")
_SEPARATORS = "\t;,|"
_COLUMNS = {
    "photo": ("image", "photo", "img", "picture", "file", "input", "rgb"),
    "mask": ("mask", "label", "annotation", "target", "segmentation", "gt", "ground"),
    "split": ("split", "set", "subset", "partition", "fold"),
}
"""The beginnings of column headings."""


@dataclass(frozen=True)
class Row:
    """One line: photo, mask ('' for none) and split ('' where the list has none)."""

    photo: str
    mask: str
    split: str = ""


def looks_like(data: Path) -> bool:
    """A list file, or a folder with such lists."""
    return bool(_lists(data))


def splits(data: Path) -> list[str]:
    """The third column's values where there is one, else the lists' names; 'all' of one list."""
    lists = _lists(data)
    named = {row.split for path in lists.values() for row in read_rows(path) if row.split}
    if not named and len(lists) == 1 and not any(usual_name(name) in USUAL for name in lists):
        return [ALL]
    return sorted(named or lists, key=usual_first)


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The pairs of ``split``; paths count from the list's own folder."""
    lists = _lists(data)
    known = classes_in(data if data.is_dir() else data.parent, classes)
    whole = splits(data) == [ALL]
    picked = [lists[split]] if split in lists else list(lists.values())
    rows = [(path, row) for path in picked for row in read_rows(path)]
    findings = () if whole or split in lists else _in_no_split(rows)
    if not whole and split not in lists:
        rows = [(path, row) for path, row in rows if row.split == split]
    names = tuple(
        printable(composed(Path(row.photo).with_suffix("").as_posix()), None) for _, row in rows
    )
    return PairSource(
        classes=known,
        split=split,
        names=names,
        photos=tuple(existing(path.parent / row.photo) for path, row in rows),
        masks=tuple(existing(path.parent / row.mask) if row.mask else None for path, row in rows),
        findings=(*findings, *repeated_lines(picked[0], names)),
    )


def _in_no_split(rows: Sequence[tuple[Path, Row]]) -> tuple[Finding, ...]:
    """Lines without a split in a list whose other lines have one."""
    without = [(path, row) for path, row in rows if not row.split]
    if not without:
        return ()
    path, row = without[0]
    what = f"{len(without)} photos in no split, as {row.photo}"
    fix = "write the split into the third column"
    return (Finding(str(path), what, "", fix, "warning", "FC-DATA-122"),)


def _lists(data: Path) -> dict[str, Path]:
    """Split name -> list file. A file brings along its sisters (train.txt: val.txt, test.txt)."""
    if data.is_dir():
        files = [path for path in sorted(data.iterdir()) if path.suffix.lower() in ENDINGS]
    elif data.suffix.lower() in ENDINGS:
        sisters = sorted(data.parent.glob(f"*{data.suffix}"))
        sisters = [s for s in sisters if s != data and usual_name(s.stem) in USUAL]
        files = [data, *(sisters if usual_name(data.stem) in USUAL else ())]
    else:
        files = []
    files = [path for path in files if path.is_file() and not is_debris(path.name)]
    return {path.stem: path for path in files if path.name not in NAMES and _has_pairs(path)}


def _has_pairs(path: Path) -> bool:
    with path.open("rb") as file:
        text = decode_text(file.read(16000), "replace")
    return any(_is_pair(_cells(line)) for line in text.splitlines()[:3])


def _is_pair(cells: Sequence[str]) -> bool:
    """Two names of pictures, whatever stands before, between and behind them."""
    return 2 <= len(cells) <= 8 and sum(_is_picture(cell) for cell in cells) == 2


def _is_picture(cell: str) -> bool:
    return Path(cell).suffix.lower() in SUFFIXES


def _cells(line: str) -> list[str]:
    """Cells by tab, semicolon, comma or bar, quotes allowed; else by white space."""
    for separator in _SEPARATORS:
        if separator in line:
            try:
                cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
            except csv.Error:  # a field of more than 128 KiB
                return []
            if len(cells) > 1:
                return [cell.strip() for cell in cells]
    return line.split()


def read_rows(path: Path) -> list[Row]:
    """The lines of a list; a heading says what its columns are.

    Raises UserError for a line that is no pair, and where the list is no text.
    """
    lines = read_lines(path)
    first = _cells(lines[0])
    heading = _heading(first)
    is_heading = len(lines) > 1 and not any(map(_is_picture, first)) and _is_pair(_cells(lines[1]))
    lines = lines[1:] if heading or is_heading else lines
    places = heading or {"photo": 0, "mask": 1, "split": 2}
    most = len(first) if heading else 3
    return [_row(path, line, places, most) for line in lines]


def _heading(cells: Sequence[str]) -> dict[str, int] | None:
    """The place of each column where the first line is no pair but names the columns."""
    if any(map(_is_picture, cells)):
        return None
    words = [cell.lower().strip("\"' ") for cell in cells]
    places = {
        column: place
        for column, beginnings in _COLUMNS.items()
        for place, word in reversed(list(enumerate(words)))
        if word.startswith(beginnings)
    }
    if {"photo", "mask"} <= places.keys() and places["photo"] != places["mask"]:
        return places
    return None


def _row(path: Path, line: str, places: dict[str, int], most: int) -> Row:
    cells = _cells(line)
    photo, mask = (_file(path, cells, places[column]) for column in ("photo", "mask"))
    if not photo or max(map(len, (photo, mask))) > LONGEST or not 2 <= len(cells) <= most:
        raise UserError(
            f"{path}: {printable(line)!r} is not 'PHOTO MASK' or 'PHOTO MASK SPLIT'; names with "
            "spaces need a comma, a semicolon or a tab between them",
            "FC-DATA-105",
        )
    place = places.get("split", len(cells))
    return Row(photo, mask, cells[place] if place < len(cells) else "")


def _file(path: Path, cells: Sequence[str], place: int) -> str:
    """The file in a cell; Windows' separators where they are no part of a file's name."""
    name = cells[place] if place < len(cells) else ""
    if "\\" in name and not os.path.isfile(path.parent / name):
        return name.replace("\\", "/")
    return name


LAYOUT = Layout(
    "pairs",
    "a .txt, .csv or .tsv list with 'PHOTO MASK' (and perhaps SPLIT) on each line",
    looks_like,
    splits,
    open_split,
)
