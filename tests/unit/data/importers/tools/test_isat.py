"""ISAT: layers, categories of isat.yaml, the background."""

import numpy as np
import pytest

from exports import inside, notes


def thing(label, *corners, layer=1.0, **more):
    return {"category": label, "group": 1, "segmentation": [list(c) for c in corners],
            "area": 1, "layer": layer, "bbox": [], "iscrowd": False, "note": ""} | more  # fmt: skip


SQUARE = [(0, 0), (20, 0), (20, 20), (0, 20)]


@pytest.fixture
def export(save, picture):
    def write(*objects, **info):
        picture("src/a.jpg")
        info = {"description": "ISAT", "folder": "/x", "name": "a.jpg", "width": 60, "height": 40,
                "depth": 3, "note": ""} | info  # fmt: skip
        return save("a.json", {"info": info, "objects": list(objects)})

    return write


def test_outlines_and_layers(export, imported):
    corners = [(3.5, 2), (50, 8), (30, 36.25)]
    objects = [thing("car", *corners, layer=2.0), thing("road", *SQUARE, layer=1.0)]
    report, masks = imported(export(*objects))
    assert report.format == "isat"
    assert report.classes.names == ("background", "car", "road")
    assert np.array_equal(masks["train/a"] == 1, inside(corners))
    assert np.array_equal(masks["train/a"] == 2, inside(SQUARE) & ~inside(corners))
    assert notes(report, "groups") == 1


def test_categories_of_the_project(export, imported, save):
    save("isat.yaml", "label:\n- color: '#000000'\n  name: __background__\n- color: '#0000ff'\n"
         "  name: no\n- color: '#00ff00'\n  name: car\n")  # fmt: skip
    background = thing("__background__", (5, 5), (9, 5), (9, 9), (5, 9), layer=2)
    report, masks = imported(export(thing("car", *SQUARE), background))
    assert report.classes.names == ("background", "no", "car")
    assert report.classes.colors[1:] == ((0, 0, 255), (0, 255, 0))
    assert (masks["train/a"] == 2).sum() == 400 - 16


@pytest.mark.parametrize(
    ("each", "info", "code"),
    [
        (thing("", *SQUARE), {}, "FC-IMPORT-061"),
        (thing(None, *SQUARE), {}, "FC-IMPORT-061"),
        (thing("car", *SQUARE), {"description": "other"}, "FC-IMPORT-060"),
    ],
)
def test_impossible_objects(export, refused, each, info, code):
    assert "a.json" in refused(export(each, **info), code, format="isat")


def test_a_polygon_of_two_points_is_noted(export, imported):
    source = export(thing("car", *SQUARE), thing("car", (1, 1), (5, 5)), thing("car"))
    assert notes(imported(source)[0], "empty") == 2


@pytest.mark.parametrize("text", ["label: [", "a: &a [*a", "\tx: 1", "- " * 5000 + "x"])
def test_a_damaged_list_of_categories(export, refused, save, text):
    export(thing("car", *SQUARE))
    assert "isat.yaml" in refused(save("isat.yaml", text), "FC-FILE-012")
