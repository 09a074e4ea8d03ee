"""The palette, against a distance (CIEDE2000) and a simulation that are not those it is made by."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.classes import CAMVID, VOC, ClassSet
from fullconv.classes.colors import (
    VISIONS,
    contrast,
    distinct_colors,
    ink_on,
    lab,
    luminance,
    voc_colors,
)
from fullconv.classes.palettes import recolored

COLORS = st.tuples(*[st.integers(0, 255)] * 3)

# Vienot, Brettel and Mollon 1999, "Digital video colourmaps for checking the legibility of displays
# by dichromats": on linear RGB.
VIENOT = {
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


def ciede2000(one, two):
    """Sharma, Wu and Dalal 2005."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    dl, dc, turn = l2 - l1, c2 - c1, 0.0
    if c1 * c2:
        turn = (h2 - h1 + 180) % 360 - 180
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # noqa: E741
    h = h1 + h2
    if c1 * c2:
        h = h / 2 if abs(h1 - h2) <= 180 else ((h + 360) / 2 if h < 360 else (h - 360) / 2)
    t = (
        1 - 0.17 * math.cos(math.radians(h - 30)) + 0.24 * math.cos(math.radians(2 * h))
        + 0.32 * math.cos(math.radians(3 * h + 6)) - 0.20 * math.cos(math.radians(4 * h - 63))
    )  # fmt: skip
    sl = 1 + 0.015 * (l - 50) ** 2 / math.sqrt(20 + (l - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    spin = 60 * math.exp(-(((h - 275) / 25) ** 2))
    rt = -math.sin(math.radians(spin)) * 2 * math.sqrt(c**7 / (c**7 + 25**7))
    x, y, z = dl / sl, dc / sc, dh / sh
    return math.sqrt(x * x + y * y + z * z + rt * y * z)


@pytest.mark.parametrize(
    ("one", "two", "expected"),  # from the table of Sharma, Wu and Dalal
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_of_these_tests_is_the_published_one(one, two, expected):
    assert ciede2000(one, two) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("color", "expected"),  # as colour calculators give them for sRGB and D65
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
    ],
)
def test_lab_of_known_colours(color, expected):
    assert lab([color])[0] == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("vision", VISIONS)
def test_greys_look_grey_to_everyone(vision):
    greys = [(n, n, n) for n in range(0, 256, 15)]
    assert lab(greys, vision) == pytest.approx(lab(greys), abs=0.1)


def worst(colors, vision):
    """The distance of the two colours that are nearest to one another."""
    seen = lab(colors, vision)
    return min(ciede2000(seen[i], seen[j]) for i in range(len(seen)) for j in range(i))


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("count", "apart"), [(6, 17), (11, 9), (21, 5), (40, 4)])
def test_colours_are_apart_in_every_vision(count, apart, vision):
    assert worst(distinct_colors(count), vision) >= apart


def test_eight_are_as_far_apart_as_those_of_okabe_and_ito():
    published = [
        (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115),
        (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    ]  # fmt: skip
    ours, theirs = (
        min(worst(colors, vision) for vision in VISIONS)
        for colors in (distinct_colors(8), published)
    )
    assert ours >= theirs > 10


@pytest.mark.parametrize("vision", VIENOT)
def test_colours_are_apart_in_another_model_of_dichromacy(vision):
    shares = np.array(distinct_colors(11)) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VIENOT[vision]).T, 0, 1)
    coded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055) * 255
    assert worst(coded, "usual") >= 8


def test_the_published_palettes_are_not():
    """Else the option would be needless."""
    for colors in (CAMVID.colors, voc_colors(21)):
        assert min(worst(colors, vision) for vision in VISIONS) < 6


def test_colours_do_not_change_with_their_number_and_none_comes_twice():
    assert distinct_colors(5) == distinct_colors(256)[:5]
    assert len(set(distinct_colors(256))) == 256


def test_recolored_keeps_names_and_values():
    other = recolored(VOC, "colour-blind")
    assert (other.names, other.ignore) == (VOC.names, VOC.ignore)
    assert other.colors == distinct_colors(21)
    assert recolored(VOC, "classes") is VOC


def test_recolored_outputs_have_the_colours_of_the_whole():
    joint = ClassSet.joint({"a": ClassSet(("x", "y")), "b": ClassSet(("z",))})
    other = recolored(joint, "colour-blind")
    assert [output.name for output in other.outputs] == ["a", "b"]
    assert other.outputs[1].classes.colors == other.colors[2:]


def test_recolored_beyond_256_goes_on_with_other_colours():
    other = recolored(ClassSet(tuple(map(str, range(300))), ignore=65535), "colour-blind")
    assert len(other.colors) == 300
    assert other.colors[:255] == distinct_colors(256)[1:]


def test_colours_of_classes_that_name_none_are_bright_and_apart():
    for count in (2, 5, 11, 12):
        colors = ClassSet(tuple(map(str, range(count)))).colors
        assert all(28 <= lightness <= 92 for lightness in lab(colors)[:, 0])
        assert all(math.hypot(a, b) >= 25 for _, a, b in lab(colors))
        assert min(worst(colors, vision) for vision in VISIONS) >= 9


def test_only_a_background_is_black():
    assert ClassSet(("background", "cat")).colors[0] == (0, 0, 0)
    assert ClassSet(("road", "cat")).colors[0] != (0, 0, 0)
    assert recolored(ClassSet(("road", "cat")), "colour-blind").colors[0] != (0, 0, 0)


@given(COLORS)
def test_ink_can_be_read_on_any_colour(color):
    assert contrast(ink_on(color), color) >= 4.5


@given(COLORS, COLORS)
def test_contrast_is_symmetric_and_bounded(one, two):
    assert contrast(one, two) == contrast(two, one)
    assert 1 <= contrast(one, two) <= 21.001


def test_contrast_of_known_pairs():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert luminance((255, 255, 255)) == pytest.approx(1)
