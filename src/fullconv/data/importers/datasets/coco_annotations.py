"""COCO's annotations of one image as regions: polygons, run lengths, crowds, boxes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fullconv.data.importers.annotations import IGNORE, Note, Size
from fullconv.data.importers.datasets.coco_file import CocoFile, is_crowd
from fullconv.data.importers.drawing import rle
from fullconv.data.importers.drawing.draw_regions import Region
from fullconv.data.importers.drawing.regions import Polygon, Shape, box
from fullconv.data.importers.json_reader import number, points
from fullconv.errors import UserError, printable


@dataclass
class AnnotationReader:
    """Reads the annotations of one image, whose ``size`` run lengths state where it does not."""

    file: CocoFile
    where: str
    size: Size | None
    brushed: frozenset[str]
    skip: bool
    notes: list[Note]

    def regions(self, annotation: Mapping[str, Any]) -> list[Region]:
        label, outline = self.file.label_of(annotation), annotation.get("segmentation")
        if label is None:
            category = printable(str(annotation.get("category_id")), 40)
            raise UserError(f"has the category {category}, which is not listed", "FC-IMPORT-005")
        if not outline:
            return self._without_outline(annotation, label)
        shape = self._shape(outline)
        if shape is None:
            self.notes.append(Note("empty", self.where, label))
            return []
        if not is_crowd(annotation):
            return [Region(label, shape)]
        if label in self.brushed and isinstance(outline, dict):
            self.notes.append(Note("brush", self.where, label))
            return [Region(label, shape)]
        self.notes.append(Note("crowd", self.where, label))
        return [Region(IGNORE, shape)]

    def _without_outline(self, annotation: Mapping[str, Any], label: str) -> list[Region]:
        """The box, ignored; with --skip also that around key points."""
        bounds, dots = annotation.get("bbox"), annotation.get("keypoints")
        if isinstance(bounds, list) and len(bounds) == 4:
            left, top, width, height = (number(value, "its box") for value in bounds)
            self.notes.append(Note("boxed", self.where, label))
            return [Region(IGNORE, box(left, top, left + width, top + height))]
        if not isinstance(dots, list) or not dots or len(dots) % 3:
            raise UserError("has neither an outline (segmentation) nor a box (bbox)",
                            "FC-IMPORT-010")  # fmt: skip
        if not self.skip:
            raise UserError(
                "has key points, neither an outline (segmentation) nor a box (bbox); "
                "--skip leaves out only it and ignores the box around it",
                "FC-IMPORT-011",
            )
        corners = points([dots[place : place + 2] for place in range(0, len(dots), 3)])
        self.notes.append(Note("no area", self.where, f"keypoints ({label})"))
        return [Region(IGNORE, box(*corners.min(0), *corners.max(0)))]

    def _shape(self, outline: Any) -> Shape | None:
        """None for polygons of which none has three points: they cover nothing."""
        if isinstance(outline, dict):
            self.size = self.size or rle.stated_size(outline)
            return rle.from_coco(outline, self.size)
        rings = rings_of(outline)
        return Polygon(tuple(rings)) if rings else None


def rings_of(outline: Any) -> list[Any]:
    """COCO's polygons, [[x, y, x, y, ...], ...] or one of them, as rings of 3 points or more."""
    if isinstance(outline, list) and len(outline) % 2 == 0 and not _has_list(outline):
        outline = [outline]
    if not isinstance(outline, list) or not all(isinstance(ring, list) for ring in outline):
        raise UserError("has a segmentation that is neither polygons nor run lengths",
                        "FC-IMPORT-010")  # fmt: skip
    rings = []
    for ring in outline:
        if len(ring) % 2:
            raise UserError(f"has a polygon of {len(ring)} numbers, which are no pairs of x and y",
                            "FC-IMPORT-010")  # fmt: skip
        corners = [ring[place : place + 2] for place in range(0, len(ring), 2)]
        if corners and len(points(corners)) > 2:
            rings.append(points(corners))
    return rings


def _has_list(values: list[Any]) -> bool:
    return any(isinstance(value, list) for value in values)
