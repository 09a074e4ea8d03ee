"""The files in the hands of the tools' own readers, or of independent ones."""

import json
import sys
import types

import numpy as np
import pytest
from scipy import ndimage

from fullconv.classes import ClassSet
from fullconv.data.exporters import write_labels

CLASSES = ClassSet(("background", "road", "car", "pole", "tree"))


@pytest.fixture
def written(street, item, tmp_path):
    """``written(tool, tolerance)``: the folder of two photos, and their items."""

    def write(tool, tolerance=1.0, **options):
        items = [item("a", street(0)), item("b", street(1))]
        out = tmp_path / tool
        write_labels(tool, items, out, CLASSES, tolerance=tolerance, smallest=0, **options)
        return out, items

    return write


@pytest.fixture
def labelme(monkeypatch):
    """The package labelme, without the windows that it draws with Qt."""
    for name in ("PyQt5", "PyQt5.QtCore", "PyQt5.QtGui", "PyQt5.QtWidgets"):
        module = types.ModuleType(name)
        module.__getattr__ = lambda name: type(name, (), {})
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("imgviz", "loguru", "tifffile"):
        pytest.importorskip(name, reason="labelme's reader needs it")
    yield pytest.importorskip("labelme", reason="pip install --no-deps labelme")
    for name in [name for name in sys.modules if name.split(".")[0] == "labelme"]:
        del sys.modules[name]


def test_labelme_reads_and_draws_it(labelme, written, ious):
    out, items = written("labelme", 0)
    numbers = {"_background_": 0, "road": 1, "car": 2, "pole": 3, "tree": 4}
    for item in items:
        file = labelme.LabelFile(str(out / f"{item.name}.json"))
        assert file.image_path == f"{item.name}.png"
        assert all(0 < shape["other_data"]["confidence"] <= 1 for shape in file.shapes)
        assert all(shape["description"].startswith("confidence ") for shape in file.shapes)
        drawn, _ = labelme.utils.shapes_to_label((240, 320, 3), file.shapes, numbers)
        # Pillow, with which labelme draws, also takes the pixels that an outline touches.
        assert ious(item.class_map, drawn)[1] > 0.95
        low, high = (f(item.class_map, 5) for f in (ndimage.minimum_filter, ndimage.maximum_filter))
        away_from_borders = low == high
        assert away_from_borders.mean() > 0.7
        assert (drawn == item.class_map)[away_from_borders].all()


def test_labelme_keeps_the_confidence_when_it_saves(labelme, written, tmp_path):
    out, _ = written("labelme")
    file = labelme.LabelFile(str(out / "a.json"))
    kept = [shape.pop("other_data") | shape for shape in file.shapes]
    file.save(str(out / "a.json"), kept, "a.png", 240, 320)
    again = labelme.LabelFile(str(out / "a.json"))
    assert [shape["other_data"]["confidence"] for shape in again.shapes] == [
        shape["confidence"] for shape in kept
    ]


def test_pycocotools_draws_every_region(written):
    coco_module = pytest.importorskip("pycocotools.coco")
    out, items = written("coco", 0)
    coco = coco_module.COCO(str(out / "annotations/instances_default.json"))
    for image in coco.loadImgs(coco.getImgIds()):
        item = next(item for item in items if f"{item.name}.png" == image["file_name"])
        drawn = np.zeros(item.class_map.shape, int)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            mask = coco.annToMask(annotation).astype(bool)
            assert not drawn[mask].any()
            assert mask.sum() == annotation["area"]
            left, top, width, height = annotation["bbox"]
            rows, columns = np.nonzero(mask)
            assert (columns.min(), rows.min()) == (left, top)
            assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (width, height)
            drawn[mask] = annotation["category_id"] - 1
        np.testing.assert_array_equal(drawn, item.class_map)
    assert {c["name"] for c in coco.loadCats(coco.getCatIds())} == {"road", "car", "pole", "tree"}


def test_datumaro_reads_cvats_file(written, ious):
    pytest.importorskip("datumaro", reason="pip install datumaro, in an environment of its own")
    from datumaro.plugins.data_formats.cvat.base import CvatBase
    from pycocotools import mask as mask_utils

    out, items = written("cvat", 0)
    read = {entry.id: entry for entry in CvatBase(str(out / "annotations.xml"))}
    for item in items:
        drawn = np.zeros(item.class_map.shape, int)
        shapes = sorted(read[item.name].annotations, key=lambda shape: shape.z_order)
        for shape in shapes:
            assert 0 < float(shape.attributes["confidence"]) <= 1
            rle = mask_utils.merge(mask_utils.frPyObjects([shape.points], 240, 320))
            drawn[mask_utils.decode(rle).astype(bool)] = 1 + shape.label
        np.testing.assert_array_equal(drawn, item.class_map)


def test_cvats_labels_can_be_pasted_into_a_task(written):
    out, _ = written("cvat")
    labels = json.loads((out / "labels.json").read_text("utf-8"))
    assert [label["name"] for label in labels] == ["road", "car", "pole", "tree"]
    for label in labels:  # the keys of CVAT's raw labels
        assert set(label) == {"name", "color", "type", "attributes"}
        assert [a["name"] for a in label["attributes"]] == ["confidence"]


@pytest.mark.parametrize("tolerance", [0, 1])
def test_rasterio_burns_geojson_into_the_same_map(tolerance, written, ious):
    features = pytest.importorskip("rasterio.features")
    out, items = written("geojson", tolerance)
    for item in items:
        content = json.loads((out / f"{item.name}.geojson").read_text("utf-8"))
        assert "crs" not in content
        shapes = [(f["geometry"], f["properties"]["value"]) for f in content["features"]]
        burnt = features.rasterize(shapes, out_shape=item.class_map.shape)
        if tolerance:
            assert min(ious(item.class_map, burnt).values()) > 0.99
        else:
            np.testing.assert_array_equal(burnt, item.class_map)


def test_shapely_finds_geojson_valid_and_wound_as_the_standard_says(written):
    shapely = pytest.importorskip("shapely")
    from shapely.geometry import shape

    out, items = written("geojson")
    content = json.loads((out / "a.geojson").read_text("utf-8"))
    for entry in content["features"]:
        geometry = shape(entry["geometry"])
        assert geometry.is_valid
        for polygon in getattr(geometry, "geoms", [geometry]):
            assert polygon.exterior.is_ccw
            assert not any(ring.is_ccw for ring in polygon.interiors)
        values = entry["properties"]
        assert values["class"] == CLASSES.names[values["value"]] != "background"
        assert values["classification"]["name"] == values["class"]
        assert values["pixels"] == pytest.approx(geometry.area, rel=0.3, abs=8)
    pixels = sum(entry["properties"]["pixels"] for entry in content["features"])
    assert pixels == (items[0].class_map > 0).sum()
    assert shapely.from_geojson(json.dumps(content)).is_valid
