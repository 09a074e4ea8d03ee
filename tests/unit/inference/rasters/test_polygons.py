"""Polygons of rasters, burnt again by rasterio, and the areas of classes."""

import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.features import rasterize

from fullconv.classes import ClassSet
from fullconv.data.exporters import ShapeOptions
from fullconv.data.exporters.outlines import borders
from fullconv.data.reading.raster import Georeference
from fullconv.inference.rasters.geotiff import write_class_map
from fullconv.inference.rasters.polygons import pixel_counts, write_polygons

CLASSES = ClassSet(("background", "field", "house", "water"))
UTM = Affine(0.5, 0, 500000, 0, -0.5, 5000000)
EXACT = ShapeOptions(tolerance=0, smallest=0)


@pytest.fixture
def class_map(tmp_path):
    """``class_map(crs, transform)``: a GeoTIFF of patches, 70 x 90, with pixels of no data."""

    def write(crs="EPSG:32632", transform=UTM):
        rng = np.random.default_rng(0)
        values = rng.integers(0, 4, (10, 13)).repeat(7, 0).repeat(7, 1)[:70, :90].astype(np.uint8)
        values[20:25, 30:60] = CLASSES.ignore
        system = None if crs is None else rasterio.CRS.from_user_input(crs)
        where = Georeference(system, transform)
        path = tmp_path / "scene.tif"
        write_class_map(path, values.shape, lambda rows: values[rows], CLASSES, where)
        return path, values

    return write


def polygons(path, options=EXACT):
    target = path.with_suffix(".geojson")
    count = write_polygons(path, target, CLASSES, options)
    content = json.loads(target.read_text("utf-8"))
    assert len(content["features"]) == count
    return content


TURNED = Affine(1.7, 1.5, 500000, 1.0, -2.6, 5000000)


@pytest.mark.parametrize("transform", [UTM, TURNED, Affine(1e-5, 0, 8.5, 0, -1e-5, 47.3)])
@pytest.mark.parametrize("rows", [1, 16, 1000])
def test_burnt_again_they_are_the_class_map(transform, rows, class_map, monkeypatch):
    monkeypatch.setattr(borders, "STRIP", rows * 90)
    path, values = class_map(transform=transform)
    content = polygons(path)
    shapes = [(f["geometry"], f["properties"]["value"]) for f in content["features"]]
    burnt = rasterize(shapes, out_shape=values.shape, transform=transform, fill=200)
    np.testing.assert_array_equal(burnt, np.where(np.isin(values, (0, 255)), 200, values))


def test_the_system_is_named_but_for_wgs_84(class_map):
    named = polygons(class_map()[0])["crs"]
    assert named == {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    degrees = Affine(1e-5, 0, 8.5, 0, -1e-5, 47.3)
    assert "crs" not in polygons(class_map("EPSG:4326", degrees)[0])
    lonely = polygons(class_map(None, None)[0])
    assert "crs" not in lonely
    corners = np.concatenate([
        np.array(ring) for f in lonely["features"] for ring in _rings(f["geometry"])
    ])  # fmt: skip
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == ([0, 0], [90, 70])
    own = "+proj=tmerc +lat_0=47 +lon_0=9 +k=1 +x_0=1000 +y_0=2000 +ellps=bessel +units=m"
    name = polygons(class_map(own)[0])["crs"]["properties"]["name"]
    assert rasterio.CRS.from_user_input(name) == rasterio.CRS.from_string(own)


def _rings(geometry):
    parts = geometry["coordinates"]
    return parts if geometry["type"] == "Polygon" else [ring for part in parts for ring in part]


def test_square_metres_are_those_of_the_pixels(class_map):
    path, values = class_map()
    counts, area = pixel_counts(path, CLASSES)
    assert counts == [(values == value).sum() for value in range(4)]
    assert area == 0.25
    for feature in polygons(path)["features"]:
        known = feature["properties"]
        assert known["square_metres"] == known["pixels"] * 0.25
    feet = pixel_counts(class_map("EPSG:2263")[0], CLASSES)[1]
    assert feet == pytest.approx(0.25 * (1200 / 3937) ** 2)
    assert pixel_counts(class_map("EPSG:4326", Affine(1, 0, 8, 0, -1, 47))[0], CLASSES)[1] is None
    assert pixel_counts(class_map(None, None)[0], CLASSES)[1] is None


def test_polygons_are_valid_and_wound_counterclockwise(class_map):
    geometry = pytest.importorskip("shapely.geometry")
    for transform in (UTM, Affine(0.5, 0, 0, 0, 0.5, 0)):
        for feature in polygons(class_map(transform=transform)[0], ShapeOptions())["features"]:
            shape = geometry.shape(feature["geometry"])
            assert shape.is_valid
            assert all(p.exterior.is_ccw for p in getattr(shape, "geoms", [shape]))
