"""CVAT for images 1.1: annotations.xml, the photos, and the labels to make the task with.

CVAT's polygons have no holes; the layer (z_order) says which lies on top. See `labelme` for holes.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

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

_CONFIDENCE = {
    "name": "confidence",
    "mutable": False,
    "input_type": "text",
    "default_value": "",
    "values": [""],
}


def write(
    items: Iterable[Item], folder: Path, classes: ClassSet, options: ShapeOptions
) -> Iterator[Item]:
    """annotations.xml, labels.json (CVAT's raw labels) and images/."""
    ignored = False
    with Spool(folder, "\n") as spool:
        for item in items:
            photo = ShapedPhoto.of(item, folder / "images", classes, options)
            spool.add(_text(_image(spool.count, photo, classes)))
            ignored |= photo.has(classes.ignore)
            yield item
        labels = [_label(value, classes) for value in written_values(classes, options, ignored)]
        with (folder / "annotations.xml").open("w", encoding="utf-8") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
            file.write(f"<version>1.1</version>\n{_text(_meta(labels, spool.count))}\n")
            spool.copy_to(file)
            file.write("\n</annotations>\n")
    text = json.dumps(labels, ensure_ascii=False, indent=1)
    (folder / "labels.json").write_text(f"{text}\n", "utf-8")


def _label(value: int, classes: ClassSet) -> dict[str, Any]:
    return {
        "name": label_of(value, classes),
        "color": hexadecimal(color_of(value, classes)),
        "type": "polygon",
        "attributes": [_CONFIDENCE],
    }


def _meta(labels: list[dict[str, Any]], images: int) -> xml.Element:
    meta = xml.Element("meta")
    task = xml.SubElement(meta, "task")
    for name, text in (("name", "fullconv"), ("size", str(images)), ("mode", "annotation")):
        xml.SubElement(task, name).text = text
    listed = xml.SubElement(task, "labels")
    for label in labels:
        entry = xml.SubElement(listed, "label")
        for key in ("name", "color", "type"):
            xml.SubElement(entry, key).text = label[key]
        attributes = xml.SubElement(entry, "attributes")
        for attribute in label["attributes"]:
            described = xml.SubElement(attributes, "attribute")
            for key in ("name", "mutable", "input_type", "default_value"):
                xml.SubElement(described, key).text = str(attribute[key])
            xml.SubElement(described, "values").text = "\n".join(attribute["values"])
    return meta


def _image(number: int, photo: ShapedPhoto, classes: ClassSet) -> xml.Element:
    height, width = photo.size
    image = xml.Element("image", id=str(number), name=str(photo.file), width=str(width),
                        height=str(height))  # fmt: skip
    for layer, (region, outline) in enumerate(painting_order(photo.regions)):
        image.append(_polygon(layer, region, outline, classes))
    return image


def _polygon(layer: int, region: Region, outline: Outline, classes: ClassSet) -> xml.Element:
    ring = bridged(outline.shell, outline.open_holes).tolist()
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in ring)
    polygon = xml.Element(
        "polygon", label=label_of(region.value, classes), source="auto", occluded="0",
        points=points, z_order=str(layer),
    )  # fmt: skip
    confidence = rounded(region.confidence)
    if confidence is not None:
        xml.SubElement(polygon, "attribute", name="confidence").text = f"{confidence:.4f}"
    return polygon


def _text(element: xml.Element) -> str:
    xml.indent(element)
    return xml.tostring(element, "unicode")
