"""Outlines against scipy's labels, shapely's rules and pixels counted one by one."""

import numpy as np
import pytest
from scipy import ndimage

from fullconv.data.exporters import vectorize
from fullconv.data.exporters.outlines import borders
from fullconv.data.exporters.outlines.simplify import reduced
from fullconv.data.exporters.outlines.vectorize import bridged, vectorize_rows
from fullconv.data.importers.drawing.regions import Polygon, cover
from fullconv.errors import UserError


def noise(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 14, 2)
    return rng.integers(0, rng.integers(1, 4), (height, width))


@pytest.mark.parametrize("seed", range(40))
def test_outlines_without_tolerance_give_back_every_pixel_once(seed, painted):
    before = noise(seed)
    regions = vectorize(before, 0)
    assert (painted(regions, before.shape) == before).all()
    covered = np.zeros(before.shape, int)
    for region in regions:
        for outline in region.outlines:  # every hole cut: no drawing order is needed
            ring = bridged(outline.shell, outline.holes)
            window, inside = cover(Polygon((ring,)), before.shape)
            covered[window.slices] += inside * (before[window.slices] == region.value)
            assert not (inside & (before[window.slices] != region.value)).any()
    assert (covered == 1).all()


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("seed", range(20))
def test_regions_are_those_of_scipy(seed, connectivity):
    before = noise(seed)
    chance = np.random.default_rng(seed).random(before.shape)
    regions = vectorize(before, 0, probability=chance, connectivity=connectivity)
    structure = np.ones((3, 3)) if connectivity == 8 else None
    for value in np.unique(before):
        labels, count = ndimage.label(before == value, structure)
        wanted = [((labels == n).sum(), chance[labels == n].mean()) for n in range(1, count + 1)]
        ours = [(r.pixels, r.confidence) for r in regions if r.value == value]
        np.testing.assert_allclose(sorted(ours), sorted(wanted), rtol=1e-12)


def test_pixels_that_touch_at_a_corner_are_one_region_or_two():
    diagonal = np.eye(3, dtype=int)
    assert [len(r.outlines) for r in vectorize(diagonal, 0, leave_out=[0])] == [3]
    assert len(vectorize(diagonal, 0, leave_out=[0], connectivity=4)) == 3


@pytest.mark.parametrize("tolerance", [0, 0.3, 0.49, 1, 2.5])
def test_polygons_are_valid_and_leave_neither_gaps_nor_overlaps(tolerance, street):
    shapely = pytest.importorskip("shapely")
    polygons = [
        shapely.Polygon(outline.shell, outline.holes)
        for region in vectorize(street(), tolerance)
        for outline in region.outlines
    ]
    assert all(polygon.is_valid for polygon in polygons)
    whole = shapely.union_all(polygons)
    assert whole.equals(shapely.box(0, 0, 320, 240))
    assert sum(polygon.area for polygon in polygons) == pytest.approx(320 * 240)


@pytest.mark.parametrize("tolerance", [0, 0.2, 0.4999, 0.5, 1, 3])
def test_the_tolerance_is_a_true_bound(tolerance, street):
    shapely = pytest.importorskip("shapely")
    exact, simple = (
        shapely.union_all([
            shapely.Polygon(o.shell, o.holes).boundary
            for region in vectorize(street(1)[90:170, :110], t) for o in region.outlines
        ])
        for t in (0, tolerance)
    )  # fmt: skip
    dense = shapely.segmentize(simple, 0.2)
    assert shapely.hausdorff_distance(exact, dense) <= tolerance + 1e-9
    assert shapely.distance(exact, shapely.points(shapely.get_coordinates(dense))).max() <= (
        tolerance + 1e-9
    )


@pytest.mark.parametrize("tolerance", [0.1, 0.3, 0.499])
@pytest.mark.parametrize("seed", range(10))
def test_below_half_a_pixel_no_pixel_changes(seed, tolerance, painted):
    before = noise(seed)
    assert (painted(vectorize(before, tolerance), before.shape) == before).all()


@pytest.mark.parametrize("seed", range(4))
def test_at_one_pixel_each_class_keeps_its_iu_with_far_fewer_corners(seed, street, painted, ious):
    before = street(seed)
    regions = vectorize(before, 1.0)
    assert min(ious(before, painted(regions, before.shape)).values()) > 0.99

    def corners(regions):
        return sum(
            len(ring) for region in regions for o in region.outlines for ring in (o.shell, *o.holes)
        )

    assert corners(regions) < 0.5 * corners(vectorize(before, 0))


