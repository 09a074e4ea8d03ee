"""Which pixels an outline covers: against definitions, other programs, and itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from fullconv.data.importers.drawing import regions
from fullconv.data.importers.drawing.regions import (
    Bits,
    Ellipse,
    Polygon,
    Stroke,
    box,
    cover,
    turned,
)

SIZE = 30, 44
Y, X = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5


def whole(shape, size=SIZE):
    covered = np.zeros(size, bool)
    window, bits = cover(shape, size)
    covered[window.slices] = bits
    return covered


def star(rng, corners=9):
    """A simple polygon, partly outside of the photo."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(4, 25, corners)
    center = rng.uniform(0, 40, 2)
    return center + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def distance_to(ring):
    """Of every pixel's centre to the outline."""
    found = np.full(SIZE, np.inf)
    for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        share = np.clip(((X - ax) * (bx - ax) + (Y - ay) * (by - ay)) / length, 0, 1)
        off = np.hypot(X - ax - share * (bx - ax), Y - ay - share * (by - ay))
        found = np.minimum(found, off)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_polygon_against_matplotlib(seed):
    ring = star(np.random.default_rng(seed))
    inside = Outline(ring).contains_points(np.stack([X, Y], -1).reshape(-1, 2)).reshape(SIZE)
    assert np.array_equal(whole(Polygon((ring,))), inside)


@pytest.mark.parametrize("seed", range(20))
def test_polygon_against_pycocotools_differs_only_on_the_outline(seed):
    """COCO's own drawing rounds to fifths of a pixel, so a centre nearer than that may differ."""
    ring = star(np.random.default_rng(seed)).clip(0, 40)
    theirs = coco.decode(coco.frPyObjects([ring.ravel().tolist()], *SIZE))[..., 0].astype(bool)
    differs = whole(Polygon((ring,))) != theirs
    assert distance_to(ring)[differs].max(initial=0) < 0.3
    assert differs.sum() < 0.1 * theirs.sum()


@given(st.tuples(*[st.integers(-5, 50)] * 4))
def test_box_on_whole_pixels_against_pillow(corners):
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    picture = Image.new("1", SIZE[::-1])
    if right > left and bottom > top:
        ImageDraw.Draw(picture).rectangle([left, top, right - 1, bottom - 1], fill=1)
    assert np.array_equal(whole(box(left, top, right, bottom)), np.array(picture))


GRID = st.integers(0, 80).map(lambda n: n / 2)  # centres too, where a tie must be broken
PLACE = st.tuples(GRID, GRID) | st.tuples(st.floats(0, 40), st.floats(0, 40))


@settings(max_examples=60)
@given(st.lists(PLACE, min_size=1, max_size=6), st.booleans())
def test_neighbours_neither_overlap_nor_leave_a_gap(way, backwards):
    """A photo cut in two along any line: each pixel is in exactly one of the parts."""
    cut = np.array([(20, -1), *way, (25, 41)], float)
    left = np.array([(-9, 41), (-9, -1)], float)
    right = np.array([(60, 41), (60, -1)], float)
    one = np.concatenate([cut, left])
    other = np.concatenate([cut, right])
    one = one[::-1] if backwards else one
    assert np.array_equal(whole(Polygon((one,))), ~whole(Polygon((other,))))


@given(st.integers(-7, 7), st.integers(-7, 7), st.integers(0, 99))
@settings(max_examples=30)
def test_shifting_an_outline_by_whole_pixels_shifts_its_pixels(down, right, seed):
    ring = np.round(star(np.random.default_rng(seed)) * 8) / 8  # exact in binary
    size = 110, 120  # all of it lies inside: it reaches from -25 to 65, and is shifted by 7 at most
    here = whole(Polygon((ring + 32,)), size)
    there = whole(Polygon((ring + 32 + (right, down),)), size)
    assert np.array_equal(np.roll(here, (down, right), (0, 1)), there)


def test_rings_of_one_polygon_add_up_and_a_crossing_ring_is_even_odd():
    two = Polygon((box(0, 0, 8, 8).rings[0], box(4, 4, 12, 12).rings[0]))
    assert whole(two).sum() == 64 + 64 - 16
    twice = np.concatenate([box(0, 0, 8, 8).rings[0], box(0, 0, 8, 8).rings[0]])
    assert not whole(Polygon((twice,))).any()


def test_many_edges_go_in_pieces(monkeypatch):
    ring = star(np.random.default_rng(1), 400)
    at_once = whole(Polygon((ring,)))
    monkeypatch.setattr(regions, "_AT_ONCE", 50)
    assert np.array_equal(whole(Polygon((ring,))), at_once)
    assert at_once.any()


def test_far_corners_and_thin_shapes():
    assert whole(box(-1e6, -1e6, 1e6, 1e6)).all()
    assert not whole(box(100, 100, 200, 200)).any()
    assert not whole(box(3.6, 2, 4.4, 20)).any()  # no centre inside
    assert whole(box(3.4, 2, 3.6, 20)).sum() == 18
    assert not whole(Polygon((np.array([[3.0, 4.0]]),))).any()


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_ellipse_is_the_points_within_its_radii(degrees):
    center, radii = (20.3, 14.1), (12.5, 5.2)
    covered = whole(Ellipse(center, radii, degrees))
    angle = np.deg2rad(degrees)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            x, y = column + 0.5 - center[0], row + 0.5 - center[1]
            # Clockwise on the screen, where y points down: along the major axis, and across it.
            along = x * np.cos(angle) + y * np.sin(angle)
            across = -x * np.sin(angle) + y * np.cos(angle)
            assert covered[row, column] == ((along / 12.5) ** 2 + (across / 5.2) ** 2 <= 1)


def test_a_turned_box_is_upright_again_after_a_right_angle():
    corners = turned(box(10, 5, 20, 9).rings[0], (15, 7), 90)
    assert np.array_equal(whole(Polygon((corners.round(9),))), whole(box(13, 2, 17, 12)))


def test_clockwise_on_the_screen():
    right = turned(np.array([[10.0, 0.0]]), (0, 0), 90)
    assert np.allclose(right, [[0, 10]])  # from the right to below


@given(st.lists(st.tuples(st.floats(-9, 50), st.floats(-9, 40)), min_size=1, max_size=4))
@settings(max_examples=40)
def test_stroke_is_the_points_within_half_its_width(corners):
    line = np.array(corners)
    covered = whole(Stroke((line,), 7.0))
    near = np.full(SIZE, np.inf)
    for start, end in zip(line, line[1:] if len(line) > 1 else line, strict=False):
        for share in np.linspace(0, 1, 300):
            x, y = start + share * (end - start)
            near = np.minimum(near, np.hypot(X - x, Y - y))
    clear = np.abs(near - 3.5) > 0.05  # sampled points only come near to the line
    assert np.array_equal(covered[clear], (near <= 3.5)[clear])


def test_bits_are_put_where_they_belong_and_cut_at_the_border():
    bitmap = np.eye(6, dtype=bool)
    covered = whole(Bits(bitmap, top=27, left=-2))
    expected = np.zeros(SIZE, bool)
    expected[29, 0] = True
    assert np.array_equal(covered, expected)
    assert Bits(np.zeros((3, 3), bool)).extent() == (0, 0, 0, 0)
