"""Label Studio: tasks.json with an annotation for each photo, and the labelling interface.

The photos are local files below images/. Coordinates are hundredths of the photo's size. Later
polygons lie on top; see `labelme` for holes.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as xml

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.exporters.labelled_photo import (
    Item,
    ShapedPhoto,
    ShapeOptions,
    Spool,
    color_of,
    hexadecimal,
    label_of,
    rounded,
    written_values,
)
from fullconv.data.exporters.outlines.vectorize import Outline, Region, bridged, painting_order


def write(
    items: Iterable[Item], folder: Path, classes: ClassSet, options: ShapeOptions
) -> Iterator[Item]:
    """tasks.json, labels.xml and images/."""
    ignored = False
    with Spool(folder) as tasks:
        for item in items:
            photo = ShapedPhoto.of(item, folder / "images", classes, options)
            tasks.add(json.dumps(_task(tasks.count + 1, photo, classes), ensure_ascii=False))
            ignored |= photo.has(classes.ignore)
            yield item
        with (folder / "tasks.json").open("w", encoding="utf-8") as file:
            file.write("[\n")
            tasks.copy_to(file)
            file.write("\n]\n")
    view = _interface(written_values(classes, options, ignored), classes)
    xml.indent(view)
    (folder / "labels.xml").write_text(f"{xml.tostring(view, 'unicode')}\n", "utf-8")


def _interface(values: list[int], classes: ClassSet) -> xml.Element:
    view = xml.Element("View")
    xml.SubElement(view, "Image", name="image", value="$image", zoom="true")
    labels = xml.SubElement(
        view, "PolygonLabels", name="label", toName="image", strokeWidth="1", pointSize="small"
    )
    for value in values:
        color = hexadecimal(color_of(value, classes))
        xml.SubElement(labels, "Label", value=label_of(value, classes), background=color)
    return view


def _task(number: int, photo: ShapedPhoto, classes: ClassSet) -> dict[str, Any]:
    shapes = painting_order(photo.regions)
    return {
        "id": number,
        "data": {"image": f"/data/local-files/?d={quote(f'images/{photo.file}')}"},
        "annotations": [
            {
                "was_cancelled": False,
                "ground_truth": False,
                "result": [
                    _result(index, region, outline, photo.size, classes)
                    for index, (region, outline) in enumerate(shapes)
                ],
            }
        ],
    }


def _result(
    place: int, region: Region, outline: Outline, size: tuple[int, int], classes: ClassSet
) -> dict[str, Any]:
    height, width = size
    corners = bridged(outline.shell, outline.open_holes) * 100 / np.array([width, height])
    result: dict[str, Any] = {
        "id": f"region{place}",
        "type": "polygonlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {
            "points": corners.tolist(),
            "closed": True,
            "polygonlabels": [label_of(region.value, classes)],
        },
    }
    confidence = rounded(region.confidence)
    if confidence is not None:
        result |= {"score": confidence, "meta": {"text": [f"confidence {confidence:.2f}"]}}
    return result
