from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.data import Augmentation, Sample, augment, open_source
from fullconv.errors import UserError

FULL = Augmentation(
    crop=(40, 50), scale=(0.5, 2.0), mirror=True, rotate=20, brightness=0.3, contrast=0.3,
    saturation=0.3, hue=20,
)  # fmt: skip


def coded(height: int = 60, width: int = 70) -> Sample:
    """A photo whose colour tells the mask's value: the two must move together."""
    blocks = np.random.default_rng(1).integers(0, 5, (height // 10 + 1, width // 10 + 1))
    mask = blocks.repeat(10, 0).repeat(10, 1)[:height, :width].astype(np.uint8)
    image = np.stack([mask * 50] * 3, 2).astype(np.uint8)
    return Sample("coded", image, mask)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 90),
    st.integers(1, 90),
    st.floats(0.3, 2.5),
    st.sampled_from([0.0, 15.0, 180.0]),
    st.sampled_from(["nearest", "majority"]),
)
def test_photo_and_mask_stay_together(seed, height, width, scale, rotate, how):
    augmentation = Augmentation(
        crop=(height, width), scale=(scale, scale), mirror=True, rotate=rotate, mask_resize=how
    )
    fill = (255, 255, 255)
    result = augment(coded(), augmentation, np.random.default_rng(seed), fill)
    assert result.image.shape == (height, width, 3)
    assert result.mask.shape == (height, width)
    assert set(np.unique(result.mask)) <= {0, 1, 2, 3, 4, 255}
    # Away from borders the colour is the class's own; padding is ignored and of the fill colour.
    expected = np.where(result.mask == 255, 255, result.mask.astype(int) * 50)
    padded = np.pad(result.mask, 2, constant_values=99)
    shifts = [padded[y : y + height, x : x + width] for y in range(5) for x in range(5)]
    inner = np.all([shift == result.mask for shift in shifts], axis=0)
    if scale > 0.6:
        wrong = np.abs(result.image[..., 0].astype(int) - expected)[inner] > 3
        assert wrong.mean() < 0.02 if wrong.size else True


def test_identity_changes_nothing():
    sample = coded()
    same = augment(sample, Augmentation(), np.random.default_rng(0))
    assert (same.image == sample.image).all()
    assert (same.mask == sample.mask).all()


def test_same_numbers_same_result_and_others_differ():
    sample = open_source("shapes", "train")[0]
    first, again, other = (augment(sample, FULL, np.random.default_rng(s)) for s in (1, 1, 2))
    assert (first.image == again.image).all()
    assert (first.mask == again.mask).all()
    assert (first.image != other.image).any()


def test_photometric_strength_leaves_the_geometry_alone():
    sample = open_source("shapes", "train")[0]
    plain = replace(FULL, brightness=0, contrast=0, saturation=0, hue=0)
    a = augment(sample, FULL, np.random.default_rng(5))
    b = augment(sample, plain, np.random.default_rng(5))
    assert (a.mask == b.mask).all()


def test_padding_is_fill_and_ignored():
    sample = coded(20, 20)
    result = augment(
        sample, Augmentation(crop=(30, 40)), np.random.default_rng(0), (9, 8, 7), ignore=250
    )
    outside = result.mask == 250
    assert outside.sum() == 30 * 40 - 400
    assert (result.image[outside] == (9, 8, 7)).all()
    assert (np.sort(result.image[~outside], 0) == np.sort(sample.image.reshape(-1, 3), 0)).all()


def test_mirror_happens_half_the_time():
    sample = coded()
    mirror = Augmentation(mirror=True)
    masks = [augment(sample, mirror, np.random.default_rng(s)).mask for s in range(100)]
    turned = [not (mask == sample.mask).all() for mask in masks]
    assert 35 < sum(turned) < 65
    result = augment(sample, mirror, np.random.default_rng(turned.index(True)))
    assert (result.mask == sample.mask[:, ::-1]).all()
    assert (result.image == sample.image[:, ::-1]).all()


def test_turn_by_180_is_exact():
    from fullconv.data.turn import turn

    sample = coded()
    image, mask = turn(sample.image, sample.mask, 180, (60, 70), (0, 0, 0), 255)
    assert (mask == sample.mask[::-1, ::-1]).all()
    assert np.abs(image.astype(int) - sample.image[::-1, ::-1]).max() <= 1


def test_turn_against_pillow():
    from PIL import Image

    from fullconv.data.turn import turn

    sample = coded()
    _, mask = turn(sample.image, sample.mask, 25, (60, 70), (0, 0, 0), 255)
    pillow = Image.fromarray(sample.mask).rotate(25, Image.Resampling.NEAREST, fillcolor=255)
    assert (mask == np.array(pillow)).mean() > 0.98  # Pillow rounds its matrix


def test_brightness_against_arithmetic():
    from fullconv.data.color import recolor

    image = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    half = np.hstack([np.eye(3) * 0.5, np.zeros((3, 1))])
    assert np.abs(recolor(image, half) - image / 2).max() <= 0.5 + 1e-6
    assert recolor(image, np.hstack([np.eye(3) * 3, np.zeros((3, 1))])).max() == 255


def test_grey_keeps_its_grey_whatever_the_hue():
    from fullconv.data.color import color_matrix

    matrix = color_matrix(Augmentation(hue=180, saturation=1), np.random.default_rng(0))
    assert np.abs(matrix[:, :3].sum(1) - 1).max() < 0.01


@pytest.mark.parametrize(
    "values",
    [
        {"crop": (0, 5)},
        {"scale": (2, 1)},
        {"scale": (0, 1)},
        {"rotate": -1},
        {"hue": 400},
        {"contrast": 2},
        {"mask_resize": "bilinear"},
    ],
)
def test_values_that_cannot_be_meant(values):
    with pytest.raises(UserError, match=next(iter(values))):
        Augmentation(**values)


def test_without_a_mask():
    sample = Sample("x", coded().image, None)
    assert augment(sample, FULL, np.random.default_rng(0)).mask is None
