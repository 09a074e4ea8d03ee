"""Predictions that are copied, or pickled as they go to other processes."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import open_source
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.inference import Prediction, Predictor, predict
from fullconv.inference.multilabel_prediction import MultilabelPrediction
from small_runs import small_run

PLAIN = ClassSet(("sky", "road", "car"))
CLASSES = {
    "one output": PLAIN,
    "two outputs": ClassSet.joint({"kind": PLAIN, "state": ClassSet(("dry", "wet"))}),
    "overlapping": PLAIN.overlapping(0.5),
}


@pytest.fixture(scope="module", params=CLASSES)
def predictor(request, tmp_path_factory):
    return Predictor(small_run(tmp_path_factory.mktemp("run"), CLASSES[request.param]), "cpu")


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (200, 240, 3), np.uint8)


def from_pickle(value):
    return pickle.loads(pickle.dumps(value))


def with_others(prediction):
    return [prediction, *prediction.other_outputs.values()]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, from_pickle, dataclasses.replace])
@pytest.mark.parametrize("asked", [False, True])
def test_a_copy_says_and_draws_the_same(predictor, photo, copied, asked):
    prediction = predictor(photo, scores=asked)
    assert prediction.overlay.any() and prediction.masks.any() and prediction.shares
    other = copied(prediction)
    assert type(other) is type(prediction)
    for one, two in zip(with_others(prediction), with_others(other), strict=True):
        assert (repr(one), one.output, one.temperature) == (repr(two), two.output, two.temperature)
        assert np.array_equal(one.mask, two.mask) and np.array_equal(one.overlay, two.overlay)
        if asked or copied is not from_pickle:
            assert np.array_equal(one.scores, two.scores)
            assert np.array_equal(one.confidence, two.confidence)


def test_copies_compute_no_scores_and_a_pickle_has_the_photo_and_the_mask_alone(predictor, photo):
    prediction = predictor(photo)
    engine, predictor.engine = predictor.engine, None  # any pass of the net would fail
    copies = [copy.copy(prediction), copy.deepcopy(prediction)]
    content = pickle.dumps(prediction)
    predictor.engine = engine
    own = prediction.image.nbytes + sum(each.mask.nbytes for each in with_others(prediction))
    assert len(content) < own + 5000
    assert all(np.array_equal(each.scores, prediction.scores) for each in copies)


def test_what_was_derived_before_is_computed_anew_and_no_part_of_a_pickle(predictor, photo):
    before, prediction = len(pickle.dumps(predictor(photo))), predictor(photo)
    assert prediction.masks.any() and prediction.shares
    assert len(pickle.dumps(prediction)) == before


def test_scores_that_were_computed_go_along_and_others_are_named(predictor, photo):
    prediction = predictor(photo)
    with pytest.raises(UserError, match="predict with scores=True") as caught:
        _ = from_pickle(prediction).probabilities
    assert caught.value.code == "FC-PREDICT-021"
    scores = prediction.scores
    assert np.array_equal(from_pickle(prediction).scores, scores)


def test_a_deep_copy_has_arrays_of_its_own(predictor, photo):
    prediction = predictor(photo, scores=True)
    other = copy.deepcopy(prediction)
    other.scores[:] = 0
    other.mask[:] = 0
    assert prediction.scores.any() and prediction.mask.any()


def test_one_class_of_several_goes_along_with_its_scores(tmp_path, photo):
    predictor = Predictor(small_run(tmp_path, CLASSES["overlapping"]), "cpu")
    kept, later = predictor(photo, scores=True), predictor(photo)
    assert isinstance(kept, MultilabelPrediction) and isinstance(later, MultilabelPrediction)
    lone = kept.only("car")
    assert np.array_equal(from_pickle(lone).scores, lone.scores)
    assert np.array_equal(later.only("car").scores, lone.scores)


def test_a_function_of_the_users_own_may_be_none_that_pickles():
    scores = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    mask = np.ones((3, 4), np.uint8)
    made = Prediction(np.zeros((3, 4, 3), np.uint8), mask, PLAIN, lambda: scores)
    assert copy.copy(made).scores is scores
    assert made.scores is scores
    assert np.array_equal(from_pickle(made).scores, scores)


def test_all_that_predicting_and_scoring_returns_can_be_pickled(tmp_path, photo):
    source = open_source("shapes:48x64:n=2", "val")
    run = small_run(tmp_path / "run", source.classes)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    inputs = [tmp_path / "photo.png", tmp_path / "missing.png"]
    results = from_pickle(predict(run, inputs, tmp_path / "out"))
    assert [bool(result.error) for result in results] == [False, True]
    scores = evaluate(Predictor(run).engine, source)
    for made in (source.classes, source[0], scores, Predictor(run).classes):
        for other in (from_pickle(made), copy.copy(made), copy.deepcopy(made)):
            assert type(other) is type(made)
    assert from_pickle(scores).mean_iu == scores.mean_iu
