import numpy as np
import pytest

from fullconv.data import ClassCounts, class_weights, count_classes, open_source


def test_pixels_against_counting(make_folder):
    source = open_source(make_folder(train=4), "train")
    masks = np.stack([source[i].mask for i in range(4)])
    counts = count_classes(source)
    assert counts.pixels.dtype == np.int64
    assert counts.masks == 4
    assert counts.pixels.tolist() == [(masks == k).sum() for k in range(3)]
    assert counts.photos.tolist() == [(masks == k).any((1, 2)).sum() for k in range(3)]
    assert counts.around.tolist() == [(masks == k).any((1, 2)).sum() * 24 * 32 for k in range(3)]
    assert count_classes(source, most=2).pixels.sum() == counts.pixels.sum() // 2


def test_ignored_pixels_are_left_out(make_folder, save):
    data = make_folder(train=1)
    mask = np.zeros((24, 32), np.uint8)
    mask[:12] = 255
    save(mask, "set/masks/train/000.png")
    counts = count_classes(open_source(data, "train"))
    assert counts.pixels.tolist() == counts.around.tolist() == [12 * 32, 0, 0]


def test_weights_by_hand():
    pixels, around = np.array([100, 400, 25, 0]), np.array([1000, 1000, 500, 0])
    counts = ClassCounts(pixels, np.array([2, 2, 1, 0]), around, 2)
    # Shares 0.1, 0.4, 0.05 where shown: their median is 0.1.
    assert class_weights(counts).tolist() == [1, 0.25, 2, 1]
    assert class_weights(counts, "softened").tolist() == [1, 0.5, 2, 1]
    assert class_weights(counts, "mild") == pytest.approx([1, 0.5**0.5, 2**0.5, 1])
    none = np.zeros(3, np.int64)
    assert class_weights(ClassCounts(none, none, none, 1)).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="mode"):
        class_weights(counts, "balanced")  # type: ignore[arg-type]
