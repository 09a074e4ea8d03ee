"""Rasters by windows against the whole in one piece, and what is left where a prediction stops."""

import json
import shutil
from collections import namedtuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data.reading.raster import Georeference
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.inference.rasters import predict_raster, raster_tiles
from fullconv.inference.rasters.geotiff import write_class_map
from fullconv.inference.tiled_prediction import Tiling, longest

NETS = [
    ("fcn8s-resnet18", "same"),
    ("fcn4s-resnet18", "paper"),
    ("fcn8s-vgg16", "same"),
    ("fcn8s-vgg16", "paper"),
]
UTM = {"crs": "EPSG:32632", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}


def values(path):
    with rasterio.open(path) as found:
        return found.read(1)


def least(predictor):
    return Tiling(predictor.spec, 4000).geometry.least


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    net=st.sampled_from(NETS),
    beyond=st.integers(-5, 70),
    more=st.integers(0, 100),
    across=st.integers(1, 12),
    lies=st.booleans(),
)
def test_windows_equal_the_whole(
    tmp_path, predictor, write, scene, agrees, net, beyond, more, across, lies
) -> None:
    found = predictor(*net)
    tile = least(found) + more
    size = (tile + beyond, across)
    photo = scene(*(reversed(size) if lies else size))
    path = write(photo, "in/scene.tif", **UTM)
    predict_raster(found, path, tmp_path / "scene", tile=tile, overlay=False)
    agrees(found.engine, photo, values(tmp_path / "scene.tif"))


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "compress": "deflate"}])
@pytest.mark.parametrize("tile", [480, 544, None])
def test_rows_and_columns_at_once(tmp_path, predictor, write, scene, agrees, layout, tile) -> None:
    photo = scene(601, 519)
    path = write(photo, "in/scene.tif", **UTM, **layout)
    done = predict_raster(predictor(), path, tmp_path / "scene", tile=tile)
    agrees(predictor().engine, photo, values(tmp_path / "scene.tif"))
    assert done.tiles == {480: 15, 544: 2, None: 1}[tile]
    assert done.size == (601, 519)
    assert [path.name for path in done.written] == [
        "scene.tif", "scene.tif.aux.xml", "scene.qml", "scene_overlay.jpg"
    ]  # fmt: skip
    assert {each.name for each in tmp_path.iterdir()} == {
        "in",
        *(p.name for p in done.written),
    }
    with Image.open(tmp_path / "scene_overlay.jpg") as picture:
        assert picture.width == 519
        assert picture.height > 601  # the legend


def test_the_result_lies_where_the_source_lies(tmp_path, predictor, write, scene) -> None:
    turned = Affine(0.4, 0.3, 500000, 0.3, -0.4, 5000000)
    path = write(scene(40, 60), "in/scene.tif", crs="EPSG:25832", transform=turned)
    predict_raster(predictor(), path, tmp_path / "out" / "scene")
    with rasterio.open(tmp_path / "out" / "scene.tif") as found:
        assert found.crs == "EPSG:25832"
        assert found.transform.almost_equals(turned)
        assert json.loads(found.tags()["CLASSES"])["3"] == "tree"


def test_where_there_are_no_pixels_there_are_no_classes(
    tmp_path, predictor, write, scene, agrees
) -> None:
    """Nor is anything computed where a whole piece has none."""
    photo = np.maximum(scene(700, 60), 1)
    valid = np.ones((700, 60), bool)
    valid[:330] = False
    valid[400:420, 10:] = False
    photo[~valid] = 0
    path = write(photo, "in/scene.tif", nodata=0)
    watched = Watched(predictor())
    done = predict_raster(watched, path, tmp_path / "scene", tile=512)
    found = values(tmp_path / "scene.tif")
    assert np.array_equal(found != 255, valid)
    agrees(watched.real, photo, found, valid)
    assert (done.tiles, done.empty) == (4, 1)
    assert watched.calls == 3


def test_alpha_grey_and_sixteen_bits(tmp_path, predictor, write, scene, agrees) -> None:
    grey = scene(90, 70)[..., :1].transpose(2, 0, 1)
    alpha = np.full_like(grey, 255)
    alpha[:, 20:30] = 0
    path = write(np.concatenate([grey, alpha]), "a/scene.tif", meanings=["gray", "alpha"])
    predict_raster(predictor(), path, tmp_path / "a")
    photo = grey[0][..., None].repeat(3, 2)
    agrees(predictor().engine, photo, values(tmp_path / "a.tif"), alpha[0] > 0)
    assert np.array_equal(values(tmp_path / "a.tif") == 255, alpha[0] == 0)
    deep = scene(90, 70).astype(np.uint16) * 12 + 300  # range 300 to 3360 is 0 to 255 again
    path = write(deep[..., ::-1].copy(), "b/scene.tif", **UTM)
    predict_raster(predictor(), path, tmp_path / "b", bands=[3, 2, 1], span=(300, 3360))
    agrees(predictor().engine, scene(90, 70), values(tmp_path / "b.tif"))


