"""``images/`` and ``masks/`` folders: the layout for one's own photos."""

from collections.abc import Iterable
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.classfile import classes_in
from fullconv.data.faults import DataError
from fullconv.data.pairs import PairSource
from fullconv.data.photo import SUFFIXES
from fullconv.errors import UserError

ALL = "all"
"""The one split of a folder that has neither split folders nor lists."""


def looks_like(data: Path) -> bool:
    """``images/`` with ``masks/`` beside it."""
    return (data / "images").is_dir() and (data / "masks").is_dir()


def splits(data: Path) -> list[str]:
    """Split folders under ``images/``; else ``SPLIT.txt`` lists; else 'all'."""
    folders = sorted(p.name for p in (data / "images").iterdir() if p.is_dir())
    lists = sorted(p.stem for p in data.glob("*.txt") if _is_list(p))
    return list(dict.fromkeys([*lists, *folders])) or [ALL]


def _is_list(path: Path) -> bool:
    return path.stem not in ("classes", "labels", "labelmap", "README", "readme", "LICENSE")


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with their masks; UserError says what was looked for."""
    known = classes_in(data, classes)
    listed = data / f"{split}.txt"
    if listed.is_file():
        return _from_list(data, split, listed, known)
    inside = split if split != ALL or (data / "images" / ALL).is_dir() else ""
    return _from_folders(data / "images" / inside, data / "masks" / inside, split, known)


def _from_folders(images: Path, masks: Path, split: str, classes: ClassSet) -> PairSource:
    photos, labels = pictures(images), pictures(masks)
    if not photos:
        raise UserError(f"{images}: no photo is in it (of {', '.join(sorted(SUFFIXES))})")
    names = tuple(sorted(photos))
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=tuple(photos[name] for name in names),
        masks=tuple(labels.get(name) for name in names),
        orphans=tuple(labels[name] for name in sorted(set(labels) - set(photos))),
    )


def _from_list(data: Path, split: str, listed: Path, classes: ClassSet) -> PairSource:
    photos, labels = pictures(data / "images"), pictures(data / "masks")
    names = tuple(_without_suffix(line) for line in read_list(listed))
    missing = data / "images"
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=tuple(_either(photos, name, split) or missing / f"{name}.jpg" for name in names),
        masks=tuple(_either(labels, name, split) for name in names),
    )


def _either(files: dict[str, Path], name: str, split: str) -> Path | None:
    """``images/NAME`` or ``images/SPLIT/NAME``: people do both beside a list."""
    return files.get(name) or files.get(f"{split}/{name}")


def _without_suffix(name: str) -> str:
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in SUFFIXES else name


def read_list(path: Path) -> list[str]:
    """The first words of the lines of a list (VOC's lists may carry a flag behind the name)."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: the list cannot be read: {fault}") from fault
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise UserError(f"{path}: the list is empty; write one photo name a line")
    return names


def pictures(folder: Path) -> dict[str, Path]:
    """Every picture under ``folder`` by its name without suffix, as 'street/0001'."""
    found: dict[str, Path] = {}
    for path in _files(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(path, f"has the same name as {found[name].name}", "", "rename one")
        found[name] = path
    return found


def _files(folder: Path) -> Iterable[Path]:
    hidden = (p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES)
    return (p for p in hidden if not p.name.startswith(".") and p.is_file())
