"""``images/`` and ``masks/`` folders: the layout for one's own photos."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes
from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.listing import (
    ALL,
    USUAL,
    Layout,
    read_lines,
    same_split,
    usual_first,
    usual_name,
)
from fullconv.data.layouts.mask_names import masks_of
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import (
    EMPTY_LISTING,
    counted,
    folders_with_pictures,
    is_picture,
    listed,
    named,
)
from fullconv.data.listing_cache import cached
from fullconv.data.path_list import NameList, PathList
from fullconv.data.reading.formats import SUFFIXES
from fullconv.data.reading.walk import composed, is_debris
from fullconv.errors import Finding, UserError, printable
from fullconv.parsing import decode_text

IMAGES, MASKS = "images", "masks"
_ENDINGS = tuple(SUFFIXES)


def looks_like(data: Path) -> bool:
    """``images/`` with ``masks/`` beside it."""
    return (data / IMAGES).is_dir() and (data / MASKS).is_dir()


def splits(data: Path) -> list[str]:
    """``SPLIT.txt`` lists, else split folders under ``images/``; 'all' where there is neither.

    Folders of other names than splits usually have are parts of 'all' where photos lie beside them.
    """
    lists = lists_of(data)
    if lists:
        return sorted(lists, key=usual_first)
    folders = split_folders(data / IMAGES)
    is_usual = any(usual_name(name) in USUAL for name in folders)
    if not is_usual and next(_loose(data / IMAGES), None):
        return [ALL]
    return folders or [ALL]


def lists_of(data: Path, images: str = IMAGES) -> dict[str, Path]:
    """The lists of the splits, by the names of the splits; ``images`` is the folder of photos."""
    texts = (path for path in sorted(data.iterdir()) if path.suffix.lower() == ".txt")
    return {path.stem: path for path in texts if _is_list(path, data, images)}


def _unread_lists(data: Path) -> tuple[Finding, ...]:
    """Tables that are called as a split, which may name its photos: only a text file is a list."""
    endings = (".csv", ".tsv", ".lst", ".json", ".xlsx")
    files = [path for path in sorted(data.iterdir())
             if path.suffix.lower() in endings and usual_name(path.stem) in USUAL]  # fmt: skip
    if not files:
        return ()
    what = f"{counted(files, 'file')} left out: {named(files, data)}"
    fix = (
        f"if it lists the photos of a split, write their names into {files[0].stem}.txt, one a line"
    )
    return (Finding(str(data), what, "not read as the list of a split", fix, "warning",
                    "FC-DATA-121"),)  # fmt: skip


def split_folders(images: Path) -> list[str]:
    """The folders in ``images`` that have a picture, the usual splits first."""
    return sorted(folders_with_pictures(images), key=usual_first)


def _loose(images: Path) -> Iterator[Path]:
    """Pictures directly in ``images``."""
    with os.scandir(images) as entries:
        for entry in entries:
            file = images / entry.name if entry.name.lower().endswith(_ENDINGS) else None
            if file and is_picture(file) and not is_debris(file.name) and os.path.isfile(file):
                yield file


def _is_list(path: Path, data: Path, images: str) -> bool:
    """True for the usual names, and where the first line names a photo (a README does not)."""
    if path.name in NAMES or is_debris(path.name) or not path.is_file():
        return False
    if usual_name(path.stem) in USUAL:
        return True
    with path.open("rb") as file:
        first = decode_text(file.read(1000), "replace").strip().partition("\n")[0].strip()
    name = _name_below(data, images)(first)
    base = data / images / name
    pattern = f"{glob.escape(base.name)}.*"  # of a README it is any sentence, and may be a long one
    return bool(name) and (os.path.isfile(base) or any(base.parent.glob(pattern)))


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
    lists = lists_of(data)
    if split in lists:
        return from_list(data, split, lists, classes, masks)
    inside = split if (data / IMAGES / split).is_dir() else ""
    beside = beside_folders(data / IMAGES) if inside else _unread_lists(data)
    labels = same_split(masks, inside) if inside else masks
    return of_folders(data / IMAGES / inside, labels, split, classes, beside)


def beside_folders(images: Path) -> tuple[Finding, ...]:
    """Photos that lie beside the split folders."""
    return _in_no_split(
        images, sorted(_loose(images)), f"move photos into a split folder, as {images / 'train'}"
    )


def _in_no_split(images: Path, photos: list[Path], fix: str) -> tuple[Finding, ...]:
    if not photos:
        return ()
    what = f"{counted(photos, 'photo')} in no split: {named(photos, images)}"
    return (Finding(str(images), what, "", fix, "warning", "FC-DATA-122"),)


def of_folders(
    images: Path,
    masks: Path,
    split: str,
    classes: ClassSet,
    findings: Iterable[Finding] = (),
) -> PairSource:
    """Photos of one folder, masks of the same names from another."""
    photos = listed(images)
    labels = listed(masks) if masks.is_dir() else EMPTY_LISTING
    if not photos.names:
        endings = ", ".join(sorted(SUFFIXES))
        raise UserError(
            f"{images}: no photo is in it; looked for files ending in {endings}", "FC-DATA-103"
        )
    own, renamed = renamed_masks(photos.names, labels.by_name(), masks)
    files = PathList.of([own.pop(name, None) for name in photos.names])
    return PairSource(
        classes=classes,
        split=split,
        names=photos.names,
        photos=photos.files,
        masks=files,
        orphans=tuple(map(Path, own.values())),
        findings=(*findings, *renamed, *photos.findings, *labels.findings),
    )


def renamed_masks(
    photos: Iterable[str], masks: dict[str, str], folder: Path
) -> tuple[dict[str, str], tuple[Finding, ...]]:
    """``masks`` (name -> file) by the names of their photos, and a note where those differ."""
    pairs = masks_of(photos, masks)
    if not pairs:
        return masks, ()
    photo, mask = next(iter(pairs.items()))
    what = f"{counted(list(pairs), 'mask')} of a photo of another name, as {mask} of {photo}"
    fix = "nothing needs to be done, if that is right"
    note = Finding(str(folder), what, "", fix, "note", "FC-DATA-140")
    used = set(pairs.values())
    rest = {name: file for name, file in masks.items() if name not in used}
    return {**{name: masks[own] for name, own in pairs.items()}, **rest}, (note,)


def from_list(
    data: Path,
    split: str,
    lists: dict[str, Path],
    classes: ClassSet,
    masks: Path,
    images: str = IMAGES,
) -> PairSource:
    """The photos that the list of ``split`` names, with the masks below ``masks``."""
    listing = listed(data / images)
    photos, labels = listing.by_name(), listed(masks).by_name()
    labels, renamed = renamed_masks(photos, labels, masks)
    named_by = {name: _names_in(path, data, images) for name, path in lists.items()}
    names = named_by[split]
    files = [_either(photos, name, split) for name in names]
    used = {_either(photos, name, other) for other in lists for name in named_by[other]}
    rest = [Path(path) for path in photos.values() if path not in used]
    fix = f"add their names to {lists[split]}, or to another list"
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=PathList.of(
            [file or data / images / name for file, name in zip(files, names, strict=True)]
        ),
        masks=PathList.of([_either(labels, name, split) for name in names]),
        findings=(
            *repeated_lines(lists[split], names),
            *_in_no_split(data / images, rest, fix),
            *renamed,
            *listing.findings,
        ),
    )


def repeated_lines(listed: Path, names: Iterable[str]) -> tuple[Finding, ...]:
    """A finding where a list names photos several times."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not twice:
        return ()
    more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
    what = f"lists {twice[0]!r}{more} several times"
    fix = "leave each photo in once, unless it is meant to count more"
    return (Finding(str(listed), what, "", fix, "warning", "FC-DATA-123"),)


