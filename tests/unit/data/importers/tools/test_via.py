"""VGG Image Annotator: JSON of versions 1 and 2, CSV, attributes."""

import csv
import io
import json

import numpy as np
import pytest

from exports import ellipse, inside, notes

POLYGON = {"name": "polygon", "all_points_x": [5, 50, 30], "all_points_y": [4, 8, 35]}


def region(attributes=None, **shape):
    named = {"class": "car"} if attributes is None else attributes
    return {"shape_attributes": shape or POLYGON, "region_attributes": named}


def image(*regions, name="a.jpg"):
    return {"filename": name, "size": 123, "regions": list(regions), "file_attributes": {}}


@pytest.fixture
def via(save, picture):
    def write(*regions):
        picture("src/a.jpg")
        return save("via_region_data.json", {"a.jpg123": image(*regions)})

    return write


@pytest.mark.parametrize("form", ["annotations", "project", "version 1"])
def test_every_form_of_json(save, picture, imported, form):
    picture("src/a.jpg")
    content = {"a.jpg123": image(region())}
    if form == "project":
        content = {"_via_settings": {}, "_via_img_metadata": content, "_via_attributes": {}}
    if form == "version 1":
        content["a.jpg123"]["regions"] = {"0": region()}
    report, masks = imported(save("via.json", content))
    assert (report.format, report.classes.names) == ("via", ("background", "car"))
    corners = list(zip(POLYGON["all_points_x"], POLYGON["all_points_y"], strict=True))
    assert np.array_equal(masks["train/a"] == 1, inside(corners))


def test_a_table(save, picture, imported):
    for name in "abc":
        picture(f"src/{name}.jpg")
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["filename", "file_size", "file_attributes", "region_count", "region_id",
                    "region_shape_attributes", "region_attributes"])  # fmt: skip
    square = {"name": "rect", "x": 1, "y": 2, "width": 10, "height": 5}
    for place, shape in enumerate([POLYGON, square]):
        table.writerow(["a.jpg", 1, "{}", 2, place, json.dumps(shape),
                        json.dumps({"class": f'the "{place}"'})])  # fmt: skip
    table.writerow(["b.jpg", 1, '{"caption":"x,y"}', 0, 0, "{}", "{}"])
    report, masks = imported(save("via.csv", out.getvalue()))
    assert report.classes.names == ("background", 'the "0"', 'the "1"')
    assert (masks["train/a"] == 2).sum() == 50
    assert not masks["train/b"].any()
    assert notes(report, "unlabelled") == 1


def test_every_kind_of_shape(via, imported):
    shapes = [
        region({"class": "1"}, name="rect", x=1, y=2, width=10, height=5),
        region({"class": "2"}, name="circle", cx=40, cy=10, r=6.5),
        region({"class": "3"}, name="ellipse", cx=20, cy=25, rx=10, ry=4, theta=0.6),
        region({"class": "4"}, name="point", cx=50, cy=30),
        region({"class": "5"}, name="polyline", all_points_x=[0, 60], all_points_y=[38, 38]),
    ]
    mask = imported(via(*shapes), line_width=2, point_radius=3)[1]["train/a"]
    assert (mask == 1).sum() == 50
    assert np.array_equal(mask == 2, ellipse(40, 10, 6.5, 6.5))
    assert np.array_equal(mask == 3, ellipse(20, 25, 10, 4, np.degrees(0.6)))
    assert np.array_equal(mask == 4, ellipse(50, 30, 3, 3))
    assert np.array_equal(np.flatnonzero((mask == 5).all(1)), [37, 38])


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"class": "car", "colour": "red"}, "car"),
        ({"Label": "car", "occluded": "no"}, "car"),
        ({"what it is": "car", "other": ""}, "car"),
        ({"type": {"car": True, "bus": False}}, "car"),
    ],
)
def test_which_attribute_names_the_class(via, imported, attributes, label):
    assert imported(via(region(attributes)))[0].classes.names == ("background", label)


@pytest.mark.parametrize(
    ("each", "code"),
    [
        (region({}), "FC-IMPORT-061"),
        (region({"one": "car", "two": "red"}), "FC-IMPORT-070"),
        (region({"type": {"car": True, "bus": True}}), "FC-IMPORT-070"),
        (region(name="cube"), "FC-IMPORT-011"),
        (region(name="polygon", all_points_x=[1, 2], all_points_y=[1]), "FC-IMPORT-012"),
        ({"shape_attributes": POLYGON}, "FC-IMPORT-060"),
    ],
)
def test_impossible_regions(via, refused, each, code):
    assert "via_region_data.json" in refused(via(each), code)


def test_addresses_are_names_of_photos(save, picture, imported):
    picture("src/b 1.jpg")
    content = {"x": image(region(), name="https://host/folder/b%201.jpg?size=large")}
    assert list(imported(save("via.json", content))[1]) == ["train/b 1"]


def test_a_polygon_of_two_points_is_noted(via, imported):
    two = region(name="polygon", all_points_x=[1, 9], all_points_y=[1, 9])
    assert notes(imported(via(region(), two))[0], "empty") == 1
