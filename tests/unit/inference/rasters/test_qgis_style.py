"""The style as QGIS's reader goes through it: qgis, pipe, rasterrenderer, colorPalette, entries."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from fullconv.classes import CAMVID, VOC, ClassSet
from fullconv.data.reading.raster import Georeference
from fullconv.inference.rasters.geotiff import write_class_map
from fullconv.inference.rasters.qgis_style import style_of

MANY = ClassSet(tuple(f"class {i}" for i in range(300)), ignore=65535)


def read_as_qgis(text):
    """What the reader makes of it: value -> (name, red, green, blue, alpha)."""
    root = ET.fromstring(text)
    assert root.tag == "qgis"
    assert "Symbology" in root.attrib["styleCategories"]
    (renderer,) = root.findall("./pipe/rasterrenderer")
    assert (renderer.attrib["type"], renderer.attrib["band"]) == ("paletted", "1")
    entries = renderer.findall("./colorPalette/paletteEntry")
    return {int(e.attrib["value"]): (e.attrib["label"], *color(e)) for e in entries}


def color(entry):
    """As QColor reads '#rrggbb', with the alpha beside it."""
    code = entry.attrib["color"]
    assert len(code) == 7
    assert code[0] == "#"
    return (*(int(code[i : i + 2], 16) for i in (1, 3, 5)), int(entry.attrib["alpha"]))


@pytest.mark.parametrize("classes", [CAMVID, VOC, MANY], ids=["camvid", "voc", "uint16"])
def test_every_class_has_its_value_name_and_colour(classes) -> None:
    wanted = enumerate(zip(classes.names, classes.colors, strict=True))
    assert read_as_qgis(style_of(classes)) == {v: (n, *c, 255) for v, (n, c) in wanted}


def test_the_ignored_value_has_no_entry_and_is_not_drawn() -> None:
    assert 255 not in read_as_qgis(style_of(CAMVID))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\"roof\" <b> & 'wall'", "\"roof\" <b> & 'wall'"),
        ("ルーフ", "ルーフ"),
        ("a\x01b\nc", "a\\x01b\\nc"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_any_name_gives_a_style_that_can_be_read(name, shown) -> None:
    text = style_of(ClassSet((name, "other"))).encode()
    assert read_as_qgis(text)[0][0] == shown


def map_of(folder, classes):
    path = folder / "town.tif"
    values = np.zeros((8, 8), np.uint8)
    return path, write_class_map(path, (8, 8), lambda rows: values[rows], classes, Georeference())


def test_it_lies_beside_the_map_under_the_name_that_qgis_looks_for(tmp_path) -> None:
    path, written = map_of(tmp_path, CAMVID)
    assert path.with_suffix(".qml") in written
    assert read_as_qgis(path.with_suffix(".qml").read_text("utf-8"))[1][0] == CAMVID.names[1]


def test_a_new_map_replaces_the_style_but_not_one_that_was_saved_in_qgis(tmp_path) -> None:
    path, _ = map_of(tmp_path, CAMVID)
    style = path.with_suffix(".qml")
    map_of(tmp_path, VOC)
    assert read_as_qgis(style.read_text("utf-8"))[1][0] == VOC.names[1]
    style.write_text("<qgis version='3.40'><pipe/></qgis>")
    _, written = map_of(tmp_path, CAMVID)
    assert style.read_text() == "<qgis version='3.40'><pipe/></qgis>"
    assert style not in written


def test_names_with_control_characters_leave_gdal_a_file_that_it_can_read(tmp_path) -> None:
    map_of(tmp_path, ClassSet(("a\x01b", "other")))
    root = ET.fromstring((tmp_path / "town.tif.aux.xml").read_text("utf-8"))
    assert [each.text for each in root.iter("Category")] == ["a\\x01b", "other"]
