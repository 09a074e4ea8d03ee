"""What predictions wrote, and the masks of a data set, are no photos to predict."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.files.result_mark import is_result
from fullconv.inference import Prediction, Predictor, find_inputs
from fullconv.inference.rasters.preview import write_preview
from fullconv.models import TORCH
from small_runs import small_net


@pytest.fixture
def predictor(run):
    return Predictor(run, "cpu")


@pytest.fixture
def photos(tmp_path, run, picture):
    """A folder with a.jpg and below/a.jpg."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("a.jpg", "below/a.jpg"):
        Image.fromarray(picture()).save(folder / name)
    return folder


def photo_names(inputs, out):
    photos = find_inputs([str(i) for i in inputs], out)
    return sorted(entry.file.name for entry in photos if entry.file)


def test_a_call_typed_again_predicts_the_same_photos(photos, predictor, tmp_path):
    names = {entry.result: entry.file for entry in find_inputs([photos], photos)}
    for stem, file in names.items():
        predictor(file).save(stem, probability=True)
    assert {e.result: e.file for e in find_inputs([photos], photos)} == names
    everything = sorted((photos / "below").iterdir())
    assert len(everything) == 4
    for inputs in ([photos / "below"], [photos / "below/*"], everything):
        assert photo_names(inputs, photos / "below") == ["a.jpg"]
    shutil.copytree(photos, tmp_path / "moved" / "copy")  # not below out
    assert photo_names([tmp_path / "moved"], tmp_path / "out") == ["a.jpg", "a.jpg"]


def test_a_result_that_is_named_is_taken(photos, predictor, tmp_path):
    mask, overlay = predictor(photos / "a.jpg").save(photos / "a")
    assert photo_names([overlay], tmp_path / "out") == ["a_overlay.jpg"]
    assert photo_names([overlay, mask], photos / "out") == ["a.png", "a_overlay.jpg"]
    with pytest.raises(UserError, match="results of predictions"):
        find_inputs([str(photos / "*_overlay.jpg")], tmp_path / "out")


def test_every_picture_that_is_written_says_that_it_is_a_result(tmp_path, predictor, photos):
    written = predictor(photos / "a.jpg").save(tmp_path / "semantic", probability=True)
    two = Checkpoint(small_net(2), ClassSet(("road", "line")).overlapping(), TORCH)
    save(tmp_path / "two.safetensors", two)
    image, large = np.zeros((8, 9, 3), np.uint8), np.zeros((2, 70000, 3), np.uint8)
    overlapping = Predictor(tmp_path / "two.safetensors", "cpu")(image)
    written += overlapping.save(tmp_path / "multilabel", probability=True)
    few = predictor.classes
    written.append(write_preview(tmp_path / "raster.jpg", image, image[..., 0], few, 0.5))
    written += Prediction(large, large[..., 0], few, lambda: large.astype(np.float32)).save(
        tmp_path / "large"
    )
    assert len(written) == 11 and Path(tmp_path / "large_overlay.png") in written
    assert [path.name for path in written if not is_result(path)] == []


def test_photos_are_no_results(tmp_path, photos):
    assert not is_result(photos / "a.jpg")
    for name in ("empty.png", "cut.jpg"):
        (tmp_path / name).write_bytes(b"")
        assert not is_result(tmp_path / name)
    assert not is_result(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("images", "masks"),
    [("images", "masks"), ("JPEGImages", "SegmentationClass"), ("img_dir", "ann_dir")],
)
def test_of_a_data_set_the_photos_are_taken(tmp_path, picture, images, masks):
    for place in (f"{images}/val/a.jpg", f"{masks}/val/a.png", "more/b.jpg"):
        (tmp_path / "data" / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture()).save(tmp_path / "data" / place)
    data = tmp_path / "data"
    assert photo_names([data], tmp_path / "out") == ["a.jpg", "b.jpg"]
    assert photo_names([data / masks], tmp_path / "out") == ["a.png"]  # named, so wanted
