import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion

from fullconv.errors import UserError
from fullconv.metrics import boundary_counts, boundary_width, is_boundary
from fullconv.metrics.class_metrics import iu

CLASSES, IGNORE = 3, 255
quick = settings(max_examples=40, deadline=None)
values = st.integers(0, CLASSES - 1)
truths = arrays(np.uint8, (11, 14), elements=values | st.just(IGNORE))
predictions = arrays(np.uint8, (11, 14), elements=values)
blocks = arrays(np.uint8, (3, 4), elements=values | st.just(IGNORE))


def eroded_boundary(member, width):
    """The authors' way: the class less its erosion, beyond the photo is not the class."""
    square = np.ones((3, 3), bool)
    return member & ~binary_erosion(member, square, iterations=width, border_value=0)


def counts_by_erosion(truth, prediction, width):
    seen = np.where(truth == IGNORE, IGNORE, prediction)
    found = []
    for each in range(CLASSES):
        true, predicted = (eroded_boundary(map_ == each, width) for map_ in (truth, seen))
        found.append([(true & predicted).sum(), true.sum(), predicted.sum()])
    return np.transpose(found)


def share_of(width, size):
    return width / np.hypot(*size)


@quick
@given(truths, predictions, st.integers(1, 6))
def test_against_erosion(truth, prediction, width):
    counted = boundary_counts(truth, prediction, CLASSES, IGNORE, share_of(width, truth.shape))
    assert np.array_equal(counted, counts_by_erosion(truth, prediction, width))


@quick
@given(blocks, blocks, st.integers(1, 6), st.integers(3, 9))
def test_against_erosion_where_classes_have_an_inside(truth, prediction, width, scale):
    truth, prediction = (np.kron(m, np.ones((scale, scale), np.uint8)) for m in (truth, prediction))
    prediction = np.where(prediction == IGNORE, 0, prediction).astype(np.uint8)
    counted = boundary_counts(truth, prediction, CLASSES, IGNORE, share_of(width, truth.shape))
    assert np.array_equal(counted, counts_by_erosion(truth, prediction, width))


def test_by_hand():
    truth = np.zeros((7, 7), np.uint8)
    truth[1:6, 1:6] = 1  # a square of 5: 16 pixels within 1 of its outline, 9 inside
    counted = boundary_counts(truth, truth, 2, IGNORE, 1 / np.hypot(7, 7))
    assert counted.tolist() == [[24, 16]] * 3
    shifted = np.roll(truth, 1, 1)  # of the two outlines a run of 4 above and one below are shared
    square, moved = (eroded_boundary(m == 1, 1) for m in (truth, shifted))
    counts = boundary_counts(truth, shifted, 2, IGNORE, 1 / np.hypot(7, 7))
    assert counts[:, 1].tolist() == [8, 16, 16]
    assert iu(counts)[1] == pytest.approx((square & moved).sum() / (square | moved).sum())
    assert iu(counts)[1] == pytest.approx(8 / 24)


def test_what_is_ignored_counts_for_nothing():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (20, 20), np.uint8).repeat(4, 0).repeat(4, 1)
    truth[:30, 10:50] = IGNORE
    first = np.roll(truth, 3, 1)
    first[first == IGNORE] = 0
    second = np.where(truth == IGNORE, rng.integers(0, 3, truth.shape), first)
    counts = [boundary_counts(truth, each, 3, IGNORE) for each in (first, second)]
    assert np.array_equal(*counts)
    assert iu(counts[0]).max() < 1


def test_a_wide_outline_is_all_of_it():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 3, (2, 9, 12))
    whole = boundary_counts(truth, prediction, 3, IGNORE, share=1)
    assert whole[1].tolist() == np.bincount(truth.ravel()).tolist()
    assert whole[0].sum() == (truth == prediction).sum()


def test_several_outputs_are_added():
    rng = np.random.default_rng(0)
    maps = [rng.integers(low, low + 2, (2, 30, 40), np.uint8) for low in (0, 2)]
    truth, prediction = (np.dstack([each[i] for each in maps]) for i in (0, 1))
    both = boundary_counts(truth, prediction, 4, IGNORE)
    assert np.array_equal(both, sum(boundary_counts(*each, 4, IGNORE) for each in maps))


def test_ignored_values_of_16_bits():
    truth = np.array([[300, 65535], [300, 7]], np.uint16)
    prediction = np.array([[300, 9], [7, 7]], np.uint16)
    counts = boundary_counts(truth, prediction, 301, 65535)
    assert counts[:, 300].tolist() == [1, 2, 1]
    assert counts[:, 9].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("size", "share", "pixels"), [((375, 500), 0.02, 12), ((3, 4), 0.02, 1), ((300, 400), 0.1, 50)]
)
def test_the_width_is_a_share_of_the_diagonal(size, share, pixels):
    assert boundary_width(size, share) == pixels
    row = np.zeros((2 * pixels + 1, 4 * pixels + 2), np.uint8)
    row[:, 2 * pixels + 1 :] = 1
    middle = is_boundary(row, pixels)[pixels]
    assert np.flatnonzero(~middle).tolist() == [pixels, 3 * pixels + 1]  # just beyond the width


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan"), float("inf")])
def test_a_width_that_is_none_is_refused(share):
    with pytest.raises(UserError, match="share of the photo's diagonal"):
        boundary_width((10, 10), share)
