"""Ultralytics' data sets for semantic segmentation: a YAML file that says where photos lie.

``train``, ``val`` and ``test`` are folders of photos below ``path``, or lists with a photo on each
line; ``masks_dir`` takes the place of ``images`` in a photo's path; ``names`` are the classes, and
``label_mapping`` gives masks of other numbers their classes. Outlines (``labels/*.txt``) are not
masks: those are imported (`fullconv.data.importers.tools.yolo`).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes
from fullconv.data.layouts.find_class_file import NAMES, given_classes
from fullconv.data.layouts.folder import of_folders, repeated_lines
from fullconv.data.layouts.listing import ALL, Layout, read_lines
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.listing_cache import cached
from fullconv.data.mask_classes import mask_of
from fullconv.data.reading.formats import SUFFIXES
from fullconv.data.reading.mask import stored_values
from fullconv.data.reading.walk import composed, existing
from fullconv.data.sample import Mask
from fullconv.errors import DataError, Finding, UserError, printable
from fullconv.parsing import read_yaml

ENDINGS = (".yaml", ".yml")
KEYS = {"train": ("train",), "val": ("val", "validation", "valid"), "test": ("test",)}
"""The keys under which a split's photos stand."""
IMAGES = "images"
_UNLABELLED = ("ignore_label", "null", "~", "")
_MOST = 65536  # values of a mask


@dataclass(frozen=True)
class Described:
    """A YAML file, its content, and the folder of masks that takes the place of ``images/``."""

    file: Path
    content: dict[str, Any]
    masks: str

    def stated(self, split: str) -> list[str]:
        """What the file names as the photos of a split: folders, or lists; none for no split."""
        value = next((self.content[key] for key in KEYS[split] if self.content.get(key)), [])
        return [each for each in (value if isinstance(value, list) else [value]) if _is_path(each)]


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.strip() not in _UNLABELLED


def described(data: Path) -> Described | None:
    """What a YAML file, or the one in a folder, says of masks; None where there is no such file.

    In a folder with a class file of its own, the YAML file is not looked for.
    """
    if data.is_dir():
        if any((data / name).is_file() for name in NAMES):
            return None
        files = sorted(file for file in data.iterdir() if file.suffix.lower() in ENDINGS)
        files.sort(key=lambda file: file.stem.lower() not in ("data", "dataset"))
    else:
        files = [data] if data.suffix.lower() in ENDINGS and data.is_file() else []
    for file in files:
        with suppress(UserError):  # another program's file
            if found := _described(file):
                return found
    return None


def _described(file: Path) -> Described | None:
    content = read_yaml(file)
    if not isinstance(content, dict) or not ("names" in content or "nc" in content):
        return None
    masks = content.get("masks_dir")
    if not _is_path(masks):
        masks = "masks" if any((root / "masks").is_dir() for root in _roots(file, content)) else ""
    found = Described(file, content, str(masks).strip("/\\ "))
    return found if found.masks and found.stated("train") + found.stated("val") else None


def looks_like(data: Path) -> bool:
    """A YAML file with ``names`` and ``train`` or ``val``, and a folder of masks."""
    return described(data) is not None


def unusable(file: Path) -> UserError:
    """Why a YAML file is no data set with masks; its reader's error where it is no YAML."""
    content = read_yaml(file)
    if not isinstance(content, dict) or not any(key in content for key in ("train", "val")):
        return UserError(
            f"{file}: names no photos; a data set's YAML file has 'train', 'val' and 'names'",
            "FC-DATA-100",
        )
    return UserError(
        f"{file}: has no masks: neither 'masks_dir' nor a folder masks/ beside images/, or no "
        f"'names'. Outlines (labels/*.txt) are read by: fullconv import {file} photos/",
        "FC-DATA-100",
    )


def _of(data: Path) -> Described:
    found = cached(("data.yaml", data), lambda: described(data))
    if found is None:
        raise UserError(f"{data}: is no YAML file of a data set with masks", "FC-DATA-100")
    return found


