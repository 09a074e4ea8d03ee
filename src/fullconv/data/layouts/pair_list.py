"""Lists of pairs: a text file with a photo and its mask on each line."""

import csv
from pathlib import Path

from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.folder import USUAL
from fullconv.data.layouts.listing import Layout, read_lines
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.image import SUFFIXES
from fullconv.errors import UserError

ENDINGS = (".txt", ".csv", ".tsv", ".lst")
_HEADS = ("image", "images", "photo", "photos", "file", "img")


def looks_like(data: Path) -> bool:
    """A list file, or a folder with such lists."""
    return bool(_lists(data))


def splits(data: Path) -> list[str]:
    """The third column's values where there is one, else the names of the lists."""
    lists = _lists(data)
    named = {row[2] for path in lists.values() for row in _rows(path) if len(row) > 2}
    order = {name: place for place, name in enumerate(USUAL)}
    return sorted(named or lists, key=lambda name: (order.get(name, len(order)), name))


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The pairs of ``split``; paths count from the list's own folder."""
    lists = _lists(data)
    known = classes_in(data if data.is_dir() else data.parent, classes)
    picked = [lists[split]] if split in lists else list(lists.values())
    rows = [(path.parent, row) for path in picked for row in _rows(path)]
    if split not in lists:
        rows = [(base, row) for base, row in rows if len(row) > 2 and row[2] == split]
    return PairSource(
        classes=known,
        split=split,
        names=tuple(str(Path(row[0]).with_suffix("").as_posix()) for _, row in rows),
        photos=tuple(base / row[0] for base, row in rows),
        masks=tuple(base / row[1] if row[1] else None for base, row in rows),
    )


def _lists(data: Path) -> dict[str, Path]:
    """Split name -> list file. A file brings along its sisters (train.txt: val.txt, test.txt)."""
    if data.is_dir():
        files = [path for path in sorted(data.iterdir()) if path.suffix in ENDINGS]
    elif data.suffix in ENDINGS:
        sisters = (data.with_name(name + data.suffix) for name in USUAL)
        files = [data, *(s for s in sisters if data.stem in USUAL and s.is_file())]
    else:
        files = []
    return {path.stem: path for path in files if path.name not in NAMES and _has_pairs(path)}


def _has_pairs(path: Path) -> bool:
    with path.open("rb") as file:
        head = [file.readline(4000).decode("utf-8", "replace").strip() for _ in range(2)]
    return any(_is_pair(_cells(line)) for line in head)


def _is_pair(cells: list[str]) -> bool:
    return len(cells) in (2, 3) and all(Path(cell).suffix.lower() in SUFFIXES for cell in cells[:2])


def _cells(line: str) -> list[str]:
    """Cells by tab, else by comma (quotes allowed), else by white space."""
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t")]
    if "," in line:
        return [cell.strip() for cell in next(csv.reader([line]))]
    return line.split()


def _rows(path: Path) -> list[list[str]]:
    rows = [_cells(line) for line in read_lines(path)]
    if rows[0][0].lower() in _HEADS:
        rows = rows[1:]
    for row in rows:
        if len(row) not in (2, 3) or not row[0]:
            raise UserError(
                f"{path}: {' '.join(row)!r} is not 'PHOTO MASK' or 'PHOTO MASK SPLIT'; names with "
                "spaces need a comma or a tab between them"
            )
    return rows


LAYOUT = Layout(
    "a .txt, .csv or .tsv list with 'PHOTO MASK' (and perhaps SPLIT) on each line",
    looks_like,
    splits,
    open_split,
)
