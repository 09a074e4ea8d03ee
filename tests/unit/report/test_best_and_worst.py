import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.classes import ClassSet
from fullconv.data import Sample
from fullconv.metrics import confusion
from fullconv.report import BestAndWorst
from fullconv.report.best_and_worst import (
    BEST,
    POOL,
    SIDE,
    TYPICAL,
    WORST,
    read_scored_photos,
)
from fullconv.report.embedded import picked, sized

CLASSES = ClassSet(("a", "b"))


def gather(right, size=(10, 10)):
    """A photo for each number of ``right`` pixels of a hundred."""
    found = BestAndWorst()
    for number, count in enumerate(right):
        truth = np.zeros(size, np.uint8)
        guess = np.ones(size, np.uint8)
        guess.ravel()[: count * truth.size // 100] = 0
        image = np.full((*size, 3), number % 256, np.uint8)
        sample = Sample(f"p{number}", image, truth)
        found.add(sample, guess, confusion(truth, guess, 2, 255))
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 100), max_size=30))
def test_the_best_and_the_worst_are_kept(right):
    found = gather(right)
    shares = sorted(count / 100 for count in right)
    assert [each.accuracy for each in found.worst] == pytest.approx(shares[:WORST])
    assert [each.accuracy for each in found.best] == pytest.approx(shares[::-1][:BEST])


def test_they_are_read_as_they_were_written(tmp_path):
    found = gather(range(0, 100, 5))
    found.write(tmp_path, CLASSES, 7)
    read = read_scored_photos(tmp_path)
    kinds = ["best"] * BEST + ["worst"] * WORST + ["typical"] * TYPICAL
    assert [each.kind for each in read] == kinds
    written = (*found.best, *found.worst, *found.typical)
    assert [each.name for each in read] == [each.name for each in written]
    for got, made in zip(read, written, strict=True):
        assert np.array_equal(got.truth, made.truth)
        assert np.array_equal(got.prediction, made.prediction)


def test_few_photos_are_not_shown_twice(tmp_path):
    gather([1, 2, 3, 4, 5]).write(tmp_path, CLASSES, 7)
    read = read_scored_photos(tmp_path)
    names = [each.name for each in read if each.kind != "typical"]
    assert sorted(names) == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("count", [1, 2, 23, 24, 25, 60, 300])
def test_typical_photos_are_near_the_median_and_a_bounded_number_is_held(count):
    right = np.random.default_rng(count).permutation(100)[np.arange(count) % 100]
    found = gather(right.tolist(), size=(10, 10))
    away = [abs(photo.accuracy - np.median(right) / 100) for photo in found._pool]
    assert len(found.typical) == min(count, TYPICAL)
    assert abs(found.typical[0].accuracy - np.median(right) / 100) == min(away)
    places = [int(photo.name.removeprefix("p")) for photo in found._pool]
    assert min(count, POOL // 2) <= len(places) <= POOL
    assert len(set(np.diff(places).tolist())) <= 1 and count - places[-1] <= count / 6 + 1


def test_a_later_validation_replaces_them(tmp_path):
    gather(range(20)).write(tmp_path, CLASSES, 7)
    gather(range(30, 50)).write(tmp_path, CLASSES, 9)
    assert all(
        file.startswith(("0000009-", "examples")) for file in os.listdir(tmp_path / "examples")
    )
    assert len(read_scored_photos(tmp_path)) == BEST + WORST + TYPICAL


def test_many_classes(tmp_path):
    classes = ClassSet(tuple(map(str, range(300))), ignore=65535)
    found = BestAndWorst()
    truth = np.array([[0, 299, 65535]], np.uint16)
    matrix = np.zeros((300, 300), np.int64)
    matrix[0, 0] = 1
    found.add(Sample("x", np.zeros((1, 3, 3), np.uint8), truth), truth, matrix)
    found.write(tmp_path, classes, 1)
    assert read_scored_photos(tmp_path)[0].truth.tolist() == truth.tolist()


def test_photos_without_labels_have_no_accuracy():
    found = BestAndWorst()
    empty = np.full((4, 4), 255, np.uint8)
    found.add(Sample("x", np.zeros((4, 4, 3), np.uint8), empty), empty * 0, np.zeros((2, 2)))
    assert not found.best and not found.photos


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000), (1200, 900)])
def test_what_is_kept_is_small_and_photo_and_mask_agree(size):
    image, mask = np.zeros((*size, 3), np.uint8), np.arange(size[0] * size[1]).reshape(size)
    assert sized(image, SIDE).shape[:2] == picked(mask, SIDE).shape
    assert max(picked(mask, SIDE).shape) <= SIDE
    assert np.isin(picked(mask, SIDE), mask).all()