def test_left_out_classes_stay_holes(street, painted):
    before = street(2).astype(int)
    for class_left_out in range(5):
        after = painted(vectorize(before, 0, leave_out=[class_left_out]), before.shape)
        assert (after == np.where(before == class_left_out, -1, before)).all()


def test_small_regions_go_to_the_neighbour_with_the_longest_border(painted):
    before = np.zeros((8, 12), int)
    before[:, 6:] = 1
    before[3:5, 5:7] = 2
    before[3, 4] = 2  # 5 pixels, with 6 edges to 0 and 4 to 1
    after = painted(vectorize(before, 0, smallest=6), before.shape)
    wanted = np.where(before == 2, 0, before)
    assert (after == wanted).all()
    kept = painted(vectorize(before, 0, smallest=5), before.shape)
    assert (kept == before).all()


def test_small_regions_inside_small_regions_go_too(painted):
    before = np.zeros((9, 9), int)
    before[2:7, 2:7], before[4, 4] = 1, 2
    assert (
        painted(vectorize(before, 0, smallest=2), (9, 9)) == np.where(before == 2, 1, before)
    ).all()
    assert (painted(vectorize(before, 0, smallest=26), (9, 9)) == 0).all()


def test_ignored_pixels_neither_take_nor_are_taken(painted):
    before = np.full((6, 6), 255)
    before[2:4, 2:4] = 1
    assert (painted(vectorize(before, 0, smallest=30), (6, 6)) == before).all()


def test_every_region_below_the_size_is_gone(street):
    before = np.where(np.random.default_rng(0).random((240, 320)) < 0.02, 2, street(3))
    regions = vectorize(before, 0, smallest=16)
    assert min(region.pixels for region in regions) >= 16
    assert sum(region.pixels for region in regions) == before.size


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_regions_across_strips_of_rows_are_whole(rows, monkeypatch, street):
    before = street(1)[:60, :80]
    chance = np.random.default_rng(0).random(before.shape)
    whole = vectorize(before, 1.0, 5, probability=chance)
    monkeypatch.setattr(borders, "STRIP", rows * 80)
    asked = []

    def read(part):
        asked.append(part.stop - part.start)
        return before[part]

    parts = vectorize_rows(read, before.shape, 1.0, 5, weights=lambda part: chance[part])
    assert max(asked) == rows
    assert len(vectorize_rows(read, before.shape, 0)[0].outlines[0].shell) == len(
        vectorize(before, 0)[0].outlines[0].shell
    )
    assert [(r.value, r.pixels) for r in parts] == [(r.value, r.pixels) for r in whole]
    np.testing.assert_allclose([r.confidence for r in parts], [r.confidence for r in whole])


def test_shells_run_clockwise_on_the_screen_and_holes_the_other_way():
    ring = np.ones((5, 5), int)
    ring[2, 2] = 0
    region = next(r for r in vectorize(ring, 0) if r.value == 1)
    outline = region.outlines[0]
    assert _turned(outline.shell) == 25
    assert [_turned(hole) for hole in outline.holes] == [-1]
    assert (region.pixels, outline.filled) == (24, 25)


def _turned(ring):
    x, y = ring.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


def test_douglas_and_peucker_by_hand():
    points = np.array([[0, 0], [1, 0.2], [2, -0.4], [3, 2], [4, 0]], float)
    assert reduced(points, 0.5).tolist() == [[0, 0], [2, -0.4], [3, 2], [4, 0]]
    assert reduced(points, 3).tolist() == [[0, 0], [4, 0]]
    there_and_back = np.array([[0, 0], [5, 0], [1, 0]], float)
    assert reduced(there_and_back, 1).tolist() == there_and_back.tolist()


@pytest.mark.parametrize(("tolerance", "smallest"), [(-1, 0), (float("nan"), 0), (1, -1), (1e9, 0)])
def test_impossible_options_are_named(tolerance, smallest):
    with pytest.raises(UserError, match=r"tolerance|smallest") as caught:
        vectorize(np.zeros((3, 3), int), tolerance, smallest)
    assert caught.value.code == "FC-LABELS-001"
