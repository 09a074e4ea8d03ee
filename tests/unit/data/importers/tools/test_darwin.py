"""Darwin (V7): paths with holes, brushes in a raster layer, both versions."""

import numpy as np
import pytest

from exports import ellipse, inside, notes


def xy(*corners):
    return [{"x": x, "y": y} for x, y in corners]


def square(left, top, right, bottom):
    return xy((left, top), (right, top), (right, bottom), (left, bottom))


def polygon(*paths, label="car"):
    return {"id": "p", "name": label, "slot_names": ["0"], "polygon": {"paths": list(paths)},
            "bounding_box": {"x": 0, "y": 0, "w": 60, "h": 40}}  # fmt: skip


@pytest.fixture
def export(save, picture):
    def write(*annotations, **slot):
        picture("src/images/night/a.jpg")
        slot = {"type": "image", "slot_name": "0", "width": 60, "height": 40,
                "source_files": [{"file_name": "a.jpg"}]} | slot  # fmt: skip
        content = {"version": "2.0", "annotations": list(annotations),
                   "item": {"name": "a.jpg", "path": "/night", "slots": [slot]}}  # fmt: skip
        return save("a.json", content)

    return write


def test_paths_are_filled_by_the_even_odd_rule(export, imported):
    paths = [square(5, 5, 45, 35), square(10, 10, 40, 30), square(20, 15, 30, 25)]
    report, masks = imported(export(polygon(*paths)))
    assert report.format == "darwin"
    rings = [[(p["x"], p["y"]) for p in path] for path in paths]
    expected = inside(rings[0]) ^ inside(rings[1]) ^ inside(rings[2])
    assert np.array_equal(masks["train/night/a"] == 1, expected)
    assert expected.sum() == 1200 - 600 + 100


def test_brushes_are_in_the_raster_layer(export, imported):
    values = np.zeros((40, 60), int)
    values[4:20, 10:30], values[25:30, 5:50] = 1, 2
    flat = values.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    starts = [0, *edges.tolist()]
    lengths = np.diff([*starts, flat.size]).tolist()
    pairs = [int(n) for start, length in zip(starts, lengths, strict=True)
             for n in (flat[start], length)]  # fmt: skip
    layer = {"dense_rle": pairs, "mask_annotation_ids_mapping": {"m1": 1, "m2": 2},
             "total_pixels": 2400}  # fmt: skip
    annotations = [{"id": "r", "name": "__raster_layer__", "raster_layer": layer},
                   {"id": "m1", "name": "car", "mask": {}},
                   {"id": "m2", "name": "road", "mask": {}}]  # fmt: skip
    report, masks = imported(export(*annotations))
    assert report.classes.names == ("background", "car", "road")
    assert np.array_equal(masks["train/night/a"], values)


def test_every_other_kind(export, imported):
    annotations = [
        {"name": "1", "bounding_box": {"x": 1, "y": 2, "w": 10, "h": 5}},
        {"name": "2", "ellipse": {"angle": 0.5, "center": {"x": 40, "y": 12},
                                  "radius": {"x": 12, "y": 5}}},
        {"name": "3", "keypoint": {"x": 50, "y": 30}},
        {"name": "4", "line": {"path": xy((0, 38), (60, 38))}},
        {"name": "night", "tag": {}},
    ]  # fmt: skip
    report, masks = imported(export(*annotations), line_width=2, point_radius=3)
    mask = masks["train/night/a"]
    assert report.classes.names == ("background", "1", "2", "3", "4")
    assert (mask == 1).sum() == 50
    assert np.array_equal(mask == 2, ellipse(40, 12, 12, 5, np.degrees(0.5)))
    assert np.array_equal(mask == 3, ellipse(50, 30, 3, 3))
    assert np.array_equal(np.flatnonzero((mask == 4).all(1)), [37, 38])
    assert notes(report, "not for masks") == 1


def test_version_one(save, picture, imported):
    picture("src/a.jpg")
    paths = {"path": square(5, 5, 45, 35), "additional_paths": [square(10, 10, 40, 30)]}
    annotation = {"name": "car", "polygon": paths}
    image = {"filename": "a.jpg", "width": 60, "height": 40, "workview_url": "https://x"}
    source = save("a.json", {"dataset": "d", "image": image, "annotations": [annotation]})
    assert (imported(source)[1]["train/a"] == 1).sum() == 600


@pytest.mark.parametrize(
    ("annotation", "slot", "code"),
    [
        (polygon(square(0, 0, 9, 9), label=" "), {}, "FC-IMPORT-061"),
        ({"name": "car", "blob": {}}, {}, "FC-IMPORT-011"),
        ({"name": "car", "skeleton": {"nodes": xy((1, 2))}}, {}, "FC-IMPORT-011"),
        ({"name": "car", "polygon": {"paths": [[[1, 2]]]}}, {}, "FC-IMPORT-012"),
        ({"name": "car", "id": "m", "mask": {}}, {}, "FC-IMPORT-013"),
        ({"name": "x", "raster_layer": {"dense_rle": [0, 5],
          "mask_annotation_ids_mapping": {}}}, {}, "FC-IMPORT-013"),
        (polygon(square(0, 0, 9, 9)), {"type": "video"}, "FC-IMPORT-072"),
        ({"name": "car", "frames": {}}, {}, "FC-IMPORT-072"),
    ],
)  # fmt: skip
def test_impossible_annotations(export, refused, annotation, slot, code):
    assert "a.json" in refused(export(annotation, **slot), code)


def test_with_skip_the_box_of_a_skeleton_is_ignored_below_the_rest(export, imported):
    skeleton = {"name": "car", "skeleton": {"nodes": xy((0, 0), (20, 10))}}
    report, masks = imported(export(polygon(square(0, 0, 10, 10)), skeleton), skip=True)
    mask = masks["train/night/a"]
    assert ((mask == 1).sum(), (mask == 255).sum()) == (100, 100)
    assert notes(report, "no area") == 1


def test_a_path_of_two_points_is_noted(export, imported):
    source = export(polygon(square(0, 0, 9, 9)), polygon(xy((1, 1), (5, 5))), polygon())
    assert notes(imported(source)[0], "empty") == 2
