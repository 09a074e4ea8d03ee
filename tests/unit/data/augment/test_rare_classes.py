import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.data import Augmentation, Sample, augment, resize_mask
from fullconv.data.augment.rare_classes import classes_shown, draw_pixel


def one_pixel(y: int, x: int, size: tuple[int, int] = (40, 50)) -> Sample:
    """Nothing is labelled but one pixel."""
    mask = np.full(size, 255, np.uint8)
    mask[y, x] = 3
    return Sample("one", np.zeros((*size, 3), np.uint8), mask)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 10_000),
    st.integers(0, 39),
    st.integers(0, 49),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.floats(0.4, 2.0),
    st.sampled_from([0.0, 10.0, 180.0]),
    st.sampled_from(["nearest", "majority"]),
    st.booleans(),
)
def test_the_pixel_of_a_rare_class_is_in_the_crop(seed, y, x, crop, scale, rotate, how, quarters):
    """Unless the scale left none of it: a smaller mask picks its pixels."""
    sample = one_pixel(y, x)
    augmentation = Augmentation(
        crop=crop, scale=(scale, scale), hflip=True, vflip=True, rotate90=quarters,
        rotate=rotate, mask_resize=how, rare_crops=1,
    )  # fmt: skip
    augmented = augment(sample, augmentation, np.random.default_rng(seed))
    assert augmented.mask.shape == crop
    scaled = resize_mask(sample.mask, (round(40 * scale), round(50 * scale)), how)
    assert (augmented.mask == 3).any() == (scaled == 3).any()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_a_window_stays_within_the_photo_or_around_it(seed, crop):
    mask = np.random.default_rng(seed).integers(0, 3, (40, 50), np.uint8)
    sample = Sample("x", np.zeros((40, 50, 3), np.uint8), mask)
    augmented = augment(sample, Augmentation(crop=crop, rare_crops=1), np.random.default_rng(seed))
    assert (augmented.mask != 255).sum() == min(crop[0], 40) * min(crop[1], 50)


@pytest.mark.parametrize("rotate", [0.0, 30.0])
def test_a_pixel_in_the_middle_may_lie_anywhere_in_the_crop(rotate):
    how = Augmentation(crop=(5, 4), rotate=rotate, rare_crops=1)
    shown = np.zeros((5, 4))
    for seed in range(1000):
        augmented = augment(one_pixel(20, 25), how, np.random.default_rng(seed))
        shown += augmented.mask == 3
    assert shown.min() > 25  # 50 in the mean
    assert shown.max() < 80


def test_a_turned_crop_far_from_the_edge_shows_no_padding():
    sample, how = one_pixel(30, 40, (60, 80)), Augmentation(crop=(16, 20), rotate=45, rare_crops=1)
    for seed in range(100):
        augmented = augment(sample, how, np.random.default_rng(seed), (9, 9, 9))
        assert (augmented.image == 0).all()
        assert (augmented.mask == 3).any()


def test_classes_are_drawn_by_the_root_of_their_pixels():
    mask = np.full((20, 20), 255, np.uint8)
    mask[0, 0], mask[1, :4], mask[2:7, :] = 2, 5, 7  # 1, 4 and 100 pixels
    classes, probabilities = classes_shown(mask, 255)
    assert classes.tolist() == [2, 5, 7]
    assert probabilities == pytest.approx(np.array([1, 1 / 2, 1 / 10]) / 1.6)
    rng = np.random.default_rng(0)
    drawn = [mask[draw_pixel(mask, 255, rng)] for _ in range(2000)]
    shares = np.bincount(drawn, minlength=256)[[2, 5, 7]] / 2000
    assert shares == pytest.approx(probabilities, abs=0.03)


def test_where_nothing_is_labelled_the_crop_is_the_ordinary_one():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    sample = Sample("x", image, np.full((40, 50), 255, np.uint8))
    plain, rare = (Augmentation(crop=(9, 9), rare_crops=p) for p in (0, 1))
    made = [augment(sample, how, np.random.default_rng(1)).image for how in (plain, rare)]
    assert (made[0] == made[1]).all()


def test_a_class_of_any_output_is_found_and_many_classes_too():
    masks = np.full((40, 50, 2), 65535, np.uint16)
    masks[17, 23, 1] = 400
    sample = Sample("x", np.zeros((40, 50, 3), np.float32), masks)
    for seed in range(20):
        how = Augmentation(crop=(6, 7), rotate=20, rare_crops=1)
        augmented = augment(sample, how, np.random.default_rng(seed), ignore=65535)
        assert (augmented.mask[..., 1] == 400).any()


def test_the_share_of_rare_crops_is_the_probability():
    mask = np.zeros((100, 100), np.uint8)
    mask[3, 4] = 1
    sample = Sample("x", np.zeros((100, 100, 3), np.uint8), mask)
    how = Augmentation(crop=(10, 10), rare_crops=0.5)
    shown = [(augment(sample, how, np.random.default_rng(s)).mask == 1).any() for s in range(400)]
    # Drawn for class 1 with 1 / (1 + 1 / 99.995), half of the time; by chance 2 crops show it.
    assert 0.42 < np.mean(shown) < 0.58
