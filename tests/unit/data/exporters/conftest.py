"""Class maps: pixels at random, blocks, and a street like those that nets predict."""

import numpy as np
import pytest

from fullconv.data.exporters import Item
from fullconv.data.exporters.outlines.vectorize import bridged, painting_order
from fullconv.data.importers.drawing.regions import Polygon, cover


@pytest.fixture
def blocks():
    """``blocks(height, width, classes)``: squares of 4 x 4 pixels of classes at random."""

    def make(height, width, classes, seed=0, side=4):
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, classes, (height // side + 1, width // side + 1))
        return coarse.repeat(side, 0).repeat(side, 1)[:height, :width].astype(np.uint8)

    return make


@pytest.fixture
def street():
    """``street(seed)``: 240 x 320 with slanted and round borders, thin poles, holes, an island."""

    def make(seed=0):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:240, :320] + 0.5
        wave = 8 * np.sin(x / 17 + rng.uniform(0, 6)) + 3 * np.sin(x / 5)
        class_map = np.where(y > 120 + wave, 1, 0).astype(np.uint8)
        for _ in range(4):
            cx, cy, rx, ry = *rng.uniform((20, 140), (300, 220)), *rng.uniform(6, 40, 2)
            class_map[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = 2
        for _ in range(5):
            left, lean = rng.uniform(10, 300), rng.uniform(-0.1, 0.1)
            class_map[(abs(x - left - lean * y) < rng.uniform(1, 3)) & (y < 170) & (y > 30)] = 3
        for _ in range(3):
            cx, cy, r = *rng.uniform((30, 20), (290, 90)), rng.uniform(10, 35)
            away = np.hypot(x - cx, y - cy) + 2 * np.sin(np.arctan2(y - cy, x - cx) * 9)
            class_map[away < r] = 4
            class_map[away < r / 3] = 0  # the sky between the leaves
        return class_map

    return make


@pytest.fixture
def painted():
    """``painted(regions, size)``: the map that shapes drawn over one another give, -1 nowhere."""

    def paint(regions, size):
        class_map = np.full(size, -1, np.int64)
        for region, outline in painting_order(regions):
            ring = bridged(outline.shell, outline.open_holes)
            window, inside = cover(Polygon((ring,)), size)
            class_map[window.slices][inside] = region.value
        return class_map

    return paint


@pytest.fixture
def ious():
    """``ious(before, after)``: the IU of each class of ``before``."""

    def compute(before, after):
        each = {}
        for value in np.unique(before):
            one, other = before == value, after == value
            each[int(value)] = (one & other).sum() / (one | other).sum()
        return each

    return compute


@pytest.fixture
def item():
    """``item(name, class_map)`` with a photo of noise and probabilities."""

    def make(name, class_map, seed=0):
        rng = np.random.default_rng(seed)
        photo = rng.integers(0, 255, (*class_map.shape, 3), np.uint8)
        return Item(name, photo, class_map, rng.uniform(0.2, 1, class_map.shape))

    return make
