"""Scores of overlapping classes: worked by hand, and against torchmetrics and scikit-learn."""

import json

import numpy as np
import pytest
import torch

from fullconv.metrics import Histogram, MultilabelScores, plane_counts
from fullconv.metrics.multilabel import BINS, Curves


def scored(truth, probabilities, thresholds):
    histogram = Histogram(len(probabilities))
    histogram.add(truth, probabilities)
    least = np.array(thresholds)[:, None, None]
    prediction = np.moveaxis(probabilities >= least, 0, -1).astype(np.uint8)
    names = [f"class {n}" for n in range(len(probabilities))]
    confusion = plane_counts(truth, prediction)
    return MultilabelScores.of_planes(confusion, names, thresholds, None, histogram.curves())


@pytest.fixture
def case():
    """Truth (H, W, 3) with ignored pixels, and probabilities (3, H, W) that lean to it."""
    rng = np.random.default_rng(0)
    truth = (rng.random((40, 50, 3)) < [0.5, 0.1, 0.3]).astype(np.uint8)
    noise = rng.normal(0, 1, (3, 40, 50))
    logits = noise + 1.5 * (np.moveaxis(truth, 2, 0) * 2.0 - 1)
    truth[rng.random(truth.shape) < 0.1] = 255
    return truth, (1 / (1 + np.exp(-logits))).astype(np.float32)


def test_a_case_worked_by_hand():
    truth = np.array([[[1, 0], [1, 1], [0, 255], [0, 0]]], np.uint8)
    prediction = np.array([[[1, 0], [0, 1], [1, 1], [0, 0]]], np.uint8)
    scores = MultilabelScores.of_planes(plane_counts(truth, prediction), ["a", "b"], (0.5, 0.5))
    assert scores.confusion.tolist() == [[[1, 1], [1, 1]], [[2, 0], [0, 1]]]
    assert scores.iu.tolist() == pytest.approx([1 / 3, 1])
    assert scores.precision.tolist() == pytest.approx([0.5, 1])
    assert scores.accuracy.tolist() == pytest.approx([0.5, 1])
    assert scores.dice.tolist() == pytest.approx([0.5, 1])
    assert scores.mean_iu == pytest.approx(2 / 3)
    assert scores.pixel_accuracy == pytest.approx(5 / 7)


def test_an_absent_class_leaves_the_mean():
    truth = np.zeros((2, 2, 2), np.uint8)
    truth[0, 0, 0] = 1
    scores = MultilabelScores.of_planes(plane_counts(truth, truth), ["a", "b"], (0.5, 0.5))
    assert np.isnan(scores.iu[1]) and scores.mean_iu == 1


def test_against_torchmetrics(case):
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    truth, probabilities = case
    scores = scored(truth, probabilities, (0.5, 0.4, 0.6))
    for place, threshold in enumerate(scores.thresholds):
        known = truth[..., place] != 255
        pair = torch.tensor(probabilities[place][known]), torch.tensor(truth[..., place][known])
        wanted = {
            "jaccard_index": scores.iu,
            "precision": scores.precision,
            "recall": scores.accuracy,
            "f1_score": scores.dice,
        }
        for name, values in wanted.items():
            metric = getattr(torchmetrics, f"binary_{name}")
            assert float(metric(*pair, threshold=threshold)) == pytest.approx(
                values[place], abs=1e-6
            )
        steps = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)
        precision, recall, _ = torchmetrics.binary_precision_recall_curve(*pair, thresholds=steps)
        there = scores.curves.recall[place] > 0  # where nothing is predicted it says 0, not 1
        assert precision[:-1].numpy()[there] == pytest.approx(
            scores.curves.precision[place][there], abs=2e-3
        )
        assert recall[:-1].numpy() == pytest.approx(scores.curves.recall[place], abs=2e-3)


def test_against_scikit_learn(case):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, probabilities = case
    scores = scored(truth, probabilities, (0.5, 0.5, 0.5))
    for place in range(3):
        known = truth[..., place] != 255
        exact = metrics.average_precision_score(
            truth[..., place][known], probabilities[place][known]
        )
        assert scores.average_precision[place] == pytest.approx(exact, abs=1e-3)
    mean = scores.mean_average_precision
    assert mean == pytest.approx(np.mean(scores.average_precision))


def test_counts_of_photos_add_up(case):
    truth, probabilities = case
    whole, parts = Histogram(3), Histogram(3)
    whole.add(truth, probabilities)
    for rows in (slice(0, 13), slice(13, 40)):
        parts.add(truth[rows], probabilities[:, rows])
    assert np.array_equal(whole.counts, parts.counts)
    assert whole.counts.sum((1, 2)).tolist() == (truth != 255).sum((0, 1)).tolist()


def test_the_best_threshold_has_the_highest_iu(case):
    truth, probabilities = case
    scores = scored(truth, probabilities, (0.5, 0.5, 0.5))
    best = scores.curves.best_thresholds(scores.thresholds)
    tuned = scored(truth, probabilities, best)
    assert tuned.iu == pytest.approx(scores.curves.iu_at(best), abs=1e-9)
    for threshold in np.linspace(0.05, 0.95, 19):
        other = scored(truth, probabilities, (float(threshold),) * 3)
        assert (other.iu <= tuned.iu + 1e-9).all()
    assert tuned.mean_iu > scores.mean_iu


def test_a_class_that_is_nowhere_keeps_its_threshold():
    histogram = Histogram(1)
    histogram.add(np.zeros((4, 4), np.uint8), np.full((1, 4, 4), 0.3, np.float32))
    assert histogram.curves().best_thresholds((0.35,)) == (0.35,)
    assert np.isnan(histogram.curves().average_precision[0])


def test_the_ends_of_a_curve_are_all_and_nothing():
    histogram = Histogram(1)
    probabilities = np.array([[[0.0, 0.2, 0.9, 1.0]]], np.float32)
    histogram.add(np.array([[0, 0, 1, 1]], np.uint8), probabilities)
    curves = histogram.curves()
    assert isinstance(curves, Curves)
    assert (curves.precision[0, 0], curves.recall[0, 0]) == (0.5, 1.0)
    assert (curves.precision[0, -1], curves.recall[0, -1]) == (1.0, 0.0)
    assert curves.average_precision[0] == pytest.approx(1)


def test_scores_are_read_back_from_json(case):
    truth, probabilities = case
    scores = scored(truth, probabilities, (0.5, 0.4, 0.6))
    again = MultilabelScores.from_dict(json.loads(json.dumps(scores.to_dict())))
    assert again.iu == pytest.approx(scores.iu) and again.thresholds == scores.thresholds
    assert again.average_precision == pytest.approx(scores.average_precision)
    assert again.task == "multilabel" and again.curves.recall.shape == (3, 101)
