"""labelme: a JSON file beside each photo, with polygons that are drawn in their order.

labelme's polygons have no holes. An outline inside of another one comes after it and covers it, as
labelme's own conversion draws them, so a hole that shapes fill needs no cut. A hole in which pixels
are not written, such as background, is cut out: the ring leads to it and back.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fullconv.classes import ClassSet
from fullconv.data.exporters.labelled_photo import (
    Item,
    ShapedPhoto,
    ShapeOptions,
    background_of,
    label_of,
    rounded,
)
from fullconv.data.exporters.outlines.vectorize import Outline, Region, bridged, painting_order
from fullconv.data.importers.annotations import IGNORE

VERSION = "5.5.0"
"""Of the file format, which has not changed since."""


def write(
    items: Iterable[Item], folder: Path, classes: ClassSet, options: ShapeOptions
) -> Iterator[Item]:
    """NAME.json and the photo for each item, and labels.txt with the classes in their order."""
    for item in items:
        photo = ShapedPhoto.of(item, folder, classes, options)
        target = folder / f"{item.name}.json"
        target.write_text(json.dumps(_content(photo, classes), ensure_ascii=False), "utf-8")
        yield item
    background = background_of(classes)
    names = [
        "_background_" if value in background and not options.with_background else name
        for value, name in enumerate(classes.names)
    ]
    (folder / "labels.txt").write_text("\n".join([IGNORE, *names, ""]), "utf-8")


def _content(photo: ShapedPhoto, classes: ClassSet) -> dict[str, Any]:
    return {
        "version": VERSION,
        "flags": {},
        "shapes": [
            _shape(region, outline, classes) for region, outline in painting_order(photo.regions)
        ],
        "imagePath": photo.file.name,
        "imageData": None,
        "imageHeight": photo.size[0],
        "imageWidth": photo.size[1],
    }


def _shape(region: Region, outline: Outline, classes: ClassSet) -> dict[str, Any]:
    """labelme shows the description and keeps what it does not know, as the confidence."""
    confidence = rounded(region.confidence)
    shape: dict[str, Any] = {
        "label": label_of(region.value, classes),
        "points": bridged(outline.shell, outline.open_holes).tolist(),
        "group_id": None,
        "description": "" if confidence is None else f"confidence {confidence:.2f}",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }
    return shape if confidence is None else shape | {"confidence": confidence}
