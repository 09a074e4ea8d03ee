import numpy as np
import pytest

from fullconv.data import class_pixels, class_weights, open_source


def test_pixels_against_counting(make_folder):
    source = open_source(make_folder(train=4), "train")
    masks = np.stack([source[i].mask for i in range(4)])
    pixels = class_pixels(source)
    assert pixels.dtype == np.int64
    assert pixels.tolist() == [(masks == k).sum() for k in range(3)]
    assert class_pixels(source, most=2).sum() == pixels.sum() // 2


def test_ignored_pixels_are_left_out(make_folder, save):
    data = make_folder(train=1)
    mask = np.zeros((24, 32), np.uint8)
    mask[:12] = 255
    save(mask, "set/masks/train/000.png")
    assert class_pixels(open_source(data, "train")).tolist() == [12 * 32, 0, 0]


def test_weights_by_hand():
    pixels = np.array([100, 400, 25, 0])
    assert class_weights(pixels).tolist() == [1, 0.25, 4, 1]
    assert class_weights(pixels, "softened").tolist() == [1, 0.5, 2, 1]
    assert class_weights(np.zeros(3, np.int64)).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="mode"):
        class_weights(pixels, "balanced")  # type: ignore[arg-type]
