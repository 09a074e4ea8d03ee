"""Run lengths against pycocotools, which is only used here: it reads past damaged strings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from fullconv.data.importers.drawing import rle
from fullconv.data.importers.drawing.regions import Window, cover
from fullconv.errors import UserError

BITMAPS = arrays.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def encoded(bitmap):
    found = coco.encode(np.asfortranarray(bitmap, np.uint8))
    return {"size": list(bitmap.shape), "counts": found["counts"].decode()}


def pixels(runs, size):
    return runs.inside(Window(0, 0, *size))


@given(BITMAPS)
def test_compressed_strings_of_pycocotools(bitmap):
    decoded = rle.from_coco(encoded(bitmap), bitmap.shape)
    assert np.array_equal(pixels(decoded, bitmap.shape), bitmap)
    assert decoded.area() == bitmap.sum()


def test_compressed_strings_of_large_bitmaps():
    rng = np.random.default_rng(0)
    for scale in (1, 7, 200):
        coarse = rng.random((600 // scale + 1, 900 // scale + 1)) < 0.4
        bitmap = coarse.repeat(scale, 0).repeat(scale, 1)[:600, :900]
        decoded = rle.from_coco(encoded(bitmap), bitmap.shape)
        assert np.array_equal(pixels(decoded, bitmap.shape), bitmap)


@given(BITMAPS)
def test_lists_against_pycocotools(bitmap):
    flat = bitmap.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat]).astype(int)))
    counts = np.diff([0, *edges, len(flat)]).tolist()
    outline = {"size": list(bitmap.shape), "counts": counts}
    theirs = coco.decode(coco.frPyObjects(outline, *bitmap.shape)).astype(bool)
    assert np.array_equal(pixels(rle.from_coco(outline, bitmap.shape), bitmap.shape), theirs)


def test_rows_of_a_rectangle_as_cvat_has_them():
    runs = rle.runs([1, 2, 3], (2, 3), down_columns=False, top=4, left=5)
    window, bits = cover(runs, (10, 10))
    assert (window.top, window.left) == (4, 5)
    assert bits.tolist() == [[False, True, True], [False, False, False]]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
@settings(max_examples=300)
def test_any_text_gives_pixels_or_one_line(text):
    try:
        decoded = rle.from_coco({"size": [20, 30], "counts": text}, (20, 30))
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert pixels(decoded, (20, 30)).shape == (20, 30)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([1, 2], "3 pixels together"),
        ([-1, 601], "no list of whole numbers"),
        ([10**30], "no list of whole numbers"),
        (["a"], "no list of whole numbers"),
        ([[600]], "no list of whole numbers"),
        ("", "cut off"),
        ("oo", "cut off"),
        ("o" * 20 + "0", "beyond any photo"),
        (None, "neither a list nor a string"),
        ("é", "neither a list nor a string"),
    ],
)
def test_faults(counts, said):
    with pytest.raises(UserError, match=said):
        rle.from_coco({"size": [20, 30], "counts": counts}, (20, 30))


def test_another_size_is_named():
    with pytest.raises(UserError, match=r"\[30, 20\].*\[20, 30\]"):
        rle.from_coco({"size": [30, 20], "counts": [600]}, (20, 30))