def splits(data: Path) -> list[str]:
    """Those that the file names, test only where it is there; 'all' where train has no val."""
    there = [split for split in KEYS if _places(_of(data), split)]
    return [ALL] if there == ["train"] else there


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with their masks; UserError where a folder is not there."""
    source = _of(data)
    known = _classes(source) if classes is None else given_classes(classes)
    places = _places(source, "train" if split == ALL else split)
    parts = [_open_place(place, source.masks, split, known) for place in places]
    found = parts[0] if len(parts) == 1 else _together(places, parts)
    mapping = source.content.get("label_mapping")
    if not mapping:
        return found
    values = class_values(mapping, known, source.file)
    return PairSource(
        classes=found.classes,
        split=split,
        names=found.names,
        photos=found.photos,
        masks=found.masks,
        read=partial(read_mapped, values=values),
        orphans=found.orphans,
        findings=found.findings,
    )


def _classes(source: Described) -> ClassSet:
    """``names``, or as many as ``nc`` says; a single class is 1 in the masks, and 0 none."""
    names: list[str]
    if source.content.get("names"):
        names = list(read_classes(source.file).names)
    else:
        count = str(source.content.get("nc"))
        if not count.isdecimal() or not 0 < int(count) < _MOST:
            raise DataError(source.file, f"nc: {printable(count, 40)} is no number of classes", "",
                            "write the classes under 'names'", "FC-CLASS-002")  # fmt: skip
        names = [f"class_{number}" for number in range(int(count))]
    return ClassSet(tuple(names if len(names) > 1 else ["background", *names]))


def _roots(file: Path, content: dict[str, Any]) -> Iterator[Path]:
    """Where paths may count from: ``path`` as it is, or beside the file, and the file's folder."""
    stated = content.get("path")
    if _is_path(stated):
        root = Path(str(stated).replace("\\", "/")).expanduser()
        yield from (file.parent / root, root)
    yield file.parent


def _places(source: Described, split: str) -> list[Path]:
    """The folders and lists of a split; none where the file names none, or no test that is there.

    UserError for photos to train or to validate on that are not there.
    """
    stated = source.stated(split)
    places = [_place(source, text) for text in stated]
    if split == "test" and None in places:
        return []
    for text, place in zip(stated, places, strict=True):
        if place is None:
            looked = ", ".join(sorted({str(root) for root in _roots(source.file, source.content)}))
            raise DataError(
                source.file, f"{split}: {printable(text, 200)} is not there; looked in {looked}",
                "a path of another machine", "correct it, or 'path'", "FC-DATA-103",
            )  # fmt: skip
    return [place for place in places if place is not None]


def _place(source: Described, text: str) -> Path | None:
    """A path from one of the roots, else as much of its end as is there beside the file.

    So '../train/images' of an export that was moved, and another machine's '/content/set/train',
    are found.
    """
    path = Path(text.strip().replace("\\", "/"))
    for root in _roots(source.file, source.content):
        if (place := root / path).exists():
            return place
    parts = [part for part in path.parts if part not in ("/", ".", "..")]
    ends = (source.file.parent.joinpath(*parts[first:]) for first in range(len(parts)))
    return next((place for place in ends if place.exists()), None)


def masks_of(photos: Path, masks: str) -> Path:
    """``masks/train`` for ``images/train``: the last ``images`` of a path is replaced."""
    parts = list(photos.parts)
    for place in reversed(range(len(parts))):
        if parts[place] == IMAGES:
            return Path(*parts[:place], masks, *parts[place + 1 :])
    return photos


