"""Photos and masks in other folders than ``images/`` and ``masks/``, beside a class file.

``train/images`` with ``train/masks``; ``img`` with ``gt``, each with or without folders of splits;
``train`` with ``train_masks``; ``street1.jpg`` with ``street1_mask.png`` beside it, or, where
nothing else fits, ``street1.png``.
"""

from contextlib import suppress
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.folder import (
    beside_folders,
    from_list,
    lists_of,
    of_folders,
    renamed_masks,
)
from fullconv.data.layouts.listing import ALL, USUAL, Layout, same_split, usual_first, usual_name
from fullconv.data.layouts.mask_names import (
    MASK_FOLDERS,
    PHOTO_FOLDERS,
    masks_of,
    photos_named_by,
    without_words,
)
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import folders_with_pictures, is_picture, listed
from fullconv.data.layouts.same_named import same_named
from fullconv.data.reading.walk import is_debris, subfolders
from fullconv.errors import Finding, UserError

Pair = tuple[Path, Path]
"""A folder of photos and one of their masks; the same one where they lie together."""
_NO_MASKS = (".jpg", ".jpeg", ".jfif", ".heic", ".heif", ".webp")


def looks_like(data: Path) -> bool:
    """A class file, and folders of which it is clear what is in them.

    Not with lists of splits beside them that would not be read.
    """
    has_classes = data.is_dir() and any((data / name).is_file() for name in NAMES)
    return has_classes and bool(pairs(data)) and not _has_unread_lists(data)


def _lists(data: Path) -> dict[str, Path]:
    """The lists of splits beside one folder of photos and one of masks."""
    pair = _beside(data)
    return lists_of(data, pair[0].name) if pair else {}


def _has_unread_lists(data: Path) -> bool:
    read = set(_lists(data).values())
    return any(
        usual_name(file.stem) in USUAL and file.suffix.lower() in (".txt", ".csv", ".tsv")
        for file in data.iterdir()
        if file not in read
    )


def unusable(data: Path) -> UserError:
    """Why a folder with such pairs is no data set."""
    if not any((data / name).is_file() for name in NAMES):
        return UserError(
            f"{data}: has photos and masks, and no class file beside them; write classes.toml with "
            'a [[class]] and name = "..." for each class. If a labelling tool wrote it: fullconv '
            f"import {data} photos/",
            "FC-CLASS-011",
        )
    return UserError(
        f"{data}: has lists of splits that are not read: only text files (.txt) are, beside one "
        "folder of photos and one of masks; write such lists, or rename them",
        "FC-DATA-100",
    )


def splits(data: Path) -> list[str]:
    """The names of the splits, by lists where there are some; 'all' where there are none."""
    return sorted(_lists(data) or pairs(data), key=usual_first)


def pairs(data: Path) -> dict[str, Pair]:
    """The folders of each split; of train alone those of 'all', from which val is split off."""
    by_split = _of_splits(data)
    labelled = [split for split, pair in by_split.items() if _is_labelled(*pair)]
    if [usual_name(split) for split in labelled] == ["train"]:
        return {ALL: by_split[labelled[0]]}
    return by_split if labelled else {}


def _is_labelled(photos: Path, masks: Path) -> bool:
    if photos != masks:
        return masks.is_dir()
    return _has_masks(photos) or same_named(photos) is not None


def _of_splits(data: Path) -> dict[str, Pair]:
    """The folders of each split, those of masks not always there."""
    if pair := _beside(data):
        photos, masks = pair
        inside = folders_with_pictures(photos)
        if any(usual_name(name) in USUAL for name in inside):
            return {name: (photos / name, same_split(masks, name)) for name in inside}
        return {ALL: pair}
    folders = [folder for folder in subfolders(data) if usual_name(folder.name) in USUAL]
    together = {folder.name: (folder, folder) for folder in folders}
    if any(_has_masks(folder) for folder in folders):
        return together
    if found := _of_folders(folders) or _by_words(data):
        return found
    if not _has_masks(data) and any(same_named(folder) for folder in folders):
        return together
    return {ALL: (data, data)} if _has_masks(data) or same_named(data) else {}


def _beside(folder: Path) -> Pair | None:
    """The folder of photos and the one of masks in ``folder``; None unless there is one of each."""
    names = folders_with_pictures(folder)
    photos = [name for name in names if name.lower() in PHOTO_FOLDERS]
    masks = [name for name in names if name.lower() in MASK_FOLDERS]
    one_of_each = len(photos) == 1 and len(masks) == 1
    return (folder / photos[0], folder / masks[0]) if one_of_each else None


