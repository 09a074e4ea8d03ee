"""``images/`` and ``masks/`` folders: the layout for one's own photos."""

import glob
import os
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes
from fullconv.data.checks.findings import DataError
from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.listing import ALL, Layout, read_lines
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.formats import HEIC_SUFFIXES, SUFFIXES
from fullconv.errors import UserError

MASKS = "masks"
USUAL = ("train", "val", "test", "trainval", ALL)


def looks_like(data: Path) -> bool:
    """``images/`` with ``masks/`` beside it."""
    return (data / "images").is_dir() and (data / "masks").is_dir()


def splits(data: Path) -> list[str]:
    """``SPLIT.txt`` lists and split folders under ``images/``; 'all' where there is neither."""
    lists = [path.stem for path in data.glob("*.txt") if _is_list(path, data)]
    if lists:
        return sorted(lists, key=_usual_first)
    folders = [path.name for path in (data / "images").iterdir() if path.is_dir()]
    return sorted(folders, key=_usual_first) or [ALL]


def _usual_first(name: str) -> tuple[int, str]:
    return (USUAL.index(name) if name in USUAL else len(USUAL), name)


def _is_list(path: Path, data: Path) -> bool:
    """True for the usual names, and where the first line names a photo (a README does not)."""
    if path.name in NAMES:
        return False
    if path.stem in USUAL:
        return True
    with path.open("rb") as file:
        first = file.readline(1000).decode("utf-8", "replace").strip()
    base = data / "images" / first
    pattern = f"{glob.escape(base.name)}.*"  # of a README it is any sentence, and may be a long one
    return bool(first) and (os.path.isfile(base) or any(base.parent.glob(pattern)))


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with their masks; UserError says what was looked for."""
    return _open(data, split, classes_in(data, classes), data / MASKS)


def outputs(data: Path) -> list[str]:
    """``masks``, and every other folder of masks: one that has a class file of its name beside."""
    others = sorted(file.stem for file in data.glob("*.toml") if (data / file.stem).is_dir())
    return [MASKS, *(name for name in others if name != MASKS)]


def open_output(data: Path, split: str, output: str) -> PairSource:
    """The photos of ``split`` with the masks in the folder ``output``."""
    if output == MASKS:
        return open_split(data, split)
    return _open(data, split, read_classes(data / f"{output}.toml"), data / output)


def _open(data: Path, split: str, classes: ClassSet, masks: Path) -> PairSource:
    listed = data / f"{split}.txt"
    if listed.is_file():
        return _from_list(data, split, listed, classes, masks)
    inside = split if (data / "images" / split).is_dir() else ""
    return of_folders(data / "images" / inside, masks / inside, split, classes)


def of_folders(images: Path, masks: Path, split: str, classes: ClassSet) -> PairSource:
    """Photos of one folder, masks of the same names from another."""
    photos, labels = pictures(images), pictures(masks)
    if not photos:
        endings = ", ".join(sorted(SUFFIXES))
        raise UserError(f"{images}: no photo is in it; looked for files ending in {endings}")
    names = tuple(sorted(photos))
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=tuple(photos[name] for name in names),
        masks=tuple(labels.get(name) for name in names),
        orphans=tuple(labels[name] for name in sorted(set(labels) - set(photos))),
    )


def _from_list(data: Path, split: str, listed: Path, classes: ClassSet, masks: Path) -> PairSource:
    photos, labels = pictures(data / "images"), pictures(masks)
    lines = read_lines(listed)
    names = tuple(_without_suffix(line) for line in lines)
    found = (_either(photos, name, split) for name in names)
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=tuple(p or data / "images" / line for p, line in zip(found, lines, strict=True)),
        masks=tuple(_either(labels, name, split) for name in names),
    )


def _either(files: dict[str, Path], name: str, split: str) -> Path | None:
    """``images/NAME`` or ``images/SPLIT/NAME``: people do both beside a list."""
    return files.get(name) or files.get(f"{split}/{name}")


def _without_suffix(name: str) -> str:
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in SUFFIXES else name


def pictures(folder: Path) -> dict[str, Path]:
    """Every picture under ``folder`` by its name without suffix, as 'street/0001'."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or path.is_dir():
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found and found[name].suffix.lower() not in HEIC_SUFFIXES:
            if path.suffix.lower() in HEIC_SUFFIXES:  # it was converted
                continue
            raise DataError(path, f"has the same name as {found[name].name}", "", "rename one")
        found[name] = path
    return found


LAYOUT = Layout(
    "images/SPLIT/*.jpg with masks/SPLIT/*.png, or images/ and masks/ with SPLIT.txt lists",
    looks_like,
    splits,
    open_split,
    outputs,
    open_output,
)
