import io

import numpy as np
import pytest
import torch
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
    content = file.read_bytes()
    kinds = [
        image,
        image / 255,
        (image / np.float32(255)).astype(np.float32),
        Image.fromarray(image),
        file,
        str(file),
        content,
        bytearray(content),
        io.BytesIO(content),
        np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]),
        torch.from_numpy(image).movedim(2, 0),
        torch.from_numpy(image).movedim(2, 0) / 255,
        (torch.from_numpy(image).movedim(2, 0) / 255).requires_grad_(),
    ]
    first, *others = [predictor(kind).mask for kind in kinds]
    assert first.shape == image.shape[:2]
    assert all(np.array_equal(first, other) for other in others)
    with file.open("rb") as opened:
        assert np.array_equal(predictor(opened).mask, first)


def test_grey_is_the_same_as_in_a_file(predictor, picture, tmp_path):
    grey = picture()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    first = predictor(tmp_path / "grey.png").mask
    kinds = [grey, grey[..., None], grey / 255, torch.from_numpy(grey)[None], Image.fromarray(grey)]
    for kind in kinds:
        assert np.array_equal(predictor(kind).mask, first)


def test_transparency_is_laid_over_white_as_in_a_file(predictor, picture, tmp_path):
    image = picture()
    alpha = np.where(np.arange(image.shape[1]) < 20, 0, 255)[None].repeat(len(image), 0)
    rgba = np.dstack([image, alpha]).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    first = predictor(tmp_path / "clear.png")
    assert (first.image[:, :20] == 255).all()
    for kind in (rgba, rgba / 255, torch.from_numpy(rgba).movedim(2, 0), Image.fromarray(rgba)):
        assert np.array_equal(predictor(kind).image, first.image)


def test_a_list_of_arrays_or_paths_goes_together(predictor, picture, tmp_path):
    images = [picture(seed=number) for number in range(2)]
    Image.fromarray(images[1]).save(tmp_path / "b.png")
    together = predictor.predict_batch([images[0] / 255, images[1]])
    for image, prediction in zip(images, together, strict=True):
        assert np.array_equal(predictor(image).mask, prediction.mask)
    with pytest.raises(UserError) as caught:
        predictor.predict_batch([images[0], images[0][:10]])
    assert caught.value.code == "FC-PREDICT-005"


@pytest.mark.parametrize(
    ("photo", "says"),
    [
        (["a.jpg", "b.jpg"], r"list of 2 entries.*fullconv\.predict"),
        ((), "tuple of 0 entries"),
        ("ftp://example.org/a.jpg", "ftp://example.org/a.jpg: only addresses"),
        (5, "int 5 is no photo: a photo is a path"),
        (None, "None is no photo"),
        (True, "bool True"),
        ({"image": 1}, "dict is no photo"),
        (io.StringIO("text"), "open it with 'rb'"),
        (b"no picture", "the photo"),
        (b"", "the photo"),
        (np.zeros((3, 20, 20), np.uint8), "channels first"),
        (np.zeros((0, 20, 3), np.uint8), "no pixels"),
        (np.zeros((20, 20, 2), np.uint8), r"\(20, 20, 2\)"),
        (np.zeros((2, 20, 20, 3), np.uint8), r"\(2, 20, 20, 3\)"),
        (np.array(3), r"\(\)"),
        (np.full((20, 20, 3), 300.0), "300"),
        (np.full((20, 20, 3), -1.0), "-1"),
        (np.full((20, 20, 3), np.nan), "nan"),
        (np.full((20, 20), 4000, np.uint16), "uint16"),
        (np.array([["a"]]), "<U1"),
        (np.array([[None]]), "object"),
        (torch.full((3, 20, 20), 2.0), "2"),
        (torch.zeros(2, 3, 20, 20), r"2, 3, 20, 20"),
    ],
)
def test_what_is_no_photo_is_refused_by_what_it_is(predictor, photo, says):
    with pytest.raises(UserError, match=says):
        predictor(photo)


def test_a_folder_and_odd_names_are_refused_by_name(predictor, tmp_path):
    for path in (tmp_path, tmp_path / "x" / "y.jpg", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match=str(path)[:50]):
            predictor(path)


def test_pictures_come_back_as_arrays(predictor, picture):
    prediction = predictor(picture(60, 80))
    assert prediction.draw(legend="none").shape == (60, 80, 3)
    assert prediction.draw(0.2, "right").shape[0] == 60
    assert np.array_equal(prediction.overlay, prediction.draw())
    palette = prediction.classes.palette()
    assert np.array_equal(prediction.color_mask, palette[prediction.mask])


def test_predictions_show_themselves(predictor, picture):
    prediction = predictor(picture(60, 80))
    line = repr(prediction)
    assert len(line) < 200 and line.startswith("Prediction(80 x 60: ")
    largest = max(prediction.shares, key=lambda name: prediction.shares[name])
    assert largest in line and sum(prediction.shares.values()) == pytest.approx(1)
    shown = Image.open(io.BytesIO(prediction._repr_png_()))
    assert np.array_equal(np.asarray(shown), prediction.overlay)
    html = prediction._repr_html_()
    assert "data:image/png;base64," in html and largest in html
    whole = repr(predictor)
    assert "\n" not in whole and predictor.spec.name in whole and len(whole) < 400
    assert predictor.classes.names[-1] in predictor._repr_html_()


def test_names_are_text_in_a_notebook(predictor):
    classes = ClassSet(("<b>road</b>", "道路"))
    mask = np.array([[0, 1]], np.uint8)
    html = Prediction(np.zeros((1, 2, 3), np.uint8), mask, classes, list)._repr_html_()
    assert "<b>" not in html and "道路" in html


def test_exif_is_respected(predictor, picture, tmp_path):
    image, exif = Image.fromarray(picture(40, 60)), Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    opened = predictor(tmp_path / "turned.png")
    assert opened.mask.shape == (60, 40)
    upright = predictor(np.asarray(image.transpose(Image.Transpose.ROTATE_270)))
    assert np.array_equal(opened.mask, upright.mask)
    image.getexif()[EXIF_ORIENTATION] = 6
    assert np.array_equal(predictor(image).mask, opened.mask)


def test_scores_fit_the_mask(predictor, picture):
    image = picture()
    later, at_once = predictor(image), predictor(image, scores=True)
    assert np.array_equal(later.mask, later.scores.argmax(0))
    assert np.array_equal(at_once.scores, later.scores)
    assert np.array_equal(at_once.mask, later.mask)


def test_overlay(predictor, picture):
    opened = predictor(picture())
    assert opened.overlay.dtype == np.uint8
    assert opened.overlay.shape[0] > 37


def test_saved_files(predictor, picture, tmp_path):
    opened = predictor(picture())
    written = opened.save(tmp_path / "deep" / "photo.one", scores=True)
    names = ["photo.one.png", "photo.one_overlay.jpg", "photo.one_scores.npy"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in written[0].parent.iterdir()) == names
    mask = Image.open(written[0])
    assert mask.mode == "P"
    assert np.array_equal(np.asarray(mask), opened.mask)
    assert np.array_equal(np.asarray(mask.convert("RGB")), opened.classes.palette()[opened.mask])
    assert np.array_equal(np.load(written[2]), opened.scores)
    assert Image.open(written[1]).size[0] >= 53
    assert opened.save(tmp_path / "plain", overlay=False) == [tmp_path / "plain.png"]


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
    with pytest.raises(UserError):
        Predictor(tmp_path)
