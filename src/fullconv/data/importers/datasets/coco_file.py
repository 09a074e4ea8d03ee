"""A COCO file by its lists: images, annotations, categories, and what tells its kind."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fullconv.data.importers.annotations import Note
from fullconv.data.importers.json_reader import read_json
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.photos.named_photos import plain
from fullconv.errors import DataError, Finding, printable

LISTS = ("images", "annotations", "categories")
_SPLIT = re.compile(r"(?<![a-z])(train|val|valid|validation|test)(?![a-z])", re.IGNORECASE)
_PHOTO_OF_COCO = re.compile(r"(?:^|[/\\])(?:COCO_\w+_)?\d{12}\.jpg$")
Id = int | str


@dataclass
class CocoFile:
    """One file: its lists, the name of each category by id, and the split that its name says.

    ``groups`` are categories that others name as their supercategory.
    """

    path: Path
    images: list[Any]
    annotations: list[Any]
    categories: dict[Id, str]
    split: str | None
    groups: frozenset[str] = frozenset()
    is_published: bool = False
    notes: list[Note] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def label_of(self, annotation: Any) -> str | None:
        """The name of an annotation's category; None where it has none that is listed."""
        key = id_of(annotation.get("category_id")) if isinstance(annotation, dict) else None
        return self.categories.get(key) if key is not None else None


def open_file(file: Path, source: Path) -> CocoFile:
    """A file's lists and categories; DataError where it has none."""
    content = read_json(file)
    for part in LISTS:
        if not isinstance(content, dict) or not isinstance(content.get(part), list):
            raise DataError(file, f"has no list {part!r}", "not a COCO file with labels",
                            "export it again", "FC-IMPORT-004")  # fmt: skip
    names = _categories(file, content["categories"])
    folder = source if source.is_dir() else source.parent
    above = [c.get("supercategory") for c in content["categories"]
             if c.get("supercategory") != c["name"]]  # fmt: skip
    about = str(content.get("info")).lower()
    opened = CocoFile(
        file,
        content["images"],
        content["annotations"],
        names,
        _split(file, folder),
        groups=frozenset(name for name in names.values() if name in above),
        is_published="cocodataset.org" in about
        or "coco 20" in about
        or _are_of_coco(content["images"]),
    )
    same = len(names) - len(set(names.values()))
    opened.notes += [Note("same name", str(file), count=same)] if same else []
    return opened


def id_of(value: Any) -> Id | None:
    """An id as lists compare it: 1, 1.0 and '1' are one; None for what can be none."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 20 else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_crowd(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation is marked as a crowd: by 1 or true, also as text; '0' is none."""
    mark = annotation.get("iscrowd")
    mark = mark.strip().lower() if isinstance(mark, str) else mark
    return mark in (1, True, "1", "true")


def _categories(file: Path, listed: list[Any]) -> dict[Id, str]:
    """Name by id, in the order of the ids."""
    names: dict[Id, str] = {}
    for category in listed:
        key = id_of(category.get("id")) if isinstance(category, dict) else None
        if key is None:
            raise DataError(file, "has a category without id", "", "fix it in the file",
                            "FC-IMPORT-005")  # fmt: skip
        name = category.get("name")
        if not isinstance(name, str) or not name.strip():
            raise DataError(file, f"category {key} has no name", "", "fix it in the file",
                            "FC-IMPORT-005")  # fmt: skip
        if names.setdefault(key, name) != name:
            what = f"two categories have the id {key}: {names[key]!r} and {name!r}"
            raise DataError(file, what, "", "number them anew", "FC-IMPORT-005")
    return dict(sorted(names.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])))


def labels_in(files: Sequence[CocoFile]) -> tuple[str, ...]:
    """All names, but those of categories that only group others and own nothing (Roboflow's 0)."""
    names = dict.fromkeys(name for file in files for name in file.categories.values())
    groups = {name for file in files for name in file.groups}
    used = {file.label_of(annotation) for file in files for annotation in file.annotations}
    return tuple(name for name in names if name in used or name not in groups)


def _split(file: Path, folder: Path) -> str | None:
    """From the name of the file, 'instances_val2017.json', or of its folder below the source."""
    for name in (file.stem, *(part for part in file.relative_to(folder).parts[:-1])):
        match = _SPLIT.search(name.replace("_", " "))
        if match:
            return USUAL[match[1].lower()]
    return None


def brush_labels(files: Sequence[CocoFile]) -> frozenset[str]:
    """The labels whose run lengths with iscrowd=1 are regions, not crowds.

    CVAT and others write iscrowd=1 for everything that is painted with a brush. Crowds are those of
    COCO's own photos, and where most run lengths are none, so that the mark tells some apart; not
    of CVAT's files.
    """
    crowds: set[str] = set()
    plain = marked = 0
    from_cvat = False
    for file in files:
        for annotation in file.annotations:
            label = file.label_of(annotation)
            if label is None or not annotation.get("segmentation"):
                continue
            attributes = annotation.get("attributes")
            from_cvat |= isinstance(attributes, dict) and "occluded" in attributes
            if not isinstance(annotation["segmentation"], dict):
                continue
            if is_crowd(annotation):
                marked += 1
                crowds.add(label)
            else:
                plain += 1
    if any(file.is_published for file in files) or (plain > marked and not from_cvat):
        return frozenset()
    return frozenset(crowds)


def _are_of_coco(images: Sequence[Any]) -> bool:
    """Whether most photos are called as COCO's, 000000000139.jpg or COCO_val2014_000000000139."""
    names = [image.get("file_name") for image in images if isinstance(image, dict)]
    of_coco = sum(isinstance(n, str) and _PHOTO_OF_COCO.search(n) is not None for n in names)
    return of_coco > len(names) / 2


def by_image(file: CocoFile) -> list[tuple[dict[str, Any], list[Any]]]:
    """Each image with its annotations; what belongs to no image is a finding.

    Where there is such an annotation, images without any are left out: it may have been theirs.
    """
    images: dict[Id, dict[str, Any]] = {}
    for image in file.images:
        key = id_of(image.get("id")) if isinstance(image, dict) else None
        if key is None or not _is_name(image.get("file_name")):
            file.findings.append(_of_file(file, "has an image without id or file_name"))
        elif key in images:
            what = f"two images have the id {key}: {images[key]['file_name']} and another"
            file.findings.append(_of_file(file, what))
        else:
            images[key] = image
    annotations: dict[Id, list[Any]] = defaultdict(list)
    lost = False
    for annotation in file.annotations:
        owner = annotation.get("image_id") if isinstance(annotation, dict) else None
        key = id_of(owner)
        if key is None or key not in images:
            image = printable(str(owner), 40)
            what = f"an annotation belongs to the image {image}, which is not listed"
            file.findings.append(_of_file(file, what))
            lost = True
        else:
            annotations[key].append(annotation)
    if lost:
        without = [image for key, image in images.items() if key not in annotations]
        file.notes += [Note("left out", f"{file.path} ({i['file_name']})") for i in without]
        images = {key: image for key, image in images.items() if key in annotations}
    return [(image, annotations[key]) for key, image in images.items()]


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and plain(name).name != ""


def _of_file(file: CocoFile, what: str) -> Finding:
    return Finding(str(file.path), what, "", "fix it in the file", code="FC-IMPORT-005")


def item_name(file_name: str) -> str:
    """What the photo of ``file_name`` is called in the data set."""
    return plain(file_name).with_suffix("").as_posix()
