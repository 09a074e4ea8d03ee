"""Rasters as typed: fullconv predict RUN scene.tif, killed and typed again, and its errors."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.inference import Predictor
from small_runs import small_run

UTM = {"crs": "EPSG:32632", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of a net with random weights."""
    return small_run(tmp_path_factory.mktemp("runs") / "first", ClassSet(tuple("abcd")))


def scene(path, height=90, width=60, bands=3, dtype="uint8", **profile):
    """A raster of noise; its bands as (H, W, bands)."""
    pixels = np.random.default_rng(0).integers(0, 256, (bands, height, width)).astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": bands, "height": height, "width": width, **profile}
    with rasterio.open(path, "w", dtype=dtype, **profile) as dataset:
        dataset.write(pixels)
    return pixels.transpose(1, 2, 0)


def classes_of(path):
    with rasterio.open(path) as found:
        return found.read(1)


def test_rasters_and_photos_in_one_folder(inside, run, tmp_path):
    pixels = scene(tmp_path / "in" / "map" / "scene.tif", **UTM)
    scene(tmp_path / "in" / "deep.tif", bands=5)
    Image.fromarray(pixels).save(tmp_path / "in" / "photo.png")
    out = tmp_path / "out"
    said, error = inside("predict", run, tmp_path / "in", "--out", out, code=1)
    assert f"{tmp_path / 'in' / 'map' / 'scene.tif'}: 60 x 90 in one tile; {out}" in said
    assert "2 of 3 photos predicted" in said
    assert "deep.tif: has 5 bands" in error
    assert error.count("\n") == 1
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == [
        "map/scene.qml", "map/scene.tif", "map/scene.tif.aux.xml", "map/scene_overlay.jpg",
        "photo.png", "photo_overlay.jpg",
    ]  # fmt: skip
    same = classes_of(out / "map" / "scene.tif") == np.asarray(Image.open(out / "photo.png"))
    assert np.mean(same) > 0.999
    inside("predict", run, tmp_path / "in" / "deep.tif", "--out", out, "--bands", "5,3,1",
           "--no-overlay")  # fmt: skip
    assert not (out / "deep_overlay.jpg").exists()
    assert classes_of(out / "deep.tif").shape == (90, 60)


def test_sixteen_bits_with_a_range(inside, run, tmp_path):
    pixels = scene(tmp_path / "scene.tif", dtype="uint16", **UTM)
    out = tmp_path / "out"
    arguments = ["predict", run, tmp_path / "scene.tif", "--out", out]
    error = inside(*arguments, code=1)[1]
    assert "--range 0,4000" in error
    assert "(96% of them lie from" in error
    inside(*arguments, "--range", "0,255")
    expected = Predictor(run, "cpu")(pixels.astype(np.uint8)).mask
    assert np.mean(classes_of(out / "scene.tif") == expected) > 0.999


def test_a_photo_with_more_pixels_than_pillow_opens(inside, run, tmp_path, monkeypatch):
    pixels = scene(tmp_path / "any.tif")
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    expected = Predictor(run, "cpu")(pixels).mask
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    inside("predict", run, tmp_path / "photo.png", "--out", tmp_path / "out", "--no-overlay")
    with rasterio.open(tmp_path / "out" / "photo.tif") as found:
        assert found.crs is None
        assert np.mean(found.read(1) == expected) > 0.999


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_killed_and_typed_again(inside, run, tmp_path):
    scene(tmp_path / "scene.tif", height=2000, width=50, **UTM)
    out, journal = tmp_path / "out", tmp_path / "out" / "scene.tif.partial.json"
    arguments = ["predict", run, tmp_path / "scene.tif", "--tile", 512, "--out", out]
    command = [sys.executable, "-m", "fullconv", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while not journal.exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (out / "scene.tif").exists()
    said, error = inside(*arguments)
    note = next(line for line in error.splitlines() if "resuming after" in line)
    before = int(note.split("resuming after ")[1].split()[0])
    assert note.endswith(f"scene.tif.partial: resuming after {before} of 25 tiles")
    assert 0 < before < 25
    assert f"50 x 2000 in 25 tiles, {before} of them already done" in said
    assert not list(out.glob(".*"))
    inside(*arguments[:-1], tmp_path / "whole", "--no-overlay")
    assert np.array_equal(
        classes_of(out / "scene.tif"), classes_of(tmp_path / "whole" / "scene.tif")
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--scores"], "leave --scores out"),
        (["--bands", "red"], "--bands red"),
        (["--bands", "-1,2,3"], "--bands -1,2,3"),
        (["--range", "12"], "--range 12"),
        (["--range", "12,x"], "--range 12,x"),
        (["--range", "12,12"], "--range 12,12"),
        (["--tile", "96"], "at least 480"),
    ],
)
def test_a_wrong_option_is_one_line_and_code_2(inside, run, tmp_path, options, says):
    scene(tmp_path / "scene.tif", **UTM)
    out = tmp_path / "out"
    _, error = inside("predict", run, tmp_path / "scene.tif", "--out", out, *options, code=2)
    assert error.startswith("fullconv: ")
    assert error.count("\n") == 1
    assert says in error
    assert not out.exists()


def test_the_probabilities_of_a_raster(inside, run, tmp_path):
    pixels = scene(tmp_path / "scene.tif", **UTM)
    out = tmp_path / "out"
    inside("predict", run, tmp_path / "scene.tif", "--out", out, "--probability")
    expected = Predictor(run, "cpu")(pixels)
    with rasterio.open(out / "scene_probability.tif") as found:
        assert found.crs == "EPSG:32632"
        assert np.abs(found.read(1).astype(int) - expected.probability_image).max() <= 1
    error = inside("predict", run, tmp_path / "scene.tif", "--out", tmp_path / "b", "--scores",
                   "--probability", code=2)[1]  # fmt: skip
    assert "FC-RASTER-017" in error and "--scores" in error
    assert not (tmp_path / "b").exists()


def test_the_source_is_never_overwritten(inside, run, tmp_path):
    scene(tmp_path / "scene.tif", **UTM)
    before = (tmp_path / "scene.tif").read_bytes()
    _, error = inside("predict", run, tmp_path / "scene.tif", "--out", tmp_path, code=2)
    assert "would overwrite" in error
    assert (tmp_path / "scene.tif").read_bytes() == before


def test_without_rasterio_photos_go_on(inside, run, tmp_path, monkeypatch):
    pixels = scene(tmp_path / "in" / "scene.tif", **UTM)
    Image.fromarray(pixels).save(tmp_path / "in" / "photo.png")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    said, error = inside("predict", run, tmp_path / "in", "--out", tmp_path / "out", code=1)
    assert "1 of 2 photos predicted" in said
    assert error.count("\n") == 1
    assert "pip install 'fullconv[large]'" in error
    assert (tmp_path / "out" / "photo.png").is_file()
