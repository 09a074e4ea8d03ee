"""Supervisely: bitmaps, polygons with holes, rectangles, the photo's border."""

import zlib

import numpy as np
import pytest
from PIL import Image

from exports import inside, notes, png, text64
from fullconv.data.importers import recognise

META = {"classes": [{"title": "road", "shape": "polygon", "color": "#102030"},
                    {"title": "car", "shape": "bitmap", "color": "#FF0000"}]}  # fmt: skip


def shape(kind="polygon", label="car", exterior=(), interior=(), **more):
    points = {"exterior": [list(p) for p in exterior], "interior": [list(h) for h in interior]}
    return {"classTitle": label, "geometryType": kind, "tags": [], "points": points} | more


def bitmap(content, origin=(5, 3), label="car"):
    packed = text64(zlib.compress(content))
    return {"classTitle": label, "geometryType": "bitmap", "tags": [],
            "bitmap": {"data": packed, "origin": list(origin)}}  # fmt: skip


@pytest.fixture
def project(save, picture):
    def write(*objects, dataset="ds", **more):
        picture(f"src/{dataset}/img/a.jpg")
        save("meta.json", META)
        content = {"description": "", "tags": [], "size": {"height": 40, "width": 60},
                   "objects": list(objects)} | more  # fmt: skip
        return save(f"{dataset}/ann/a.jpg.json", content)

    return write


def test_classes_and_colours_are_those_of_meta(project, imported):
    square = [(0, 0), (9, 0), (9, 9), (0, 9)]
    report, masks = imported(project(shape(label="road", exterior=square)))
    assert report.format == "supervisely"
    assert report.classes.names == ("background", "road", "car")
    assert report.classes.colors[1:] == ((16, 32, 48), (255, 0, 0))
    assert list(masks) == ["train/ds/a"]


def test_a_polygon_without_its_holes_is_filled_by_the_centres_of_pixels(project, imported):
    corners = [(2, 3), (50, 3), (49, 30), (31, 12), (3, 31)]
    holes = [[(10, 6), (20, 6), (20, 10), (10, 10)], [(15, 8), (25, 8), (25, 12), (15, 12)]]
    mask = imported(project(shape(exterior=corners, interior=holes)))[1]["train/ds/a"] == 2
    left = inside(corners) & ~inside(holes[0]) & ~inside(holes[1])
    assert np.count_nonzero(mask != left) <= 4  # centres on the slanted edges


def test_the_last_column_and_row_are_the_border(project, imported):
    whole = [(0, 0), (59, 0), (59, 39), (0, 39)]
    assert (imported(project(shape(exterior=whole)))[1]["train/ds/a"] == 2).all()


def test_a_polygon_between_pixels_is_filled_by_their_centres(project, imported):
    corners = [(2.25, 3.25), (50.75, 3.85), (50.25, 30.7), (30, 12.1), (2, 30)]
    mask = imported(project(shape(exterior=corners)))[1]["train/ds/a"] == 2
    assert np.array_equal(mask, inside(corners))


def test_an_empty_outline_is_noted_and_an_empty_hole_is_none(project, imported):
    square = [(0, 0), (9, 0), (9, 9), (0, 9)]
    report, masks = imported(project(shape(exterior=square, interior=[[]]), shape()))
    assert (masks["train/ds/a"] == 2).sum() == 81
    assert notes(report, "empty") == 1


def test_the_same_as_masks_is_left_to_them(project, picture):
    source = project(shape(exterior=[(0, 0), (9, 0), (9, 9)]))
    assert recognise(source).name == "supervisely"
    (source / "ds/masks_machine").mkdir()
    assert recognise(source).name == "supervisely"  # an empty folder changes nothing
    picture("src/ds/masks_machine/a.png")
    (source / "obj_class_to_machine_color.json").write_text('{"car": [1, 1, 1]}')
    assert recognise(source).name == "colors"


@pytest.mark.parametrize(
    ("exterior", "rows", "columns"),
    [([(2, 3), (8, 5)], slice(3, 5), slice(2, 8)), ([(8, 5), (2, 3)], slice(3, 5), slice(2, 8)),
     ([(0, 0), (59, 39)], slice(0, 40), slice(0, 60)),
     ([(1.75, 1.5), (4.25, 4.75)], slice(1, 5), slice(2, 4))],
)  # fmt: skip
def test_rectangles(project, imported, exterior, rows, columns):
    expected = np.zeros((40, 60), bool)
    expected[rows, columns] = True
    mask = imported(project(shape("rectangle", exterior=exterior)))[1]["train/ds/a"] == 2
    assert np.array_equal(mask, expected)