def test_several_outputs(tmp_path, predictor, write, scene, agrees) -> None:
    classes = ClassSet.joint({"what": ClassSet(("a", "b", "c")), "where": ClassSet(("d", "e"))})
    found = predictor(classes=classes)
    photo = np.maximum(scene(520, 40), 1)
    photo[100:200] = 0
    path = write(photo, "in/scene.tif", nodata=0)
    predict_raster(found, path, tmp_path / "scene", tile=480)
    whole = found.engine.class_map(photo)
    for place, (name, first) in enumerate((("scene", 0), ("scene_where", 3))):
        plane = values(tmp_path / f"{name}.tif")
        assert np.all(plane[100:200] == 255)
        plane, expected = (np.delete(p, slice(100, 200), 0) for p in (plane, whole[..., place]))
        assert np.mean(plane == expected - first) > 0.999
        assert (tmp_path / f"{name}_overlay.jpg").is_file()
    with rasterio.open(tmp_path / "scene_where.tif") as opened:
        assert json.loads(opened.tags()["CLASSES"]) == {"0": "d", "1": "e"}


def test_classes_that_overlap_are_a_file_each(tmp_path, predictor, write, scene) -> None:
    classes = ClassSet(("wet", "a/b", "ice")).overlapping((0.4, 0.5, 0.6))
    net = predictor(classes=classes)
    photo = np.maximum(scene(520, 40), 1)
    photo[100:200] = 0
    predict_raster(net, write(photo, "in/s.tif", nodata=0), tmp_path / "s", tile=480)
    masks = net.engine.class_map(photo)
    for place, name in enumerate(("wet", "a-b", "ice")):
        plane = values(tmp_path / f"s_{name}.tif")
        assert np.all(plane[100:200] == 255)
        mine, whole = (np.delete(p, slice(100, 200), 0) for p in (plane, masks[..., place]))
        assert np.mean(mine == whole) > 0.999 and set(np.unique(mine)) <= {0, 1}
    with rasterio.open(tmp_path / "s_a-b.tif") as opened:
        assert json.loads(opened.tags()["CLASSES"]) == {"0": "not a/b", "1": "a/b"}


def test_a_preview_is_small(tmp_path, predictor, write, scene) -> None:
    path = write(scene(30, 4100), "in/scene.tif", **UTM)
    predict_raster(predictor(), path, tmp_path / "scene", alpha=1)
    with Image.open(tmp_path / "scene_overlay.jpg") as picture:
        assert picture.width == 2000


class Watched:
    """A predictor whose engine counts the tiles, and stops at one as Ctrl-C would."""

    channels, in_blocks = 4, True

    def __init__(self, predictor: Predictor, stop_at: int = 0) -> None:
        self.path, self.spec, self.inputs = predictor.path, predictor.spec, predictor.inputs
        self.engine_name = predictor.engine_name
        self.classes, self.engine, self.real = predictor.classes, self, predictor.engine
        self.calls, self.stop_at, self.borders = 0, stop_at, predictor.borders
        self.read_options = predictor.read_options

    def class_map(self, image):
        if self.stop_at and self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        return self.real.class_map(image)


@pytest.fixture
def stopped(tmp_path, predictor, write, scene):
    """A prediction of 2 columns and 9 rows of tiles, stopped in the fourth row; and its raster."""
    path = write(scene(1000, 520), "in/scene.tif", **UTM)
    watched = Watched(predictor(), stop_at=7)
    with pytest.raises(KeyboardInterrupt):
        predict_raster(watched, path, tmp_path / "scene", tile=512)
    return path


def go_on(predictor, path, **options):
    """The outcome, the tiles computed, and what was said."""
    watched, said, steps = Watched(predictor), [], []
    stem = options.pop("stem", path.parent.parent / "scene")
    options = {"tile": 512, **options}
    done = predict_raster(
        watched, path, stem, say=said.append, report=lambda *each: steps.append(each), **options
    )
    return done, watched.calls, said, steps


def test_a_stopped_prediction_goes_on(tmp_path, predictor, stopped) -> None:
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "in", "scene.tif.partial", "scene.tif.partial.json"
    ]  # fmt: skip
    done, computed, said, steps = go_on(predictor(), stopped)
    assert (done.tiles, done.earlier, computed) == (18, 6, 12)
    assert said == [
        "tile 512 keeps 64 pixels a side, 224 + 223 are overlap: each pixel is computed 64 times; "
        "a larger tile is faster, and needs more memory",
        f"{tmp_path / 'scene.tif.partial'}: resuming after 6 of 18 tiles",
    ]
    assert steps == [(number, 12) for number in range(13)]
    assert not list(tmp_path.glob("*.partial*"))
    _, computed, said, _ = go_on(predictor(), stopped, stem=tmp_path / "at_once")
    assert computed == 18
    assert len(said) == 1
    assert np.array_equal(values(tmp_path / "scene.tif"), values(tmp_path / "at_once.tif"))


