"""Ultralytics' data sets for semantic segmentation: a YAML file that says where photos lie.

``train``, ``val`` and ``test`` are folders of photos below ``path``, or lists with a photo on each
line; ``masks_dir`` takes the place of ``images`` in a photo's path; ``names`` are the classes, and
``label_mapping`` gives masks of other numbers their classes. Polygons (``labels/*.txt``) are not
masks: those are imported (`fullconv.data.importers.tools.yolo`).
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.layouts.find_class_file import given_classes
from fullconv.data.layouts.folder import of_folders, repeated_lines
from fullconv.data.layouts.listing import ALL, Layout, read_lines
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import listed
from fullconv.data.layouts.yaml_description import (
    IMAGES,
    KEYS,
    NOTHING,
    Description,
    classes_of,
    description_in,
    masks_of,
    whole_number,
)
from fullconv.data.listing_cache import cached
from fullconv.data.mask_classes import mask_of
from fullconv.data.reading.formats import SUFFIXES
from fullconv.data.reading.mask import stored_values
from fullconv.data.reading.walk import composed, existing
from fullconv.data.sample import Mask
from fullconv.errors import DataError, Finding, UserError, printable

_IGNORED = (*NOTHING, "ignore_label")
_MOST = 65536  # values of a mask


def looks_like(data: Path) -> bool:
    """A YAML file with ``names`` and ``train`` or ``val``, and a folder of masks."""
    return description_in(data) is not None


def _of(data: Path) -> Description:
    description = cached(("data.yaml", data), lambda: description_in(data))
    if description is None:
        raise UserError(f"{data}: is no YAML file of a data set with masks", "FC-DATA-100")
    return description


def splits(data: Path) -> list[str]:
    """Those that the file names, test only where it is there; 'all' where train has no val."""
    there = [split for split in KEYS if _of(data).places(split)]
    return [ALL] if there == ["train"] else there


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with their masks; UserError where a folder is not there."""
    description = _of(data)
    known = classes_of(description) if classes is None else given_classes(classes)
    places = description.places("train" if split == ALL else split)
    parts = [_open_place(place, description, split, known) for place in places]
    pairs = parts[0] if len(parts) == 1 else _merged(places, parts, description.file)
    mapping = description.content.get("label_mapping")
    if not mapping:
        return pairs
    return replace(
        pairs, read=partial(read_mapped, values=class_values(mapping, known, description))
    )


def _open_place(place: Path, description: Description, split: str, classes: ClassSet) -> PairSource:
    if place.is_file():
        return _of_list(place, description, split, classes)
    if any(IMAGES in name.lower().split("/")[:-1] for name in listed(place).names):
        return _of_inner_folders(place, description, split, classes)
    if masks_of(place, description.masks) == place:
        place = place.resolve()
    folder = masks_of(place, description.masks)
    if folder == place:
        raise UserError(
            f"{place}: has no folder {IMAGES!r} in its path, in whose place "
            f"{description.masks!r} has the masks; move the photos into one",
            "FC-DATA-107",
        )
    if not folder.is_dir() and split != "test":
        raise UserError(
            f"{folder}: the folder of masks is not there; correct 'masks_dir' "
            f"({description.masks})",
            "FC-DATA-107",
        )
    return of_folders(place, folder, split, classes)


def _of_inner_folders(
    place: Path, description: Description, split: str, classes: ClassSet
) -> PairSource:
    """``train`` with ``train/images`` and ``train/masks`` in it: each photo by its own path."""
    files = listed(place).by_name()
    masks = {masks_of(Path(file), description.masks).with_suffix("") for file in files.values()}
    photos = {
        name: Path(file)
        for name, file in files.items()
        if masks_of(path := Path(file), description.masks) != path
        and path.with_suffix("") not in masks
    }
    return _of_photos(list(photos), list(photos.values()), description, split, classes)


def _of_list(file: Path, description: Description, split: str, classes: ClassSet) -> PairSource:
    """A list with a photo on each line; paths count from the list's folder, or as those of the
    file do."""
    if file.suffix.lower() in SUFFIXES:
        raise DataError(description.file, f"{split}: {file.name} is a photo", "",
                        "name its folder, or a list of photos", "FC-DATA-103")  # fmt: skip
    photos = [_photo(line.strip().strip('"').replace("\\", "/"), file, description)
              for line in read_lines(file)]  # fmt: skip
    base = file.parent
    names = [
        printable(composed((photo.relative_to(base) if base in photo.parents else photo)
                           .with_suffix("").as_posix()), None)
        for photo in photos
    ]  # fmt: skip
    pairs = _of_photos(names, photos, description, split, classes)
    return replace(pairs, findings=repeated_lines(file, names))