def _of_folders(folders: list[Path]) -> dict[str, Pair]:
    """``train/images`` with ``train/masks``, and so on; without masks under the same names."""
    by_split = {folder.name: pair for folder in folders if (pair := _beside(folder))}
    if not by_split:
        return {}
    photos, masks = next(iter(by_split.values()))
    others = {folder.name: (folder / photos.name, folder / masks.name) for folder in folders}
    return {**{name: pair for name, pair in others.items() if pair[0].is_dir()}, **by_split}


def _by_words(data: Path) -> dict[str, Pair]:
    """``train`` or ``train_images`` with ``train_masks``, and so on."""
    photos: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for name in folders_with_pictures(data):
        split = usual_name(without_words(name))
        if split in USUAL:
            (masks if photos_named_by(name) else photos).setdefault(split, []).append(name)
    one_each = all(len(names) == 1 for names in (*photos.values(), *masks.values()))
    if not one_each or not photos.keys() & masks.keys():
        return {}
    return {
        split: (data / names[0], data / masks.get(split, [f"{split}_masks"])[0])
        for split, names in photos.items()
    }


def _has_masks(folder: Path) -> bool:
    """Whether NAME_mask.png, or the like, lies beside NAME.jpg in a folder."""
    return bool(_masks_in(folder, {name.stem: str(name) for name in _pictures(folder)}))


def _pictures(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if is_picture(file) and not is_debris(file.name)]


def _masks_in(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """Of the pictures of one folder, by name, those which are masks of others."""
    can_be = {name for name, file in files.items() if not file.lower().endswith(_NO_MASKS)}
    named = {name for name in can_be if photos_named_by(name) & files.keys()}
    if not named:  # img_1 and mask_1: only where all are one or the other
        masks = {name for name in can_be if photos_named_by(name)}
        pairs = masks_of(files.keys() - masks, masks)
        named = masks if len(pairs) == len(masks) == len(files) - len(masks) else set()
    return {name: files[name] for name in named}


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with their masks."""
    known = classes_in(data, classes)
    if (lists := _lists(data)) and (pair := _beside(data)):
        photos, masks = pair
        return from_list(data, split, lists, known, masks, photos.name)
    return _open_folders(data, split, known)


def _open_folders(data: Path, split: str, known: ClassSet) -> PairSource:
    photos, masks = pairs(data)[split]
    unlabelled = _unlabelled(data, split)
    if photos == masks:
        return _of_one_folder(photos, split, known, unlabelled)
    beside = () if split == ALL else beside_folders(photos.parent)
    return of_folders(photos, masks, split, known, (*beside, *unlabelled))


def _unlabelled(data: Path, split: str) -> tuple[Finding, ...]:
    """Splits without masks, where that of train is 'all'."""
    others = [name for name in _of_splits(data) if usual_name(name) not in ("train", ALL)]
    if split != ALL or not others:
        return ()
    what = f"has no masks: {', '.join(sorted(others))}"
    fix = "nothing needs to be done, if these photos are not labelled"
    return (Finding(str(data), what, "", fix, "note", "FC-DATA-122"),)


def _of_one_folder(
    folder: Path, split: str, classes: ClassSet, findings: tuple[Finding, ...]
) -> PairSource:
    """The pictures of a folder, some of which are masks of others."""
    if not _has_masks(folder) and (found := same_named(folder)):
        return PairSource(
            classes=classes,
            split=split,
            names=list(found.photos),
            photos=list(found.photos.values()),
            masks=[found.masks.get(name) for name in found.photos],
            orphans=found.orphans,
            findings=findings,
        )
    pictures = listed(folder)
    files = {name: file for name, file in pictures.by_name().items() if "/" not in name}
    masks = _masks_in(folder, files)
    names = [name for name in files if name not in masks]
    masks, renamed = renamed_masks(names, masks, folder)
    findings += renamed + tuple(each for each in pictures.findings if each.severity != "note")
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=[Path(files[name]) for name in names],
        masks=[Path(file) if (file := masks.pop(name, None)) else None for name in names],
        orphans=tuple(map(Path, masks.values())),
        findings=findings,
    )


def mask_files(data: Path) -> set[Path]:
    """The masks of such a data set, which lie among other pictures; none of other folders."""
    if not looks_like(data):
        return set()
    files: set[Path] = set()
    for split in pairs(data):
        with suppress(UserError):  # a class file that cannot be read, names that occur twice
            source = _open_folders(data, split, classes_in(data))
            files.update(mask for mask in source.masks if mask is not None)
            files.update(source.orphans)
    return files


LAYOUT = Layout(
    "named_folders",
    "a class file beside train/images with train/masks, images with labels (or img, photos; mask, "
    "gt, annotations), train with train_masks, or NAME_mask.png or NAME.png beside NAME.jpg",
    looks_like,
    splits,
    open_split,
)