def test_something_changed_starts_anew(tmp_path, predictor, stopped, write, scene) -> None:
    def copied():
        """The stopped prediction once more, its raster in the same place."""
        folder = tmp_path / "again"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in ("scene.tif.partial", "scene.tif.partial.json"):
            shutil.copy(tmp_path / name, folder)
        return {"stem": folder / "scene", "overlay": False}

    assert go_on(predictor(), stopped, **copied())[1] == 12
    for what, net, options in (
        ("net", predictor("fcn4s-resnet18"), {}),
        ("engine", Predictor(predictor().path, "cpu", engine="winograd"), {}),
        ("tile", predictor(), {"tile": 544}),
        ("bands", predictor(), {"bands": [3, 2, 1]}),
        ("range", predictor(), {"span": (0, 200)}),
    ):
        done, computed, said, _ = go_on(net, stopped, **copied(), **options)
        assert said[-1].endswith(f"scene.tif.partial: has another {what}, so it starts anew")
        assert (done.earlier, computed) == (0, done.tiles)
    options = copied()
    write(scene(1000, 520, seed=1), "in/scene.tif", **UTM)
    done, computed, said, _ = go_on(predictor(), stopped, **options)
    assert "has another source" in said[-1]
    assert computed == 18


def test_after_the_last_piece_only_the_file_is_left_to_write(
    tmp_path, predictor, write, scene
) -> None:
    """Stopped by a folder where the result should be, as a full disk or a kill would stop it."""
    path = write(scene(700, 60), "in/scene.tif", **UTM)
    (tmp_path / "scene.tif").mkdir()
    with pytest.raises(UserError, match=r"scene.tif: cannot be written: Is a directory"):
        go_on(predictor(), path)
    assert not (tmp_path / "scene.tif.part").exists()
    (tmp_path / "scene.tif").rmdir()
    done, computed, _, steps = go_on(predictor(), path)
    assert (computed, done.earlier, steps) == (0, done.tiles, [(0, 0)])
    assert values(tmp_path / "scene.tif").shape == (700, 60)


def test_auto_stays_below_its_budget(predictor) -> None:
    """The estimate of nets/cost.py, which the benchmark measures."""
    _, tiling = raster_tiles.tiling_for(predictor(), None)
    geometry = tiling.geometry
    assert tiling.length == longest(
        tiling.spec, geometry.grid, geometry.least, raster_tiles.BUDGET, False
    )
    assert tiling.length < longest(tiling.spec, geometry.grid, geometry.least, 2**31, False)
    own = Predictor(predictor().path, "cpu", tile=512)
    assert raster_tiles.tiling_for(own, None)[1].length == 512
    assert raster_tiles.tiling_for(own, 480)[1].length == 480


def test_a_net_of_further_inputs_is_refused(tmp_path, predictor, write, scene) -> None:
    watched = Watched(predictor())
    watched.inputs = ("color", "depth")
    with pytest.raises(UserError, match="sees depth too"):
        predict_raster(watched, write(scene(40, 60)), tmp_path / "out" / "scene")
    assert not (tmp_path / "out").exists()


def test_test_time_augmentation_is_refused(tmp_path, predictor, write, scene) -> None:
    augmented = Predictor(predictor().path, "cpu", tta="mirror")
    with pytest.raises(UserError, match="leave --tta out"):
        predict_raster(augmented, write(scene(40, 60)), tmp_path / "out" / "scene")
    assert not (tmp_path / "out").exists()


def test_a_disk_too_small_is_said_before_the_start(
    tmp_path, predictor, write, scene, monkeypatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 3599))
    with pytest.raises(UserError, match=r"needs about 0 MiB on the disk .* choose another --out"):
        predict_raster(predictor(), write(scene(40, 60)), tmp_path / "out" / "scene")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 3600))
    predict_raster(predictor(), tmp_path / "scene.tif", tmp_path / "out" / "scene")


def test_a_result_can_be_predicted_again_and_is_replaced(tmp_path, predictor, write, scene) -> None:
    path = write(scene(40, 60), "in/scene.tif", **UTM)
    write_class_map(
        tmp_path / "scene.tif",
        (9, 9),
        lambda rows: np.zeros((9, 9), np.uint8)[rows],
        ClassSet(("old",)),
        Georeference(),
    )
    predict_raster(predictor(), path, tmp_path / "scene")
    assert values(tmp_path / "scene.tif").shape == (40, 60)
    assert "old" not in (tmp_path / "scene.tif.aux.xml").read_text()
    assert "old" not in (tmp_path / "scene.qml").read_text()
