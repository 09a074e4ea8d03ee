"""Datumaro: run lengths, polygons, boxes, z_order, splits."""

import numpy as np
import pytest
from pycocotools import mask as coco

from exports import ellipse, inside, notes

LABELS = {"label": {"labels": [{"name": "road", "parent": "", "attributes": []},
                               {"name": "car", "parent": "", "attributes": []}],
                    "label_groups": [], "attributes": []},
          "mask": {"colormap": [{"label_id": 0, "r": 1, "g": 2, "b": 3},
                                {"label_id": 1, "r": 250, "g": 0, "b": 0}]}}  # fmt: skip


def shape(kind, points, label=1, **more):
    return {"id": 0, "type": kind, "attributes": {}, "group": 0, "label_id": label,
            "points": points, "z_order": 0} | more  # fmt: skip


@pytest.fixture
def export(save, picture):
    def write(*annotations, split="train", **more):
        picture(f"src/images/{split}/a.jpg")
        item = {"id": "a", "annotations": list(annotations),
                "image": {"path": "a.jpg", "size": [40, 60]}} | more  # fmt: skip
        content = {"dm_format_version": "1.0", "media_type": 2, "infos": {}, "categories": LABELS,
                   "items": [item]}  # fmt: skip
        return save(f"annotations/{split}.json", content)

    return write


def test_polygons_masks_and_their_order(export, imported):
    bits = np.random.default_rng(1).random((40, 60)) < 0.3
    packed = coco.encode(np.asfortranarray(bits, np.uint8))
    rle = {"size": [40, 60], "counts": packed["counts"].decode()}
    corners = [(3.5, 2), (50, 8), (30, 36.25)]
    mask = shape("mask", None, 0, rle=rle, z_order=1)
    flat = [number for corner in corners for number in corner]
    report, masks = imported(export(mask, shape("polygon", flat)))
    assert report.format == "datumaro"
    assert report.classes.names == ("background", "road", "car")
    assert report.classes.colors[1:] == ((1, 2, 3), (250, 0, 0))
    assert np.array_equal(masks["train/a"] == 1, bits)
    assert np.array_equal(masks["train/a"] == 2, inside(corners) & ~bits)


def test_other_shapes(export, imported):
    shapes = [shape("ellipse", [10, 5, 40, 21]), shape("polyline", [0, 38, 60, 38], 0),
              shape("points", [50, 30], 0), shape("label", None)]  # fmt: skip
    report, masks = imported(export(*shapes), line_width=2, point_radius=3)
    assert np.array_equal(masks["train/a"] == 2, ellipse(25, 13, 15, 8))
    roads = ellipse(50, 30, 3, 3)
    roads[37:39] = True
    assert np.array_equal(masks["train/a"] == 1, roads)
    assert notes(report, "not for masks") == 1


def test_a_box_is_ignored_unless_its_group_has_an_outline(export, imported):
    outline = shape("polygon", [0, 0, 10, 0, 10, 10, 0, 10], group=4)
    boxes = [shape("bbox", None, bbox=[0, 0, 30, 20], group=4),
             shape("bbox", None, bbox=[40, 0, 10, 10])]  # fmt: skip
    report, masks = imported(export(outline, *boxes))
    assert ((masks["train/a"] == 255).sum(), notes(report, "boxed")) == (100, 1)
    assert (masks["train/a"] == 2).sum() == 100


def test_files_are_splits(export, imported):
    export(shape("polygon", [0, 0, 10, 0, 10, 10]))
    source = export(shape("polygon", [0, 0, 10, 0, 10, 10], 0), split="validation")
    masks = imported(source, val=None)[1]
    assert sorted(masks) == ["train/a", "val/a"]
    assert masks["val/a"].max() == 1


@pytest.mark.parametrize(
    ("each", "more", "code"),
    [
        (shape("polygon", [0, 0, 9, 0, 9, 9], 5), {}, "FC-IMPORT-061"),
        (shape("cuboid_2d", [0] * 16), {}, "FC-IMPORT-011"),
        (shape("polygon", [0, 0, 9]), {}, "FC-IMPORT-012"),
        (shape("mask", None, rle=None), {}, "FC-IMPORT-013"),
        (shape("bbox", None, bbox=[0, 0, 9, 9]), {}, "FC-IMPORT-069"),
        (shape("label", None), {}, "FC-IMPORT-069"),
        (shape("polygon", [0, 0, 9, 0, 9, 9]), {"point_cloud": {"path": "x"}}, "FC-IMPORT-072"),
    ],
)
def test_impossible_annotations(export, refused, each, more, code):
    refused(export(each, **more), code)


def test_a_polygon_of_two_points_is_noted(export, imported):
    source = export(shape("polygon", [0, 0, 9, 0, 9, 9]), shape("polygon", [0, 0, 9, 9]),
                    shape("polygon", []))  # fmt: skip
    assert notes(imported(source)[0], "empty") == 2
