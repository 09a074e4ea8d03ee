"""Run-length code: read back by COCO's definition, which shares no code with the writer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fullconv.data.reading.run_lengths import coco_counts

MASKS = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9),
                      elements=st.integers(0, 3))  # fmt: skip


def read(counts, size):
    """COCO: zeros and ones by turns, beginning with zeros, column after column."""
    flat = []
    for turn, count in enumerate(counts):
        flat += [turn % 2] * count
    height, width = size
    return np.array(flat).reshape(width, height).T.astype(bool)


@given(MASKS)
def test_read_back_it_is_each_class(mask):
    counted = coco_counts(mask)
    assert list(counted) == np.unique(mask).tolist()
    for value, counts in counted.items():
        np.testing.assert_array_equal(read(counts, mask.shape), mask == value)


@given(MASKS)
def test_no_count_but_the_first_is_zero(mask):
    for counts in coco_counts(mask).values():
        assert all(count > 0 for count in counts[1:])
        assert all(type(count) is int for count in counts)


def test_an_example_by_hand():
    mask = np.array([[0, 1], [0, 1], [2, 1]], np.uint16)
    assert coco_counts(mask) == {0: [0, 2, 4], 1: [3, 3], 2: [2, 1, 3]}