def _photo(line: str, file: Path, description: Description) -> Path:
    photo = existing(file.parent / line)
    return photo if photo.is_file() else existing(description.place(line) or photo)


def _of_photos(
    names: list[str], photos: list[Path], description: Description, split: str, classes: ClassSet
) -> PairSource:
    masks = [_mask_of(photo, description.masks) for photo in photos]
    return PairSource(classes=classes, split=split, names=names, photos=photos, masks=masks)


def _mask_of(photo: Path, masks: str) -> Path | None:
    stem = masks_of(photo, masks).with_suffix("")
    files = (existing(Path(f"{stem}{ending}")) for ending in (".png", *sorted(SUFFIXES)))
    return next((file for file in files if file != photo and file.is_file()), None)


def _merged(places: list[Path], parts: list[PairSource], file: Path) -> PairSource:
    """Several folders of one split: names begin with as much of the path as tells them apart.

    A photo that two of them have counts once.
    """
    rows: dict[Path, tuple[str, Path | None]] = {}
    findings = [finding for part in parts for finding in part.findings]
    twice = 0
    for place, part in zip(places, parts, strict=True):
        tail = _tail(place, places)
        for name, photo, mask in zip(part.names, part.photos, part.masks, strict=True):
            twice += photo.resolve() in rows
            rows.setdefault(photo.resolve(), (f"{tail}/{name}", mask))
    if twice:
        fix = "name each folder or list once"
        what = f"{twice} photos are in several folders or lists of {parts[0].split!r}"
        findings.append(Finding(str(file), what, "", fix, "warning", "FC-DATA-123"))
    return PairSource(
        classes=parts[0].classes,
        split=parts[0].split,
        names=[name for name, _ in rows.values()],
        photos=list(rows),
        masks=[mask for _, mask in rows.values()],
        orphans=tuple(orphan for part in parts for orphan in part.orphans),
        findings=tuple(findings),
    )


def _tail(place: Path, places: list[Path]) -> str:
    """The shortest end of a path that no other of ``places`` has."""
    parts = _parts(place)
    others = [each for other in places if (each := _parts(other)) != parts]
    for length in range(1, len(parts)):
        if all(other[-length:] != parts[-length:] for other in others):
            return "/".join(parts[-length:])
    return "/".join(parts)


def _parts(place: Path) -> list[str]:
    path = place.resolve()
    return list((path.with_suffix("") if path.is_file() else path).parts[1:])


def class_values(
    mapping: Any, classes: ClassSet, description: Description
) -> npt.NDArray[np.int64]:
    """The class of each value of a mask, by ``label_mapping``: value -> class or ``ignore_label``.

    Values that are not in it stay as they are. Raises DataError for an entry that is no class.
    """
    values = np.arange(_MOST, dtype=np.int64)
    for stored, text in mapping.items() if isinstance(mapping, dict) else [("a list", None)]:
        plain = text.strip().lower() if isinstance(text, str) else text
        is_ignored = plain is None or (isinstance(plain, str) and plain in _IGNORED)
        value = classes.ignore if is_ignored else whole_number(plain)
        number = whole_number(stored)
        if number is None or value is None or not (
            0 <= value < len(classes) or value == classes.ignore
        ):  # fmt: skip
            entry = printable(f"{stored}: {plain if isinstance(plain, str) else '...'}", 60)
            raise DataError(
                description.file, f"label_mapping has {entry}, which is no value and its class", "",
                f"give each value a class from 0 to {len(classes) - 1}, or ignore_label",
                "FC-CLASS-003",
            )  # fmt: skip
        if 0 <= number < _MOST:
            values[number] = value
    return values


def read_mapped(file: Path, classes: ClassSet, values: npt.NDArray[np.int64]) -> Mask:
    """A mask (H, W) through ``values``; DataError for a value that is no class then."""
    stored = stored_values(file)
    if stored.ndim == 3 and (stored == stored[..., :1]).all():  # numbers in three equal bands
        stored = stored[..., 0]
    if stored.ndim == 2 and stored.size and stored.min() >= 0 and stored.max() < len(values):
        stored = values[stored]
    return mask_of(stored, classes, str(file))


LAYOUT = Layout(
    "data_yaml",
    "a data.yaml as Ultralytics has it (train, val, names), with masks/ in the place of images/",
    looks_like,
    splits,
    open_split,
)
