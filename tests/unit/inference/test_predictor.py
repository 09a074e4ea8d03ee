import io

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference import Prediction, Predictor

EXIF_ORIENTATION = 0x0112


@pytest.fixture(scope="session")
def predictor(run):
    return Predictor(run, "cpu")


def test_every_kind_of_photo_gives_the_same(predictor, picture, tmp_path):
    image = picture()
    file = tmp_path / "photo.png"
    Image.fromarray(image).save(file)
    kinds = [image, Image.fromarray(image), file, str(file), io.BytesIO(file.read_bytes())]
    first, *others = [predictor(kind).mask for kind in kinds]
    assert first.shape == image.shape[:2]
    assert all(np.array_equal(first, other) for other in others)


def test_exif_is_respected(predictor, picture, tmp_path):
    image, exif = Image.fromarray(picture(40, 60)), Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    found = predictor(tmp_path / "turned.png")
    assert found.mask.shape == (60, 40)
    upright = predictor(np.asarray(image.transpose(Image.Transpose.ROTATE_270)))
    assert np.array_equal(found.mask, upright.mask)
    image.getexif()[EXIF_ORIENTATION] = 6
    assert np.array_equal(predictor(image).mask, found.mask)


def test_scores_fit_the_mask(predictor, picture):
    image = picture()
    later, at_once = predictor(image), predictor(image, scores=True)
    assert np.array_equal(later.mask, later.scores.argmax(0))
    assert np.array_equal(at_once.scores, later.scores)
    assert np.array_equal(at_once.mask, later.mask)


def test_overlay(predictor, picture):
    found = predictor(picture())
    assert found.overlay.dtype == np.uint8
    assert found.overlay.shape[0] > 37


def test_saved_files(predictor, picture, tmp_path):
    found = predictor(picture())
    written = found.save(tmp_path / "deep" / "photo.one", scores=True)
    names = ["photo.one.png", "photo.one_overlay.jpg", "photo.one_scores.npy"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in written[0].parent.iterdir()) == names
    mask = Image.open(written[0])
    assert mask.mode == "P"
    assert np.array_equal(np.asarray(mask), found.mask)
    assert np.array_equal(np.asarray(mask.convert("RGB")), found.classes.palette()[found.mask])
    assert np.array_equal(np.load(written[2]), found.scores)
    assert Image.open(written[1]).size[0] >= 53
    assert found.save(tmp_path / "plain", overlay=False) == [tmp_path / "plain.png"]


def test_many_classes_are_16_bit(predictor, tmp_path):
    classes = ClassSet(tuple(f"c{i}" for i in range(400)), ignore=65535)
    mask = np.arange(400, dtype=np.uint16).reshape(20, 20)
    prediction = Prediction(np.zeros((20, 20, 3), np.uint8), mask, classes, predictor.engine)
    path = prediction.save(tmp_path / "many")[0]
    assert np.array_equal(np.asarray(Image.open(path)), mask)


def test_a_huge_side_becomes_png(predictor, tmp_path):
    image = np.zeros((2, 66000, 3), np.uint8)
    mask = np.zeros((2, 66000), np.uint8)
    written = Prediction(image, mask, predictor.classes, predictor.engine).save(tmp_path / "wide")
    assert written[1].name == "wide_overlay.png"


def test_faults(predictor, tmp_path):
    with pytest.raises(UserError, match=r"nothing\.jpg"):
        predictor(tmp_path / "nothing.jpg")
    with pytest.raises(UserError, match="uint8 array"):
        predictor(np.zeros((4, 4)))
    with pytest.raises(UserError):
        Predictor(tmp_path)
