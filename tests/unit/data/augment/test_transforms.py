from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.data import Augmentation, Sample, augment, open_source
from fullconv.errors import UserError

FULL = Augmentation(
    crop=(40, 50), scale=(0.5, 2.0), hflip=True, rotate=20, brightness=0.3, contrast=0.3,
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
        crop=(height, width), scale=(scale, scale), hflip=True, rotate=rotate, mask_resize=how
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
    mirror = Augmentation(hflip=True)
    masks = [augment(sample, mirror, np.random.default_rng(s)).mask for s in range(100)]
    turned = [not (mask == sample.mask).all() for mask in masks]
    assert 35 < sum(turned) < 65
    result = augment(sample, mirror, np.random.default_rng(turned.index(True)))
    assert (result.mask == sample.mask[:, ::-1]).all()
    assert (result.image == sample.image[:, ::-1]).all()


def test_turn_by_180_is_exact():
    from fullconv.data.augment.rotate import rotate

    sample = coded()
    image, mask = rotate(sample.image, sample.mask, 180, (60, 70), (0, 0, 0), 255)
    assert (mask == sample.mask[::-1, ::-1]).all()
    assert np.abs(image.astype(int) - sample.image[::-1, ::-1]).max() <= 1


def test_turn_against_pillow():
    from PIL import Image

    from fullconv.data.augment.rotate import rotate

    sample = coded()
    _, mask = rotate(sample.image, sample.mask, 25, (60, 70), (0, 0, 0), 255)
    pillow = Image.fromarray(sample.mask).rotate(25, Image.Resampling.NEAREST, fillcolor=255)
    assert (mask == np.array(pillow)).mean() > 0.98  # Pillow rounds its matrix


def test_brightness_against_arithmetic():
    from fullconv.data.augment.color import recolor

    image = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    half = np.hstack([np.eye(3) * 0.5, np.zeros((3, 1))])
    assert np.abs(recolor(image, half) - image / 2).max() <= 0.5 + 1e-6
    assert recolor(image, np.hstack([np.eye(3) * 3, np.zeros((3, 1))])).max() == 255


def test_grey_keeps_its_grey_whatever_the_hue():
    from fullconv.data.augment.color import color_matrix

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
        {"blur": -1},
        {"blur": float("nan")},
        {"noise": 1.5},
        {"grayscale": -0.1},
        {"rare_crops": 2, "crop": (4, 4)},
        {"paste": 0.5},
        {"cutmix": 0.5},
        {"rare_crops": 0.5},
    ],
)
def test_values_that_cannot_be_meant(values):
    with pytest.raises(UserError, match=next(iter(values))):
        Augmentation(**values)


def test_without_a_mask():
    sample = Sample("x", coded().image, None)
    assert augment(sample, FULL, np.random.default_rng(0)).mask is None


