"""Which bands are the photo, and what becomes of values beyond 8 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.data.reading.bands import Bands, as_photo, check_span, chosen
from fullconv.errors import UserError


@pytest.mark.parametrize(
    ("meanings", "expected"),
    [
        (["gray"], Bands((1,))),
        (["palette"], Bands((1,))),
        (["gray", "alpha"], Bands((1,), 2)),
        (["red", "green", "blue"], Bands((1, 2, 3))),
        (["undefined"] * 3, Bands((1, 2, 3))),
        (["blue", "green", "red"], Bands((3, 2, 1))),
        (["red", "green", "blue", "alpha"], Bands((1, 2, 3), 4)),
    ],
)
def test_bands_by_what_the_raster_says(meanings, expected) -> None:
    assert chosen("scene.tif", meanings) == expected


@pytest.mark.parametrize(
    "meanings",
    [
        ["gray", "undefined"],
        ["red", "green", "blue", "undefined"],
        ["cyan", "magenta", "yellow", "black"],
        ["red", "green", "blue", "undefined", "alpha"],
        ["alpha", "red", "green", "blue"],
    ],
)
def test_unclear_bands_are_refused_with_advice(meanings) -> None:
    with pytest.raises(UserError, match=rf"scene.tif: has {len(meanings)} bands .*--bands 3,2,1"):
        chosen("scene.tif", meanings)


def test_asked_bands_count_and_nothing_else() -> None:
    meanings = ["red", "green", "blue", "alpha", "undefined"]
    assert chosen("scene.tif", meanings, [5, 2, 1]) == Bands((5, 2, 1))
    assert chosen("scene.tif", meanings, [5]) == Bands((5,))
    assert chosen("scene.tif", meanings, [3, 2, 1, 4]) == Bands((3, 2, 1), 4)
    for wrong, says in (([1, 2], "give one number"), ([1, 2, 6], "no band 6"), ([0], "no band 0")):
        with pytest.raises(UserError, match=says):
            chosen("scene.tif", meanings, wrong)


def test_8_bits_stay_as_they_are_and_grey_becomes_rgb() -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 4, 5), np.uint8)
    assert np.array_equal(as_photo(values, None), values.transpose(1, 2, 0))
    grey = as_photo(values[:1], None)
    assert grey.shape == (4, 5, 3)
    assert all(np.array_equal(grey[..., c], values[0]) for c in range(3))


@given(
    value=st.integers(-(2**31), 2**31 - 1),
    low=st.integers(-1000, 60000),
    extent=st.integers(1, 60000),
)
def test_a_range_is_mapped_linearly_and_cut_off(value, low, extent) -> None:
    found = int(as_photo(np.array([[[value]]], np.int32), (low, low + extent))[0, 0, 0])
    exact = min(max((value - low) * 255 / extent, 0), 255)
    assert abs(found - exact) <= 0.5 + 1e-2


def test_what_is_no_number_becomes_black_without_a_warning(recwarn) -> None:
    values = np.array([[[np.nan, np.inf, -np.inf, 0.5]]], np.float32)
    assert as_photo(values, (0, 1))[0, :, 0].tolist() == [0, 255, 0, 128]
    assert not recwarn.list


@pytest.mark.parametrize("span", [(5, 5), (6, 5), (float("nan"), 1), (0, float("inf"))])
def test_a_range_that_is_none_is_refused(span) -> None:
    with pytest.raises(UserError, match="--range"):
        check_span(span)
