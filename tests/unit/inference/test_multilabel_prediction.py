"""Predictions of classes that may overlap: decisions, pieces, views, pictures, files."""

import numpy as np
import pytest
import torch
from PIL import Image

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.checkpoints.golden import golden_of
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.inference.class_map import Decision, classes_of
from fullconv.inference.multilabel_prediction import mask_stems
from fullconv.models import TORCH
from fullconv.visualize import flattened, multilabel_overlay
from small_runs import small_net

THREE = ClassSet(("road/lane", "car", "rain"), ((200, 0, 0), (0, 200, 0), (0, 0, 200)))


@pytest.fixture
def run(tmp_path):
    """A run whose thresholds lie among its probabilities, so that every class is somewhere."""
    classes = THREE.overlapping((0.4, 0.5, 0.6))
    save(tmp_path / "run" / "model.safetensors", Checkpoint(small_net(3), classes, TORCH))
    return tmp_path / "run"


@pytest.fixture
def photo():
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return coarse.repeat(12, 0).repeat(11, 1)


def test_a_class_is_there_from_its_threshold_on():
    logits = torch.tensor([[[-1.0, 0.0, 1.0]], [[-1.0, 0.0, 1.0]]])
    classes = ClassSet(("a", "b")).overlapping((0.5, 0.7))
    mask = classes_of(logits, Decision.of(classes))
    assert mask[..., 0].tolist() == [[0, 1, 1]] and mask[..., 1].tolist() == [[0, 0, 1]]


def test_masks_follow_from_the_probabilities_of_the_net(run, photo):
    prediction = Predictor(run, "cpu")(photo)
    with torch.inference_mode():
        logits = load(run).net(TORCH(torch.from_numpy(photo)[None]))[0].sigmoid().numpy()
    assert np.allclose(prediction.probabilities, logits, atol=1e-4)
    least = np.array([0.4, 0.5, 0.6])[:, None, None]
    wrong = prediction.masks != (logits >= least)
    assert (np.abs(logits - least)[wrong] < 1e-4).all()
    assert prediction.masks.any((1, 2)).all() and not prediction.masks.all()


@pytest.mark.parametrize("options", [{"tile": 480}, {"engine": "winograd"}])
def test_pieces_and_other_engines_decide_alike(run, options):
    photo = np.random.default_rng(1).integers(0, 256, (33, 35, 3), np.uint8)
    photo = photo.repeat(16, 0).repeat(16, 1)
    whole = Predictor(run, "cpu")(photo)
    other = Predictor(run, "cpu", **options)(photo)
    assert (whole.masks == other.masks).mean() > 0.999


def test_views_give_the_mean_of_the_sigmoids(run, photo):
    predictor = Predictor(run, "cpu", tta="mirror")
    plain = Predictor(run, "cpu")
    both = plain(photo).probabilities, plain(photo[:, ::-1].copy()).probabilities[..., ::-1]
    prediction = predictor(photo)
    assert np.allclose(prediction.probabilities, np.mean(both, 0), atol=1e-4)
    assert (prediction.masks == (np.mean(both, 0) >= [[[0.4]], [[0.5]], [[0.6]]])).mean() > 0.999


def test_the_proof_of_the_file_holds_by_its_own_thresholds(run, photo, recwarn):
    Predictor(run, "cpu", threshold=0.05)(photo)
    assert not [each for each in recwarn if "does not compute" in str(each.message)]
    net, classes = load(run).net, load(run).classes
    golden = golden_of(net, classes, TORCH)
    assert golden.classes.shape[2] == 3 and set(np.unique(golden.classes)) <= {0, 1, 255}


def test_a_net_of_classes_that_exclude_each_other_has_no_threshold(tmp_path):
    save(tmp_path / "model.safetensors", Checkpoint(small_net(3), THREE, TORCH))
    with pytest.raises(UserError) as error:
        Predictor(tmp_path, "cpu", threshold=0.5)
    assert error.value.code == "FC-PREDICT-019"


def test_files_are_called_by_their_classes_and_show_0_and_1(run, photo, tmp_path):
    prediction = Predictor(run, "cpu")(photo)
    written = prediction.save(tmp_path / "out" / "a")
    names = [path.name for path in written]
    assert names == ["a_road-lane.png", "a_car.png", "a_rain.png", "a_overlay.jpg"]
    for path, mask in zip(written, prediction.masks, strict=False):
        assert np.array_equal(np.asarray(Image.open(path)), mask)


def test_names_that_a_file_cannot_have_stay_apart():
    assert mask_stems(("a/b", "a:b", "..", "A-b")) == ["a-b", "a-b-1", "class-2", "A-b-3"]


def test_one_class_of_several_is_a_prediction_of_its_own(run, photo):
    prediction = Predictor(run, "cpu")(photo)
    car = prediction.only("car")
    assert car.classes.task == "binary" and car.classes.thresholds == (0.5,)
    assert np.array_equal(car.masks[0], prediction.masks[1])
    assert np.array_equal(car.probabilities[0], prediction.probabilities[1])


def test_an_overlay_leaves_the_rest_of_the_photo_as_it_is():
    image = np.full((40, 60, 3), 100, np.uint8)
    masks = np.zeros((3, 40, 60), bool)
    masks[0, 5:30, 5:30] = masks[1, 20:35, 20:50] = True
    classes = THREE.overlapping()
    drawn = multilabel_overlay(image, masks, classes, 0.5, "none", borders=False)
    assert (drawn[~masks.any(0)] == 100).all()
    assert drawn[10, 10].tolist() == [150, 50, 50]
    assert drawn[25, 25].tolist() == [100, 100, 50]  # half of the mean of red and green
    outlined = multilabel_overlay(image, masks, classes, 0.5, "none")
    assert outlined[5, 10].tolist() == [200, 0, 0]


def test_the_flat_picture_has_the_smallest_class_on_top():
    mask = np.zeros((10, 10, 3), np.uint8)
    mask[:8, :8, 0], mask[:3, :3, 1], mask[9, 9] = 1, 1, 255
    flat = flattened(mask, THREE.overlapping())[0]
    assert (flat[0, 0], flat[5, 5], flat[8, 8], flat[9, 9]) == (2, 1, 0, 255)
    assert THREE.overlapping().flat.names == ("none", "road/lane", "car", "rain")
