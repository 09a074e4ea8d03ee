import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fullconv.data import resize_image, resize_mask

SIZES = st.integers(1, 23)


def noise(height: int, width: int, values: int = 256, channels: tuple[int, ...] = ()):
    rng = np.random.default_rng(height * 100 + width)
    return rng.integers(0, values, (height, width, *channels), np.uint8)


def brute_majority(mask, size):
    """Straight from the definition, pixel by pixel, in exact fractions."""
    from fractions import Fraction as F

    def covered(i, source, new):
        return [
            p for p in range(source) if F(i * source, new) <= p + F(1, 2) < F((i + 1) * source, new)
        ]

    result = np.zeros(size, mask.dtype)
    for y in range(size[0]):
        for x in range(size[1]):
            centre = mask[
                (2 * y + 1) * mask.shape[0] // (2 * size[0]),
                (2 * x + 1) * mask.shape[1] // (2 * size[1]),
            ]
            rows, cols = covered(y, mask.shape[0], size[0]), covered(x, mask.shape[1], size[1])
            cell = [int(mask[r, c]) for r in rows for c in cols]
            if not cell:
                result[y, x] = centre
                continue
            most = max(cell.count(v) for v in cell)
            best = sorted({v for v in cell if cell.count(v) == most})
            result[y, x] = centre if centre in best else best[0]
    return result


@settings(deadline=None, max_examples=40)
@given(SIZES, SIZES, SIZES, SIZES)
def test_nearest_against_torch(h, w, new_h, new_w):
    mask = noise(h, w)
    tensor = torch.from_numpy(mask)[None, None].float()
    expected = torch.nn.functional.interpolate(tensor, (new_h, new_w), mode="nearest-exact")
    got = resize_mask(mask, (new_h, new_w))
    # torch computes positions in float32, so a centre right on a border may fall either way
    exact = (
        np.array([(2 * i + 1) * h % (2 * new_h) == 0 for i in range(new_h)])[:, None]
        | np.array([(2 * i + 1) * w % (2 * new_w) == 0 for i in range(new_w)])[None]
    )
    assert (got == expected[0, 0].numpy())[~exact].all()


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES, SIZES, SIZES)
def test_majority_against_the_definition(h, w, new_h, new_w):
    mask = noise(h, w, 3)
    mask[mask == 2] = 255
    got = resize_mask(mask, (new_h, new_w), "majority")
    shrinks = new_h < h or new_w < w
    expected = (
        brute_majority(mask, (new_h, new_w)) if shrinks else resize_mask(mask, (new_h, new_w))
    )
    assert (got == expected).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(2, 40), st.integers(2, 40), st.data())
def test_a_part_is_cut_from_the_whole(h, w, new_h, new_w, data):
    top, left = data.draw(st.integers(0, new_h - 1)), data.draw(st.integers(0, new_w - 1))
    bottom, right = data.draw(st.integers(top + 1, new_h)), data.draw(st.integers(left + 1, new_w))
    part = (top, left, bottom, right)
    image, mask = noise(h, w, channels=(3,)), noise(h, w, 4)
    whole = resize_image(image, (new_h, new_w)).astype(int)
    piece = resize_image(image, (new_h, new_w), part).astype(int)
    # Pillow rounds to 8 bits after each of its two passes: a difference of 1 in the first, weighed
    # by factors that add up to 1, and the rounding of the second.
    assert np.abs(piece - whole[top:bottom, left:right]).max() <= 2
    for how in ("nearest", "majority"):
        assert (
            resize_mask(mask, (new_h, new_w), how, part)
            == resize_mask(mask, (new_h, new_w), how)[top:bottom, left:right]
        ).all()


def test_image_against_torch():
    image = noise(40, 50, channels=(3,))
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    for size in ((17, 23), (80, 90), (40, 25)):
        expected = torch.nn.functional.interpolate(
            tensor, size, mode="bilinear", antialias=True, align_corners=False
        )[0].permute(1, 2, 0)
        assert np.abs(resize_image(image, size) - expected.numpy()).max() < 1.6


def test_no_class_is_invented_where_averaging_invents_one():
    mask = np.zeros((60, 60), np.uint8)
    mask[:, 31:] = 2  # averaging gives class 1 along the border
    averaged = np.array(Image.fromarray(mask).resize((30, 30), Image.Resampling.BILINEAR))
    assert 1 in averaged
    for size in ((30, 30), (25, 25), (7, 13), (121, 97), (60, 31)):
        for how in ("nearest", "majority"):
            assert set(np.unique(resize_mask(mask, size, how))) == {0, 2}


def test_majority_counts_ignore_as_a_class_and_gives_ties_to_the_centre():
    assert resize_mask(np.array([[255, 255, 1]], np.uint8), (1, 1), "majority")[0, 0] == 255
    assert resize_mask(np.array([[3, 1], [1, 3]], np.uint8), (1, 1), "majority")[0, 0] == 3
    assert resize_mask(np.array([[1, 3], [3, 1]], np.uint8), (1, 1), "majority")[0, 0] == 1


def test_uint16_masks_stay_so():
    mask = np.array([[0, 999], [65535, 3]], np.uint16)
    assert resize_mask(mask, (4, 4)).dtype == np.uint16
    assert set(resize_mask(mask, (4, 4)).ravel().tolist()) == {0, 3, 999, 65535}