def _names_in(list_file: Path, data: Path, images: str) -> NameList:
    """The names of photos below ``images/`` that the lines of a list mean."""
    shortened = _name_below(data, images)

    def read() -> NameList:
        return NameList.of([shortened(line) for line in read_lines(list_file)])

    return cached(("names in", list_file, data, images), read)


def _name_below(data: Path, images: str) -> Callable[[str], str]:
    """A function from a line of a list to the name of its photo below ``images/``.

    With or without ending, with backslashes, as a path from the data set's folder or from '/'.
    """
    bases = f"{data.absolute()}/", f"{data.resolve()}/", f"{data.as_posix()}/"
    has_inner = (data / images / images).is_dir()

    def name(line: str) -> str:
        line = line.strip().strip('"')
        if "\\" in line and "/" not in line:
            line = line.replace("\\", "/")
        line = line.removeprefix("./")
        for base in bases:
            line = line.removeprefix(base)
        if not has_inner:
            line = line.removeprefix(f"{images}/")
        stem, ending = os.path.splitext(line)
        return printable(composed(stem if ending.lower() in SUFFIXES else line), None)

    return name


def _either(files: dict[str, str], name: str, split: str) -> str | None:
    """``images/NAME`` or ``images/SPLIT/NAME``: people do both beside a list."""
    return files.get(name) or files.get(f"{split}/{name}")


LAYOUT = Layout(
    "folder",
    "images/SPLIT/*.jpg with masks/SPLIT/*.png, or images/ and masks/ with SPLIT.txt lists",
    looks_like,
    splits,
    open_split,
    outputs,
    open_output,
    has_all=True,
)
