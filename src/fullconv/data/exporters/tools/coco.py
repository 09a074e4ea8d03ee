"""COCO: annotations/instances_default.json, and the photos in images/.

A region is an annotation. As COCO's polygons have no holes and overlap in no certain order, every
hole is cut out: the ring leads to it and back, so each annotation covers its own pixels alone.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.exporters.labelled_photo import (
    Item,
    ShapedPhoto,
    ShapeOptions,
    Spool,
    color_of,
    label_of,
    rounded,
    written_values,
)
from fullconv.data.exporters.outlines.vectorize import Region, bridged


def write(
    items: Iterable[Item], folder: Path, classes: ClassSet, options: ShapeOptions
) -> Iterator[Item]:
    """One file for all photos; category ids are the mask values and 1."""
    ignored = False
    with Spool(folder) as images, Spool(folder) as annotations:
        for item in items:
            photo = ShapedPhoto.of(item, folder / "images", classes, options)
            images.add(_json(_image(images.count + 1, photo)))
            for region in photo.regions:
                number = annotations.count + 1
                annotations.add(_json(_annotation(number, images.count, region)))
            ignored |= photo.has(classes.ignore)
            yield item
        values = written_values(classes, options, ignored)
        target = folder / "annotations/instances_default.json"
        target.parent.mkdir()
        with target.open("w", encoding="utf-8") as file:
            file.write('{"info": {"description": "predicted by fullconv"},\n"licenses": [],\n')
            file.write(f'"categories": {_json([_category(v, classes) for v in values])},\n')
            file.write('"images": [\n')
            images.copy_to(file)
            file.write('\n],\n"annotations": [\n')
            annotations.copy_to(file)
            file.write("\n]}\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _category(value: int, classes: ClassSet) -> dict[str, Any]:
    return {
        "id": value + 1,
        "name": label_of(value, classes),
        "supercategory": "",
        "color": list(color_of(value, classes)),
    }


def _image(number: int, photo: ShapedPhoto) -> dict[str, Any]:
    height, width = photo.size
    return {"id": number, "file_name": str(photo.file), "width": width, "height": height}


def _annotation(number: int, image: int, region: Region) -> dict[str, Any]:
    corners = np.concatenate([outline.shell for outline in region.outlines])
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    annotation: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": region.value + 1,
        "segmentation": [
            bridged(outline.shell, outline.holes).ravel().tolist() for outline in region.outlines
        ],
        "area": region.pixels,
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
    }
    confidence = rounded(region.confidence)
    if confidence is not None:
        annotation |= {"score": confidence, "attributes": {"confidence": confidence}}
    return annotation
