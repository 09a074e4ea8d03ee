"""Connected regions against a flood fill, and their cores and boxes by hand."""

import numpy as np
import pytest

from fullconv.curation.regions import boxes_of, connected_regions, inner


def flooded(values, nothing):
    """The same by a walk from pixel to pixel."""
    regions, count = np.zeros(values.shape, np.int64), 0
    for start in np.ndindex(*values.shape):
        if regions[start] or values[start] == nothing:
            continue
        count += 1
        waiting = [start]
        while waiting:
            y, x = waiting.pop()
            inside = 0 <= y < values.shape[0] and 0 <= x < values.shape[1]
            if not inside or regions[y, x] or values[y, x] != values[start]:
                continue
            regions[y, x] = count
            waiting += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return regions


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 11), (24, 31)])
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_regions_are_those_of_a_flood_fill(shape, classes):
    for seed in range(4):
        values = np.random.default_rng(seed).integers(-1, classes, shape)
        assert np.array_equal(connected_regions(values, -1), flooded(values, -1))


def test_a_spiral_is_one_region():
    spiral = np.zeros((41, 41), np.int64)
    y = x = 20
    for length in range(1, 20):
        for _ in range(2):
            step = [(0, 1), (1, 0), (0, -1), (-1, 0)][(2 * length + _) % 4]
            for _ in range(2 * length if length < 19 else 0):
                y, x = np.clip(y + step[0], 0, 40), np.clip(x + step[1], 0, 40)
                spiral[y, x] = 1
    assert np.array_equal(connected_regions(spiral, 0), flooded(spiral, 0))


def test_nothing_at_all():
    assert connected_regions(np.full((3, 4), -1), -1).tolist() == np.zeros((3, 4)).tolist()
    assert connected_regions(np.zeros((0, 4), np.int64), -1).shape == (0, 4)


def test_the_core_is_what_a_square_around_stays_inside_of():
    regions = np.zeros((9, 9), np.int64)
    regions[2:7, 2:7] = 1
    core = inner(regions, 1)
    assert core.sum() == 9
    assert core[3:6, 3:6].all()
    assert inner(regions, 2).sum() == 1
    assert not inner(regions, 3).any()
    assert inner(np.ones((4, 5), np.int64), 3).all()  # beyond the picture counts as inside


def test_neighbouring_regions_have_cores_of_their_own():
    regions = np.repeat([[1, 2]], 6, 0).repeat(5, 1)
    assert inner(regions, 1).sum(0).tolist() == [6, 6, 6, 6, 0, 0, 6, 6, 6, 6]


def test_boxes_end_behind_the_region():
    regions = np.zeros((6, 8), np.int64)
    regions[1:3, 2:7] = 1
    regions[5, 0] = 2
    assert dict(boxes_of(regions, np.array([1, 2]))) == {1: (1, 2, 3, 7), 2: (5, 0, 6, 1)}
    assert dict(boxes_of(regions, np.array([2]))) == {2: (5, 0, 6, 1)}
