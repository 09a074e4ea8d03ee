import csv
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
)
from torchmetrics.functional.classification import (
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
)

from fullconv.metrics import PhotoMetrics, Scores, confusion, counts_of

CLASSES, IGNORE = 5, 255
values = st.integers(0, CLASSES - 1)
truths = arrays(np.uint8, (7, 9), elements=st.one_of(values, st.just(IGNORE)))
predictions = arrays(np.uint8, (7, 9), elements=values)
quick = settings(max_examples=40, deadline=None)


def test_by_hand():
    truth = np.array([[0, 0, 0, 1], [1, 1, 255, 255]], np.uint8)
    prediction = np.array([[0, 0, 1, 1], [1, 2, 0, 2]], np.uint8)
    matrix = confusion(truth, prediction, 4, 255)
    assert matrix.tolist() == [[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    scores = Scores.from_confusion(matrix, ["a", "b", "c", "d"])
    assert scores.pixel_accuracy == pytest.approx(4 / 6)
    # a: 2 of 3 + 0 wrongly called a; b: 2 of 3 + 1; c: only predicted, so 0; d: left out
    assert scores.iu == pytest.approx([2 / 3, 2 / 4, 0, np.nan], nan_ok=True)
    assert scores.mean_iu == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.accuracy == pytest.approx([2 / 3, 2 / 3, np.nan, np.nan], nan_ok=True)
    assert scores.mean_accuracy == pytest.approx(2 / 3)
    assert scores.fw_iu == pytest.approx((3 * 2 / 3 + 3 * 1 / 2) / 6)
    assert scores.pixels.tolist() == [3, 3, 0, 0]


def test_perfect_and_empty():
    mask = np.array([[0, 1], [2, 255]], np.uint8)
    perfect = Scores.from_confusion(confusion(mask, np.clip(mask, 0, 2), 3, 255))
    assert set(perfect.summary().values()) == {1.0}
    empty = Scores.from_confusion(np.zeros((3, 3), np.int64))
    assert all(np.isnan(value) for value in empty.summary().values())


@quick
@given(truths, predictions)
def test_against_torchmetrics(truth, prediction):
    expected = multiclass_confusion_matrix(
        torch.from_numpy(prediction).long(), torch.from_numpy(truth).long(), CLASSES,
        ignore_index=IGNORE,
    )  # fmt: skip
    counted = confusion(torch.from_numpy(truth), torch.from_numpy(prediction), CLASSES, IGNORE)
    assert counted.dtype == torch.int64
    assert torch.equal(counted, expected)
    assert np.array_equal(confusion(truth, prediction, CLASSES, IGNORE), expected.numpy())


@quick
@given(truths, predictions)
def test_against_sklearn(truth, prediction):
    counted = truth != IGNORE
    true, predicted = truth[counted], prediction[counted]
    if not len(true):
        return
    matrix = confusion(truth, prediction, CLASSES, IGNORE)
    assert np.array_equal(matrix, confusion_matrix(true, predicted, labels=range(CLASSES)))
    scores = Scores.from_confusion(matrix)
    assert scores.pixel_accuracy == pytest.approx(np.mean(true == predicted))
    assert scores.mean_iu == pytest.approx(jaccard_score(true, predicted, average="macro"))
    assert scores.fw_iu == pytest.approx(jaccard_score(true, predicted, average="weighted"))
    mean = np.mean([np.mean(predicted[true == c] == c) for c in np.unique(true)])
    assert scores.mean_accuracy == pytest.approx(mean)


@quick
@given(truths, predictions)
def test_precision_and_dice_against_sklearn_and_torchmetrics(truth, prediction):
    counted = truth != IGNORE
    true, predicted = truth[counted], prediction[counted]
    if not len(true):
        return
    scores = Scores.from_confusion(confusion(truth, prediction, CLASSES, IGNORE))
    options = {"labels": range(CLASSES), "average": None, "zero_division": np.nan}
    assert scores.precision == pytest.approx(
        precision_score(true, predicted, **options), nan_ok=True
    )
    assert scores.dice == pytest.approx(f1_score(true, predicted, **options), nan_ok=True)
    tensors = torch.from_numpy(prediction).long(), torch.from_numpy(truth).long(), CLASSES
    for found, metric in (
        (scores.precision, multiclass_precision),
        (scores.dice, multiclass_f1_score),
    ):
        expected = metric(*tensors, average=None, ignore_index=IGNORE).numpy()  # 0 for 0/0
        assert np.nan_to_num(found) == pytest.approx(expected, abs=1e-6)
    assert scores.dice == pytest.approx(2 * scores.iu / (1 + scores.iu), nan_ok=True)


def test_metrics_of_each_photo_as_a_table():
    first = np.array([[2, 1, 0], [0, 1, 0], [0, 0, 0]])
    nothing = np.zeros((3, 3), np.int64)
    names = ["a, b", "b", "c"]
    photos = PhotoMetrics.of(["one", "two"], names, map(counts_of, (first, nothing)))
    rows = list(csv.reader(photos.to_csv().splitlines()))
    assert rows[0] == [
        "name", "pixel_accuracy", "mean_iu", "pixels a, b", "iu a, b", "pixels b", "iu b",
        "pixels c", "iu c",
    ]  # fmt: skip
    # a: 2 of 3; b: 1 of 1 + 1 wrongly called b; c is in neither map
    one = ["one", "0.750000", "0.583333", "3", "0.666667", "1", "0.500000", "0", ""]
    assert rows[1] == one
    assert rows[2] == ["two", "", "", "0", "", "0", "", "0", ""]
    part = photos.part(slice(1, 3))
    assert part.classes == ("b", "c") and part.counts.tolist() == photos.counts[..., 1:].tolist()


def test_against_sklearn_balanced_accuracy():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    scores = Scores.from_confusion(confusion(true, predicted, 4, 255))
    assert scores.mean_accuracy == pytest.approx(balanced_accuracy_score(true, predicted))


@quick
@given(truths, predictions)
def test_parts_of_a_set_add_up(truth, prediction):
    whole = confusion(truth, prediction, CLASSES, IGNORE)
    parts = [confusion(truth[i : i + 2], prediction[i : i + 2], CLASSES, IGNORE) for i in (0, 2, 4)]
    rest = confusion(truth[6:], prediction[6:], CLASSES, IGNORE)
    assert np.array_equal(whole, sum(parts) + rest)
    assert whole.sum() == (truth != IGNORE).sum()


def test_mean_iu_is_not_the_mean_over_images():
    first = confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1]), 2, 255)
    second = confusion(np.array([1, 1, 1, 1]), np.array([0, 0, 0, 0]), 2, 255)
    scores = Scores.from_confusion(first + second)
    assert scores.iu == pytest.approx([3 / 7, 1 / 5])


def test_many_classes_and_dtypes():
    truth = np.array([300, 299, 65535], np.uint16)
    matrix = confusion(truth, np.array([300, 300, 0], np.int64), 301, 65535)
    assert (matrix[300, 300], matrix[299, 300], matrix.sum()) == (1, 1, 2)


@pytest.mark.parametrize(
    ("truth", "prediction", "says"),
    [
        ([0, 9], [0, 0], "truth holds the values 0 to 9"),
        ([0, 1], [0, 3], "prediction holds the values 0 to 3"),
        ([0, 1], [0, 1, 1], "shape"),
    ],
)
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_faults_are_named(truth, prediction, says, kind):
    with pytest.raises(ValueError, match=says):
        confusion(kind(truth), kind(prediction), 3, 255)


def test_json_and_back():
    matrix = np.array([[5, 1, 0], [2, 3, 0], [0, 0, 0]])
    scores = Scores.from_confusion(matrix, ["sky", "road", "pole"])
    content = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    absent = dict.fromkeys(("iu", "accuracy", "precision", "dice"))
    assert content["classes"][2] == {"name": "pole", **absent, "pixels": 0}
    assert content["averaged"]
    again = Scores.from_dict(content)
    assert again.summary() == scores.summary()
    assert again.names == scores.names
