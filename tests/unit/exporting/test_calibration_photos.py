"""Which photos set the ranges of int8 and which are held out, and what of them is shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_nets import checkpoint

from fullconv.classes import ClassSet
from fullconv.data import Sample, open_source
from fullconv.errors import UserError
from fullconv.exporting import calibration_photos
from fullconv.exporting.calibration_photos import find_calibration, middle
from fullconv.inference.export_metadata import Description

SHAPES = ClassSet(tuple(f"class {i}" for i in range(6)))


def known(classes=SHAPES, size=None, smallest=1, **options):
    saved = checkpoint("fcn32s-resnet18", classes=classes, **options)
    return Description.of(saved, size, smallest=smallest)


@pytest.fixture
def folder(tmp_path):
    """``folder(count, height, width)``: so many grey photos, each of a grey of its own."""

    def make(count, height=24, width=32, start=0):
        (tmp_path / "photos").mkdir(exist_ok=True)
        for i in range(start, start + count):
            grey = np.full((height, width, 3), i, np.uint8)
            Image.fromarray(grey).save(tmp_path / "photos" / f"{i:03}.png")
        return tmp_path / "photos"

    return make


def greys(photos):
    return sorted(int(sample.image[0, 0, 0]) for sample in photos)


def test_a_data_set_shows_train_and_holds_out_val():
    calibration = find_calibration("shapes:32x32:n=20", known())
    train, val = (open_source("shapes:32x32:n=20", split) for split in ("train", "val"))
    assert len(calibration.shown) == len(train)
    assert len(calibration.held_out) == len(val)
    assert np.array_equal(next(iter(calibration.held_out)).image, val[0].image)
    assert np.array_equal(next(iter(calibration.held_out)).mask, val[0].mask)


def test_of_a_folder_every_fifth_photo_is_held_out(folder):
    calibration = find_calibration(folder(12), known())
    assert greys(calibration.held_out) == [4, 9]
    assert greys(calibration.shown) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]
    assert all(sample.mask is None for sample in calibration.held_out)


def test_two_photos_suffice_and_one_does_not(folder):
    calibration = find_calibration(folder(2), known())
    assert (greys(calibration.shown), greys(calibration.held_out)) == ([0], [1])
    with pytest.raises(UserError, match="at least two photos of 1x1"):
        find_calibration(folder(2) / "000.png", known())


def test_a_pattern_names_photos(folder):
    calibration = find_calibration(str(folder(12) / "00*.png"), known())
    assert greys(calibration.shown) + greys(calibration.held_out) == [
        0,
        1,
        2,
        3,
        5,
        6,
        7,
        8,
        4,
        9,
    ]


def test_of_many_photos_some_from_all_over_are_taken(folder, monkeypatch):
    monkeypatch.setattr(calibration_photos, "MOST_SHOWN", 4)
    found = greys(find_calibration(folder(40), known()).shown)
    assert len(found) == 4
    assert max(np.diff([0, *found, 39])) <= 14


def test_photos_that_the_graph_cannot_take_are_left_out(folder):
    folder(10)
    photos = folder(5, 20, 60, start=10)
    fixed = find_calibration(photos, known(size=(22, 30)))
    assert greys(fixed.shown) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert {sample.image.shape for sample in fixed.shown} == {(22, 30, 3)}
    assert max(greys(find_calibration(photos, known(smallest=22)).shown)) < 10
    with pytest.raises(UserError, match="at least two photos of 21x70"):
        find_calibration(photos, known(size=(21, 70)))


def test_further_inputs_come_from_the_folders_beside(tmp_path):
    for kind in ("images", "depth"):
        (tmp_path / kind).mkdir()
    for i in range(2):
        Image.new("RGB", (30, 20), (i, 0, 0)).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(np.full((20, 30), 1000, np.uint16)).save(tmp_path / "depth" / f"{i}.png")
    seen = checkpoint("fcn32s-resnet18").preprocessing.of_inputs(("color", "depth"))
    calibration = find_calibration(tmp_path / "images", known(preprocessing=seen, streams=(3, 1)))
    sample = next(iter(calibration.shown))
    assert sample.image.shape == (20, 30, 4)
    assert np.allclose(sample.image[..., 3], np.log(1000))


def test_a_data_set_of_other_classes_is_refused():
    with pytest.raises(UserError, match="have different classes"):
        find_calibration("shapes:32x32:n=20", known(ClassSet(("a", "b", "c"))))


def test_nothing_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        find_calibration(tmp_path / "none", known())
    with pytest.raises(UserError, match="no photos there"):
        find_calibration(tmp_path, known())


@given(*(st.integers(1, 40) for _ in range(4)))
def test_the_middle_of_photo_and_mask_is_the_same_place(height, width, high, wide):
    places = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    image = np.dstack([places] * 3)
    found = middle(Sample("a", image, places), (high, wide))
    assert found.mask is not None
    assert found.mask.shape == (min(height, high), min(width, wide))
    assert np.array_equal(found.image[..., 0], found.mask)
    above, left = divmod(int(found.mask[0, 0]), width)
    below, right = (
        n - 1 - i
        for n, i in zip((height, width), divmod(int(found.mask[-1, -1]), width), strict=True)
    )
    assert 0 <= below - above <= 1
    assert 0 <= right - left <= 1
