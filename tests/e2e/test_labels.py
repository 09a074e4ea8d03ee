"""fullconv predict --to, as typed."""

import csv
import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from fullconv.classes import ClassSet
from small_runs import small_run

UTM = {"crs": "EPSG:32632", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    classes = ClassSet(("background", "road", "car", "tree"))
    return small_run(tmp_path_factory.mktemp("runs") / "first", classes)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        pixels = rng.integers(0, 255, (12, 16, 3), np.uint8).repeat(5, 0).repeat(5, 1)
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.mark.parametrize("tool", ["labelme", "cvat", "coco", "label-studio"])
def test_predicted_for_a_tool_and_imported_again(tool, inside, run_folder, photos, tmp_path):
    exact = ("--tolerance", 0)
    out, new = tmp_path / "labels", tmp_path / "new"
    said, _ = inside("predict", run_folder, photos, "--to", tool, "--out", out, "--areas", *exact)
    assert "2 of 2 photos predicted" in said
    assert f"open it: {tool if tool == 'labelme' else ''}" in said
    inside("import", out, new, "--classes", out / "classes.toml")
    inside("predict", run_folder, photos, "--out", tmp_path / "pictures")
    rows = list(csv.DictReader((out / "areas.csv").open()))
    for name in ("a", "b"):
        mask = np.asarray(Image.open(next((new / "masks").glob(f"*/{name}.png"))))
        predicted = np.asarray(Image.open(tmp_path / "pictures" / f"{name}.png"))
        np.testing.assert_array_equal(mask, predicted)
        counts = [int(r["pixels"]) for r in rows if r["photo"].endswith(f"{name}.png")]
        assert counts == np.bincount(predicted.ravel(), minlength=4).tolist()


def test_a_raster_becomes_polygons_in_its_own_system(inside, run_folder, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (3, 90, 60), np.uint8)
    scene = tmp_path / "scene.tif"
    with rasterio.open(scene, "w", driver="GTiff", count=3, height=90, width=60, dtype="uint8",
                       **UTM) as dataset:  # fmt: skip
        dataset.write(pixels)
    out = tmp_path / "maps"
    said, _ = inside("predict", run_folder, scene, "--to", "geojson", "--areas", "--out", out)
    content = json.loads((out / "scene.geojson").read_text("utf-8"))
    assert f"{len(content['features'])} polygons" in said
    assert content["crs"]["properties"]["name"].endswith("EPSG::32632")
    rows = list(csv.DictReader((out / "areas.csv").open()))
    assert sum(float(row["square_metres"]) for row in rows) == 90 * 60 * 0.25
    for tool in ("labelme", "coco"):
        error = inside("predict", run_folder, scene, "--to", tool, "--out", tmp_path / "no", code=2)
        assert "FC-LABELS-005" in error[1]
    assert not (tmp_path / "no").exists()


def test_each_overlapping_class_of_a_raster_has_its_polygons(inside, tmp_path):
    run = small_run(tmp_path / "run", ClassSet(("wet", "snow", "ice")).overlapping((0.4, 0.5, 0.6)))
    pixels = np.random.default_rng(0).integers(0, 255, (3, 90, 60), np.uint8)
    with rasterio.open(tmp_path / "scene.tif", "w", driver="GTiff", count=3, height=90, width=60,
                       dtype="uint8", **UTM) as dataset:  # fmt: skip
        dataset.write(pixels)
    out = tmp_path / "maps"
    inside("predict", run, tmp_path / "scene.tif", "--to", "geojson", "--areas", "--out", out,
           "--tolerance", 0)  # fmt: skip
    rows = list(csv.DictReader((out / "areas.csv").open()))
    for name in ("wet", "snow", "ice"):
        with rasterio.open(out / f"scene_{name}.tif") as opened:
            pixels = int((opened.read(1) == 1).sum())
        content = json.loads((out / f"scene_{name}.geojson").read_text("utf-8"))
        labels = {feature["properties"]["class"] for feature in content["features"]}
        assert labels <= {name} and pixels > 0 and labels
        assert [r["pixels"] for r in rows if r["class"] == f"{name}: {name}"] == [str(pixels)]


def test_what_does_not_fit_is_said_before_the_net_is_loaded(inside, photos, tmp_path):
    nowhere = tmp_path / "no run"
    for options, code in (
        (("--to", "paint"), "FC-LABELS-002"),
        (("--to", "coco", "--tolerance", -1), "FC-LABELS-001"),
        (("--to", "coco", "--scores"), "FC-LABELS-005"),
    ):
        assert code in inside("predict", nowhere, photos, *options, code=2)[1]


def test_a_folder_with_something_in_it_is_kept(inside, run_folder, photos, tmp_path):
    out = tmp_path / "labels"
    out.mkdir()
    (out / "corrected.json").write_text("mine")
    error = inside("predict", run_folder, photos, "--to", "labelme", "--out", out, code=2)[1]
    assert "FC-FILE-006" in error
    assert [file.name for file in out.iterdir()] == ["corrected.json"]
