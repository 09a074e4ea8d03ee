"""Photos and masks in other folders than ``images/`` and ``masks/``, beside a class file.

``train/images`` with ``train/masks``; ``img`` with ``gt``, each with or without folders of splits;
``train`` with ``train_masks``; ``street1.jpg`` with ``street1_mask.png`` beside it.
"""

from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.folder import of_folders, renamed_masks
from fullconv.data.layouts.listing import ALL, USUAL, Layout, usual_first, usual_name
from fullconv.data.layouts.mask_names import (
    MASK_FOLDERS,
    PHOTO_FOLDERS,
    is_mask_name,
    without_words,
)
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import folders_with_pictures, is_picture, listed
from fullconv.data.reading.walk import subfolders
from fullconv.errors import UserError

Pair = tuple[Path, Path]
"""A folder of photos and one of their masks; the same one where they lie together."""


def looks_like(data: Path) -> bool:
    """A class file, and folders of which it is clear what is in them."""
    return data.is_dir() and any((data / name).is_file() for name in NAMES) and bool(pairs(data))


def splits(data: Path) -> list[str]:
    """The names of the splits; 'all' where there are none."""
    return sorted(pairs(data), key=usual_first)


def pairs(data: Path) -> dict[str, Pair]:
    """The folders of each split; of train alone those of 'all', from which val is split off."""
    found = _of_splits(data)
    if [usual_name(split) for split in found] == ["train"]:
        return {ALL: next(iter(found.values()))}
    return found


def _of_splits(data: Path) -> dict[str, Pair]:
    if pair := _beside(data):
        photos, masks = pair
        inside = [name for name in folders_with_pictures(photos) if (masks / name).is_dir()]
        if any(usual_name(name) in USUAL for name in inside):
            return {name: (photos / name, masks / name) for name in inside}
        return {ALL: pair}
    folders = [folder for folder in subfolders(data) if usual_name(folder.name) in USUAL]
    return (
        {folder.name: pair for folder in folders if (pair := _beside(folder))}
        or _by_words(data)
        or {folder.name: (folder, folder) for folder in folders if _has_masks(folder)}
        or ({ALL: (data, data)} if _has_masks(data) else {})
    )


def _beside(folder: Path) -> Pair | None:
    """The folder of photos and the one of masks in ``folder``; None unless there is one of each."""
    names = folders_with_pictures(folder)
    photos = [name for name in names if name.lower() in PHOTO_FOLDERS]
    masks = [name for name in names if name.lower() in MASK_FOLDERS]
    one_of_each = len(photos) == 1 and len(masks) == 1
    return (folder / photos[0], folder / masks[0]) if one_of_each else None


def _by_words(data: Path) -> dict[str, Pair]:
    """``train`` or ``train_images`` with ``train_masks``, and so on."""
    photos: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for name in folders_with_pictures(data):
        split = without_words(name)
        if usual_name(split) in USUAL:
            (masks if is_mask_name(name) else photos).setdefault(split, []).append(name)
    return {
        split: (data / photos[split][0], data / masks[split][0])
        for split in photos.keys() & masks.keys()
        if len(photos[split]) == len(masks[split]) == 1
    }


def _has_masks(folder: Path) -> bool:
    """Whether pictures with a word for masks in their names lie in a folder, beside others."""
    names = [file.stem for file in folder.iterdir() if is_picture(file)]
    masks = sum(map(is_mask_name, names))
    return 0 < masks < len(names)


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with their masks."""
    photos, masks = pairs(data)[split]
    known = classes_in(data, classes)
    return (
        _of_one_folder(photos, split, known)
        if photos == masks
        else of_folders(photos, masks, split, known)
    )


def _of_one_folder(folder: Path, split: str, classes: ClassSet) -> PairSource:
    """The pictures of a folder, of which those with a word for masks in their names are masks."""
    pictures = listed(folder)
    files = pictures.by_name()
    masks = {name: file for name, file in files.items() if is_mask_name(name)}
    names = [name for name in files if name not in masks]
    if not names:
        raise UserError(f"{folder}: has masks and no photo", "FC-DATA-103")
    masks, findings = renamed_masks(names, masks, folder)
    findings += tuple(each for each in pictures.findings if each.severity != "note")
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=[Path(files[name]) for name in names],
        masks=[Path(file) if (file := masks.pop(name, None)) else None for name in names],
        orphans=tuple(map(Path, masks.values())),
        findings=findings,
    )


LAYOUT = Layout(
    "named_folders",
    "a class file beside train/images with train/masks, images with labels (or img, photos; mask, "
    "gt, annotations), train with train_masks, or NAME_mask.png beside NAME.jpg",
    looks_like,
    splits,
    open_split,
)