def palette_png(bits):
    image = Image.fromarray(bits.astype(np.uint8))
    image.putpalette([0, 0, 0, 255, 255, 255])
    return png(image, transparency=0)


@pytest.mark.parametrize(
    "pack",
    [
        lambda bits: png(bits.astype(np.uint8) * 255),
        lambda bits: png(Image.fromarray(bits)),
        palette_png,
        lambda bits: png(np.dstack([np.full((*bits.shape, 3), 9, np.uint8),
                                    bits.astype(np.uint8) * 255])),
    ],
    ids=["grey", "one bit", "palette", "alpha"],
)  # fmt: skip
def test_bitmaps_of_every_kind(project, imported, pack):
    bits = np.random.default_rng(0).random((20, 30)) < 0.4
    mask = imported(project(bitmap(pack(bits))))[1]["train/ds/a"] == 2
    assert np.array_equal(mask[3:23, 5:35], bits)
    assert mask.sum() == bits.sum()


def test_lines_points_parts_and_turned_boxes(project, imported):
    objects = [
        shape("line", "road", [(0, 35), (59, 35)]),
        shape("point", "car", [(50, 10)]),
        {"classTitle": "car", "geometryType": "multipolygon", "parts": [
            {"exterior": [[0.0, 0], [4.5, 0], [4.5, 4], [0, 4]]},
            {"exterior": [[10, 0], [14.5, 0], [14.5, 4], [10, 4]], "interior": []}]},
        shape("oriented_bbox", "car", [(20.5, 15), (30, 20)], angle=np.pi / 2),
    ]  # fmt: skip
    mask = imported(project(*objects), line_width=2, point_radius=3)[1]["train/ds/a"]
    assert (mask == 1).sum() == pytest.approx(60 * 2, abs=64)
    assert mask[1, 1] == mask[1, 11] == mask[10, 50] == 2
    assert mask[1, 7] == 0
    assert mask[13, 25] == 2  # upright now: 5 wide, 9.5 high
    assert mask[17, 29] == 0


def test_splits_and_nested_data_sets(project, imported, picture, save):
    square = [(0, 0), (9, 0), (9, 9), (0, 9)]
    project(shape(exterior=square), dataset="train")
    source = project(shape(exterior=square), dataset="val/datasets/street")
    masks = imported(source, val=None)[1]
    assert sorted(masks) == ["train/train/a", "train/val/street/a"]


@pytest.mark.parametrize(
    ("each", "code"),
    [
        (shape(label="", exterior=[(0, 0), (9, 0), (9, 9)]), "FC-IMPORT-061"),
        (shape("blob", exterior=[(0, 0), (9, 0), (9, 9)]), "FC-IMPORT-011"),
        (shape("graph"), "FC-IMPORT-011"),
        (shape("rectangle", exterior=[(0, 0)]), "FC-IMPORT-012"),
        (bitmap(b"not a picture"), "FC-IMPORT-013"),
        (bitmap(png(np.ones((50, 70), np.uint8))), "FC-IMPORT-013"),
        (bitmap(b"\0" * 2**29), "FC-IMPORT-013"),
        ({"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": "???",
          "origin": [0, 0]}}, "FC-IMPORT-013"),
    ],
)  # fmt: skip
def test_impossible_objects_name_file_and_object(project, refused, each, code):
    said = refused(project(each), code)
    assert "a.jpg.json" in said
    assert "object 0" in said


def test_with_skip_the_box_of_a_skeleton_is_ignored_below_the_rest(project, imported):
    square = [(0, 0), (9, 0), (9, 9), (0, 9)]
    nodes = {"one": {"loc": [0, 0]}, "two": {"loc": [20, 10]}}
    graph = {"classTitle": "car", "geometryType": "graph", "nodes": nodes}
    report, masks = imported(project(shape(exterior=square), graph), skip=True)
    mask = masks["train/ds/a"]
    assert ((mask == 2).sum(), (mask == 255).sum()) == (81, 119)
    assert notes(report, "no area") == 1


def test_with_skip_a_photo_with_an_object_without_any_place_is_left_out(project, refused):
    refused(project(shape("graph")), None, "no photo|no labelled photo", skip=True)
