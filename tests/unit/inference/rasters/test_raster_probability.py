"""How probable the classes of a raster are, against the scores of the whole raster in one piece."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import MaskFlags
from scipy.special import expit, softmax

from fullconv.checkpoints import load, save
from fullconv.checkpoints.temperature import Calibration
from fullconv.classes import ClassSet
from fullconv.cluster.rasters import compute_row
from fullconv.data.reading.raster import Georeference
from fullconv.errors import UserError
from fullconv.inference import Predictor, find_inputs
from fullconv.inference.rasters import predict_raster
from fullconv.inference.rasters.geotiff import write_probability_map
from fullconv.inference.rasters.job import refuse_result_clashes
from fullconv.inference.rasters.raster_tiles import open_tiles

UTM = {"crs": "EPSG:32632", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}


def grey(path):
    """The values of a probability map, and where it has pixels."""
    with rasterio.open(path) as opened:
        assert (opened.count, opened.dtypes, opened.nodata) == (1, ("uint8",), None)
        assert opened.mask_flag_enums[0] == [MaskFlags.per_dataset]
        assert opened.scales == (1 / 255,) and opened.descriptions[0].startswith("probability")
        return opened.read(1), opened.dataset_mask() > 0


def is_close(values, probability):
    """Rounded to a 255th; scores of tiles agree to 1e-6 of the largest, some thousand here."""
    wanted = probability * 255
    assert np.abs(values - wanted).max() <= 0.6
    assert np.mean(values == np.rint(wanted)) > 0.99
    return True


@pytest.mark.parametrize(
    ("net", "temperature"),
    [
        (("fcn8s-resnet18", "same"), 1.0),
        (("fcn8s-resnet18", "same"), 3.0),
        (("fcn8s-vgg16", "paper"), 2.0),
    ],
)
def test_tiles_give_the_probabilities_of_the_whole(
    tmp_path, predictor, write, scene, net, temperature
):
    checkpoint = load(predictor(*net).path)
    calibrated = replace(checkpoint, calibration=Calibration((temperature,)))
    save(tmp_path / "run" / "model.safetensors", calibrated)
    calibrated = Predictor(tmp_path / "run", "cpu")
    photo = scene(601, 519)
    path = write(photo, "in/scene.tif", **UTM)
    done = predict_raster(
        calibrated, path, tmp_path / "scene", tile=544, overlay=False, probability=True
    )
    assert [file.name for file in done.written] == [
        "scene.tif", "scene.tif.aux.xml", "scene.qml", "scene_probability.tif"
    ]  # fmt: skip
    assert done.tiles > 1 and not list(tmp_path.glob("*.part*"))
    values, valid = grey(tmp_path / "scene_probability.tif")
    scores = calibrated.engine.scores(photo).astype(np.float64)
    assert valid.all() and is_close(values, softmax(scores / temperature, 0).max(0))
    picture = calibrated.predict_batch([photo], confidence=True)[0].probability_image
    assert np.abs(values.astype(int) - picture).max() <= 1
    with rasterio.open(tmp_path / "scene_probability.tif") as opened:
        assert opened.crs == "EPSG:32632" and opened.transform.almost_equals(UTM["transform"])
        assert opened.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert opened.compression.name == "deflate" and opened.overviews(1) == [2]
    predict_raster(calibrated, path, tmp_path / "alone", tile=544, overlay=False)
    assert (tmp_path / "alone.tif").read_bytes() == (tmp_path / "scene.tif").read_bytes()


def test_where_there_are_no_pixels_there_is_no_probability(tmp_path, predictor, write, scene):
    photo = np.maximum(scene(700, 60), 1)
    has_pixels = np.ones((700, 60), bool)
    has_pixels[:330] = has_pixels[400:420, 10:] = False
    photo[~has_pixels] = 0
    path = write(photo, "in/scene.tif", nodata=0)
    done = predict_raster(predictor(), path, tmp_path / "scene", tile=512, probability=True)
    assert done.empty == 1
    values, valid = grey(tmp_path / "scene_probability.tif")
    np.testing.assert_array_equal(valid, has_pixels)
    assert not values[~valid].any()
    whole = softmax(predictor().engine.scores(photo).astype(np.float64), 0).max(0)
    assert is_close(values[valid], whole[valid])
    with rasterio.open(tmp_path / "scene_probability.tif", overview_level=0) as opened:
        small, mask = opened.read(1), opened.dataset_mask()
        assert not mask[:164].any() and mask[220:].all()
        mean = values[440:].reshape(-1, 2, 30, 2).mean((1, 3))
        assert np.abs(small[220:] - mean).max() <= 1  # averaged, not picked


def test_each_output_and_each_overlapping_class_has_a_file(tmp_path, predictor, write, scene):
    classes = ClassSet.joint({"what": ClassSet(("a", "b", "c")), "where": ClassSet(("d", "e"))})
    photo = scene(520, 40)
    path = write(photo, "in/scene.tif", **UTM)
    net = predictor(classes=classes)
    predict_raster(net, path, tmp_path / "scene", tile=480, overlay=False, probability=True)
    scores = net.engine.scores(photo).astype(np.float64)
    for name, part in (("scene", slice(0, 3)), ("scene_where", slice(3, 5))):
        values, _ = grey(tmp_path / f"{name}_probability.tif")
        assert is_close(values, softmax(scores[part], 0).max(0))
    overlapping = ClassSet(("wet", "a/b", "ice")).overlapping((0.4, 0.5, 0.6))
    net = predictor(classes=overlapping)
    photo = np.maximum(photo, 1)
    photo[100:200] = 0
    path = write(photo, "in/s.tif", nodata=0)
    predict_raster(net, path, tmp_path / "s", tile=480, overlay=False, probability=True)
    there = expit(net.engine.scores(photo).astype(np.float64))
    for place, name in enumerate(("wet", "a-b", "ice")):
        values, valid = grey(tmp_path / f"s_{name}_probability.tif")
        assert is_close(values[valid], there[place][valid])
        np.testing.assert_array_equal(valid.all(1), photo.any((1, 2)))


def test_every_value_is_kept_with_a_mask_of_its_own(tmp_path):
    draw = np.random.default_rng(0)
    values = draw.integers(0, 256, (1100, 700), np.uint8)
    hidden = draw.random(values.shape) < 0.3
    hidden[:600] = True
    masked = np.ma.masked_array(values, hidden)
    path = write_probability_map(
        tmp_path / "p.tif", values.shape, lambda rows: masked[rows], "probability", Georeference()
    )
    found, valid = grey(path)
    np.testing.assert_array_equal(valid, ~hidden)
    np.testing.assert_array_equal(found, np.where(hidden, 0, values))
    assert [file.name for file in tmp_path.iterdir()] == ["p.tif"]


def test_with_and_without_probabilities_are_two_jobs(tmp_path, predictor, write, scene):
    path = write(scene(700, 60), "in/scene.tif", **UTM)

    def stopped(done, total):
        if done == 3:
            raise KeyboardInterrupt

    lines = []
    call = {"tile": 512, "overlay": False, "say": lines.append}
    for before, now in ((True, True), (False, True), (True, False)):
        with pytest.raises(KeyboardInterrupt):
            predict_raster(predictor(), path, tmp_path / "scene", report=stopped,
                           probability=before, **call)  # fmt: skip
        lines.clear()
        done = predict_raster(predictor(), path, tmp_path / "scene", probability=now, **call)
        assert done.earlier == (2 if before == now else 0)
        assert ("--probability" in lines[-1]) == (before != now)
    predict_raster(predictor(), path, tmp_path / "whole", probability=True, tile=512)
    predict_raster(predictor(), path, tmp_path / "scene", probability=True, tile=512)
    for name in ("", "_probability"):
        one, other = (tmp_path / f"{stem}{name}.tif" for stem in ("scene", "whole"))
        assert one.read_bytes() == other.read_bytes()


def test_a_worker_of_a_cluster_keeps_the_same(tmp_path, predictor, write, scene):
    path = write(scene(600, 520), "in/scene.tif", **UTM)
    for probability in (False, True):
        with open_tiles(predictor(), path, 544, probability=probability) as tiles:
            item = {"source": str(path), "tile": 544, "row": 1, "probability": probability}
            (reply,) = compute_row(predictor(), item)
            block, empty = tiles.block(tiles.rows[1])
            assert reply == {"block": block.tobytes(), "empty": empty}
            assert block.ndim == (3 if probability else 2)


def test_an_export_of_classes_alone_has_no_probabilities(tmp_path, predictor, write, scene):
    silent = Predictor(predictor().path, "cpu")
    silent.has_scores = False
    path = write(scene(40, 60), "in/scene.tif", **UTM)
    with pytest.raises(UserError) as caught:
        predict_raster(silent, path, tmp_path / "out/scene", probability=True)
    assert caught.value.code == "FC-PREDICT-016"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("probability", [False, True])
def test_results_that_would_meet_are_refused(tmp_path, write, scene, probability):
    for name in ("in/a.tif", "in/a_probability.tif"):
        write(scene(40, 60), name, **UTM)
    classes = ClassSet(("a", "b"))

    def refused(names, out):
        inputs = find_inputs([str(tmp_path / "in" / name) for name in names], tmp_path / out)
        try:
            refuse_result_clashes(inputs, inputs, classes, probability)
        except UserError as error:
            assert error.code == "FC-RASTER-012" and "a_probability.tif" in str(error)
            return True
        return False

    assert refused(["a.tif", "a_probability.tif"], "out") == probability
    assert not refused(["a.tif"], "out")
