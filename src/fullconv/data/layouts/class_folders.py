"""``images/SPLIT/NAME.jpg`` with ``masks/SPLIT/CLASS/NAME.png``: classes that may overlap."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fullconv.classes import OVERLAP_IGNORE, THRESHOLD, ClassSet, default_colors
from fullconv.data.layouts import folder
from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.folder import IMAGES, MASKS
from fullconv.data.layouts.listing import USUAL, Layout, usual_name
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import (
    folders_with_pictures,
    is_picture,
    pictures,
)
from fullconv.data.reading.mask import stored_values
from fullconv.data.sample import Mask
from fullconv.data.splits.overlapping import BACKGROUND
from fullconv.errors import DataError, Finding, UserError

FOREGROUND = 255
"""In the masks of a class as 1, where the class file has another ``ignore``."""


def looks_like(data: Path) -> bool:
    """Masks lie in folders that ``images/`` does not have, and by the names of its photos."""
    return folder.looks_like(data) and any(_has_class_folders(*pair) for pair in _pairs(data))


def _pairs(data: Path) -> list[tuple[Path, Path]]:
    """The folders of photos and of masks: of each split, or the two of the data."""
    images, masks = data / IMAGES, data / MASKS
    splits = [(images / name, masks / name) for name in folder.split_folders(images)]
    return [*splits, (images, masks)]


def _has_class_folders(images: Path, masks: Path) -> bool:
    splits = {usual_name(name).lower() for name in folders_with_pictures(images)}
    names = [
        name
        for name in _folders(masks)
        if not (images / name).is_dir() and usual_name(name).lower() not in splits
    ]
    if not names or len(names) < len(_folders(masks)):
        return False
    if any(is_picture(path) for path in masks.iterdir() if path.is_file()):
        return False
    photos = pictures(images)
    return any(_is_of_photos(masks / name, photos) for name in names)


def _folders(masks: Path) -> list[str]:
    """The folders in ``masks`` that have a picture, sorted."""
    if not masks.is_dir():
        return []
    return folders_with_pictures(masks)


def _is_of_photos(masks: Path, photos: dict[str, Path]) -> bool:
    """Whether a mask is called as a photo, which lies in a split's folder or not."""
    last = {name.rpartition("/")[2] for name in photos}
    return any(name in photos or name.rpartition("/")[2] in last for name in pictures(masks))


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with a mask for each class; UserError says what was looked for."""
    known = _classes(data, classes)
    opened = [_open_class(data, split, known, name) for name in known.names]
    first = opened[0]
    files = tuple(zip(*(source.masks for source in opened), strict=True))  # of each photo, K
    masks = tuple(next((file for file in of if file), None) for of in files)
    of_photo = {mask: of for mask, of in zip(masks, files, strict=True) if mask}
    ignore = _classes_of_file(data, classes).ignore
    return replace(
        first,
        classes=known,
        masks=masks,
        read=ClassMasks(of_photo, ignore),
        orphans=tuple(orphan for source in opened for orphan in source.orphans),
        findings=tuple(dict.fromkeys(_findings(data, split, known, opened, masks))),
    )


def _classes(data: Path, given: Path | None) -> ClassSet:
    """The classes of the class file, else those of the folders, as overlapping ones."""
    known = _classes_of_file(data, given)
    folders = {name for _, masks in _pairs(data) for name in _folders(masks)}
    folders -= {name for images, _ in _pairs(data) for name in _folders(images)}
    names = tuple(n for n in known.names if n in folders or n not in BACKGROUND)
    strange = sorted(folders - {*names, *USUAL})
    if strange:
        raise UserError(
            f"{data / MASKS}: has a folder {strange[0]!r}, which is no class; the classes are "
            f"{', '.join(known.names[:8])}: rename it, or add the class to the class file",
            "FC-DATA-138",
        )
    has_own = known.colors != default_colors(len(known), background=0 in known.background)
    colors = tuple(known.colors[known.index(name)] for name in names) if has_own else ()
    thresholds = (THRESHOLD,) * len(names)
    return ClassSet(names, colors, OVERLAP_IGNORE, known.ignore_color, thresholds=thresholds)


def _classes_of_file(data: Path, given: Path | None) -> ClassSet:
    if given is None and not any((data / name).is_file() for name in NAMES):
        folders = {name for _, masks in _pairs(data) for name in _folders(masks)}
        splits = {images.name for images, _ in _pairs(data)[:-1]}
        return ClassSet(tuple(sorted(folders - splits)))
    return classes_in(data, given)


def _open_class(data: Path, split: str, classes: ClassSet, name: str) -> PairSource:
    """The photos of a split with the masks of one class, None where there is none."""
    lists = folder.lists_of(data)
    if split in lists:
        return folder.from_list(data, split, lists, classes, data / MASKS / name)
    inside = split if (data / IMAGES / split).is_dir() else ""
    beside = folder.beside_folders(data / IMAGES) if inside else ()
    images, masks = data / IMAGES / inside, data / MASKS / inside / name
    if inside and not masks.is_dir():
        masks = data / MASKS / name / inside
    return folder.of_folders(images, masks, split, classes, beside)


def _findings(
    data: Path,
    split: str,
    classes: ClassSet,
    opened: Sequence[PairSource],
    masks: Sequence[Path | None],
) -> list[Finding]:
    """What the folders of the classes say, and of how many photos the mask of a class is missing.

    A photo that has the mask of another class does not show this one.
    """
    findings = [finding for source in opened for finding in source.findings]
    labelled = sum(mask is not None for mask in masks)
    for name, source in zip(classes.names, opened, strict=True):
        without = labelled - sum(mask is not None for mask in source.masks)
        if without:
            what = f"{without} of {labelled} photos have no mask of {name!r}: it is not in them"
            fix = "nothing, unless masks were forgotten: then add them"
            findings.append(Finding(f"split {split}", what, "", fix, "note", "FC-DATA-139"))
    return findings


@dataclass(frozen=True)
class ClassMasks:
    """Reads the masks of all classes of a photo, by the path of the first: uint8 (H, W, K).

    In a file 0 is absent, 1 present, ``ignore`` unknown; 255 is present too, where ``ignore`` is
    another value. A missing file is of a class that the photo does not show.
    """

    files: dict[Path, tuple[Path | None, ...]]
    ignore: int

    def __call__(self, file: Path, classes: ClassSet) -> Mask:
        """As `fullconv.data.layouts.pairs.ReadMask`; of one class (H, W)."""
        planes = [None if path is None else self._plane(path) for path in self.files[file]]
        present = [plane for plane in planes if plane is not None]
        for path, plane in zip(self.files[file], planes, strict=True):
            if plane is not None and plane.shape != present[0].shape:
                height, width = plane.shape
                h, w = present[0].shape
                what = f"is {width} x {height} but {file} is {w} x {h}"
                cause, fix = "one of them was resized", "give all masks of a photo its size"
                raise DataError(path or file, what, cause, fix, "FC-DATA-109")
        empty = np.zeros(present[0].shape, np.uint8)
        if len(planes) == 1:
            return present[0]
        return np.dstack([empty if plane is None else plane for plane in planes])  # H,W,K

    def _plane(self, path: Path) -> Mask:
        values = stored_values(path)
        if values.ndim == 3:
            values = _of_grey(values, path)
        plane = np.full(values.shape, 2, np.uint8)
        plane[values == 0], plane[values == 1] = 0, 1
        plane[values == FOREGROUND] = 1
        plane[values == self.ignore] = OVERLAP_IGNORE
        if (plane == 2).any():
            value = int(values[plane == 2][0])
            what = f"value {value} ({int((plane == 2).sum())} pixels) is neither 0 nor 1"
            cause = "a mask resized with averaging, or of several classes"
            fix = f"0 is without the class, 1 with it, {self.ignore} unknown"
            raise DataError(path, what, cause, fix, "FC-DATA-014")
        return plane


def _of_grey(values: Mask, path: Path) -> Mask:
    """The one channel of a mask that was saved as grey RGB."""
    first = values[..., 0]
    if (values != first[..., None]).any():
        what, cause = "has colors, not the values of one class", "a mask of several classes"
        raise DataError(path, what, cause, "save one grey mask for each class", "FC-DATA-015")
    return first


LAYOUT = Layout(
    "class folders",
    "images/SPLIT/*.jpg with masks/SPLIT/CLASS/*.png, a mask for each class that a photo shows",
    looks_like,
    folder.splits,
    open_split,
    has_all=True,
)