def located(height: int = 60, width: int = 70) -> Sample:
    """The colour is the place, and the mask follows from it."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([y, x, 0 * x], 2).astype(np.uint8)
    return Sample("located", image, ((3 * y + x) % 7).astype(np.uint8))


def together(sample: Sample) -> bool:
    """Whether each labelled pixel still has its own label."""
    y, x, _ = np.moveaxis(sample.image.astype(int), 2, 0)
    return bool(((sample.mask == 255) | (sample.mask == (3 * y + x) % 7)).all())


@pytest.mark.parametrize("seed", range(8))
def test_the_numbers_are_drawn_in_their_old_order(seed):
    """Keys that came later draw from other generators: old runs can be resumed."""
    sample, rng = located(), np.random.default_rng(seed)
    rng.uniform(), rng.uniform()  # scale, angle
    top, left = rng.integers(0, 21), rng.integers(0, 21)
    rng.uniform(size=4)  # colours
    expected = sample.mask[top : top + 40, left : left + 50]
    expected = expected[:, ::-1] if rng.random() < 0.5 else expected
    augmented = augment(
        sample, Augmentation(crop=(40, 50), hflip=True), np.random.default_rng(seed)
    )
    assert (augmented.mask == expected).all()
    assert together(augmented)


def test_turning_by_quarters_gives_all_four_views_evenly():
    sample, quarters = located(), Augmentation(rotate90=True)
    made = [augment(sample, quarters, np.random.default_rng(s)) for s in range(200)]
    assert all(together(each) for each in made)
    for k in range(4):
        view = np.rot90(sample.image, k)
        same = [each.image.shape == view.shape and (each.image == view).all() for each in made]
        assert 30 < sum(same) < 70


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 90), st.integers(1, 90), st.booleans(), st.booleans())
def test_mirrored_and_turned_crops_have_their_size_and_their_labels(
    seed, height, width, mirror, flip
):
    how = Augmentation(crop=(height, width), hflip=mirror, vflip=flip, rotate90=True)
    augmented = augment(located(), how, np.random.default_rng(seed))
    assert augmented.image.shape == (height, width, 3)
    assert augmented.mask.shape == (height, width)
    assert together(augmented)
    assert (augmented.mask != 255).sum() == min(height, 60) * min(width, 70) or (
        (augmented.mask != 255).sum() == min(height, 70) * min(width, 60)
    )


def test_a_flip_is_the_same_view_upside_down_half_the_time():
    plain = [augment(located(), FULL, np.random.default_rng(s)) for s in range(100)]
    how = replace(FULL, vflip=True)
    flipped = [augment(located(), how, np.random.default_rng(s)) for s in range(100)]
    same = [(a.image == b.image).all() for a, b in zip(plain, flipped, strict=True)]
    down = [(a.image == b.image[::-1]).all() for a, b in zip(plain, flipped, strict=True)]
    assert all(a or b for a, b in zip(same, down, strict=True))
    assert 35 < sum(down) < 65


def test_all_eight_views_of_a_square_occur():
    how = Augmentation(hflip=True, vflip=True, rotate90=True)
    masks = [augment(located(9, 9), how, np.random.default_rng(s)).mask for s in range(150)]
    assert len({mask.tobytes() for mask in masks}) == 8


@pytest.mark.parametrize(("key", "most"), [("grayscale", 0.5), ("blur", 3), ("noise", 0.2)])
def test_disturbed_colours_leave_geometry_and_other_inputs_alone(key, most):
    image = np.random.default_rng(0).uniform(0, 255, (60, 70, 4)).astype(np.float32)
    sample, how = Sample("x", image, located().mask), replace(FULL, rotate=0)
    changed = 0
    for seed in range(20):
        args = np.random.default_rng(seed), (1.0, 2.0, 3.0, 4.0)
        plain = augment(sample, how, *args)
        args = np.random.default_rng(seed), (1.0, 2.0, 3.0, 4.0)
        augmented = augment(sample, replace(how, **{key: most}), *args)
        assert augmented.image.dtype == np.float32
        assert (augmented.mask == plain.mask).all()
        assert (augmented.image[..., 3] == plain.image[..., 3]).all()
        changed += (augmented.image != plain.image).any()
    assert 4 <= changed <= 16


def test_a_blur_has_the_width_that_it_says():
    from fullconv.data.augment.color import blur

    edge = np.zeros((9, 80, 3), np.uint8)
    edge[:, 40:] = 255
    for sigma in (1.5, 3.0, 6.0):
        weights = np.diff(blur(edge, sigma)[4, :, 0].astype(float))
        x = np.arange(79) - 39
        assert abs((weights * x).sum() / weights.sum()) < 0.05
        assert (weights * x**2).sum() / weights.sum() == pytest.approx(sigma**2, rel=0.05)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_noise_has_the_deviation_that_it_says_and_stays_in_range(kind):
    from fullconv.data.augment.color import add_noise

    rng = np.random.default_rng(0)
    noisy = add_noise(np.full((100, 100, 3), 128, kind), 10, rng)
    assert noisy.dtype == kind
    assert noisy.astype(float).mean() == pytest.approx(128, abs=0.3)
    assert noisy.astype(float).std() == pytest.approx(10, rel=0.03)
    channels = noisy.reshape(-1, 3).astype(float).T
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.05
    bright = add_noise(np.full((50, 50, 3), 250, kind), 50, rng)
    assert bright.min() >= 0
    assert bright.max() == 255


def test_grey_is_the_luma():
    image = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    augmented = augment(
        Sample("x", image, None), Augmentation(grayscale=1), np.random.default_rng(0)
    )
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(augmented.image - luma[..., None]).max() < 1.01


def test_half_the_size_takes_half_the_blur():
    half = Augmentation(crop=(40, 50), blur=3, noise=0.1, rare_crops=0.5).halved()
    assert (half.blur, half.noise, half.rare_crops, half.crop) == (1.5, 0.1, 0.5, (20, 25))