def _open_place(place: Path, masks: str, split: str, classes: ClassSet) -> PairSource:
    if place.is_dir():
        folder = masks_of(place, masks)
        if folder == place:
            raise UserError(
                f"{place}: has no folder {IMAGES!r} in its path, in whose place {masks!r} has the "
                "masks; move the photos into one",
                "FC-DATA-107",
            )
        if not folder.is_dir() and split != "test":
            raise UserError(
                f"{folder}: the folder of masks is not there; correct 'masks_dir' ({masks})",
                "FC-DATA-107",
            )
        return of_folders(place, folder, split, classes)
    return _of_list(place, masks, split, classes)


def _of_list(file: Path, masks: str, split: str, classes: ClassSet) -> PairSource:
    """A list with a photo on each line; relative paths count from the list's folder."""
    lines = [line.strip().strip('"').replace("\\", "/") for line in read_lines(file)]
    photos = [existing(file.parent / line) for line in lines]
    base = file.parent.absolute()
    names = [
        printable(composed(Path(line).with_suffix("").as_posix().removeprefix(f"{base}/")), None)
        for line in lines
    ]
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=photos,
        masks=[_mask_of(photo, masks) for photo in photos],
        findings=repeated_lines(file, names),
    )


def _mask_of(photo: Path, masks: str) -> Path | None:
    stem = masks_of(photo, masks).with_suffix("")
    files = (existing(Path(f"{stem}{ending}")) for ending in (".png", *sorted(SUFFIXES)))
    return next((file for file in files if file != photo and file.is_file()), None)


def _together(places: list[Path], parts: list[PairSource]) -> PairSource:
    """Several folders of one split: names begin with as much of the path as tells them apart."""
    findings: list[Finding] = [finding for part in parts for finding in part.findings]
    tails = [_tail(place, places) for place in places]
    return PairSource(
        classes=parts[0].classes,
        split=parts[0].split,
        names=[f"{tail}/{name}" for tail, part in zip(tails, parts, strict=True)
               for name in part.names],
        photos=[photo for part in parts for photo in part.photos],
        masks=[mask for part in parts for mask in part.masks],
        orphans=tuple(orphan for part in parts for orphan in part.orphans),
        findings=tuple(findings),
    )  # fmt: skip


def _tail(place: Path, places: list[Path]) -> str:
    """The shortest end of a path that no other of ``places`` has."""
    parts = _parts(place)
    others = [_parts(other) for other in places if other != place]
    for length in range(1, len(parts)):
        if all(other[-length:] != parts[-length:] for other in others):
            return "/".join(parts[-length:])
    return "/".join(parts)


def _parts(place: Path) -> list[str]:
    path = place.resolve()
    return list((path.with_suffix("") if path.is_file() else path).parts[1:])


def class_values(mapping: Any, classes: ClassSet, file: Path) -> npt.NDArray[np.int64]:
    """The class of each value of a mask, by ``label_mapping``: value -> class or ``ignore_label``.

    Values that are not in it stay as they are. Raises DataError for an entry that is no class.
    """
    values = np.arange(_MOST, dtype=np.int64)
    entries = mapping.items() if isinstance(mapping, dict) else [(mapping, "")]
    for stored, text in entries:
        is_ignored = text is None or text in (*_UNLABELLED, str(classes.ignore))
        value = classes.ignore if is_ignored else _whole(text)
        number = _whole(stored)
        if number is None or value is None or (not is_ignored and value >= len(classes)):
            entry = printable(f"{stored}: {text}", 60)
            raise DataError(
                file, f"label_mapping has {entry}, which is no value and its class", "",
                f"give each value a class from 0 to {len(classes) - 1}, or ignore_label",
                "FC-CLASS-003",
            )  # fmt: skip
        if 0 <= number < _MOST:
            values[number] = value
    return values


def _whole(text: Any) -> int | None:
    try:
        return int(str(text))
    except ValueError:
        return None


def read_mapped(file: Path, classes: ClassSet, values: npt.NDArray[np.int64]) -> Mask:
    """A mask (H, W) through ``values``; DataError for a value that is no class then."""
    stored = stored_values(file)
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
