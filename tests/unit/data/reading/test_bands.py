"""Which bands are the photo, and what becomes of values beyond 8 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.data.reading.bands import Bands, as_photo, chosen
from fullconv.errors import UserError
from fullconv.modalities import ReadOptions, kinds_of, with_bands


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
        (["red", "green", "blue", "undefined"], Bands((1, 2, 3))),
        (["undefined", "blue", "green", "red", "alpha"], Bands((4, 3, 2), 5)),
    ],
)
def test_bands_by_what_the_raster_says(meanings, expected) -> None:
    assert chosen("scene.tif", meanings) == expected


@pytest.mark.parametrize(
    "meanings",
    [
        ["gray", "undefined"],
        ["cyan", "magenta", "yellow", "black"],
    ],
)
def test_unclear_bands_are_refused_with_advice(meanings) -> None:
    with pytest.raises(UserError, match=r"scene.tif: .*--bands") as error:
        chosen("scene.tif", meanings)
    assert error.value.code == "FC-RASTER-003"


def test_asked_bands_count_and_nothing_else() -> None:
    meanings = ["red", "green", "blue", "alpha", "undefined"]
    assert chosen("scene.tif", meanings, [5, 2, 1]) == Bands((5, 2, 1))
    assert chosen("scene.tif", meanings, [5]) == Bands((5,))
    assert chosen("scene.tif", meanings, [3, 2, 1], 4) == Bands((3, 2, 1), 4)
    assert chosen("scene.tif", meanings, [1, 2, 3, 4, 5]) == Bands((1, 2, 3, 4, 5))
    for wrong, mask in (([1, 2, 6], None), ([1, 2, 3], 6)):
        with pytest.raises(UserError, match="no band 6") as error:
            chosen("scene.tif", meanings, wrong, mask)
        assert error.value.code == "FC-RASTER-003"


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
    with pytest.raises(UserError, match="range") as error:
        ReadOptions(range=span)
    assert error.value.code == "FC-RASTER-002"


def test_one_band_more_than_the_net_is_shown_is_the_mask() -> None:
    asked = ReadOptions((3, 2, 1, 4)).for_channels(3)
    assert (asked.bands, asked.mask) == ((3, 2, 1), 4)
    assert ReadOptions((3, 2, 1, 4)).for_channels(4).mask is None
    assert ReadOptions((7,)).for_channels(3).bands == (7,)
    for bands, channels in (((1, 2), 3), ((1, 2, 3), 5), ((1, 2, 3, 4, 5), 3)):
        with pytest.raises(UserError) as error:
            ReadOptions(bands).for_channels(channels)
        assert error.value.code == "FC-RASTER-001"


@pytest.mark.parametrize(
    ("inputs", "bands", "kinds"),
    [
        (("color",), None, ("color",)),
        (("color",), (4,), ("color",)),
        (("color",), (1, 2), ("bands2",)),
        (("color",), (3, 2, 1), ("color",)),
        (("color",), (3, 2, 1, 8), ("color", "bands1")),
        (("color", "hha"), (3, 2, 1, 8, 9), ("color", "bands2", "hha")),
        (("color+bands1",), (3, 2, 1, 8), ("color", "bands1")),
    ],
)
def test_further_bands_are_channels_behind_the_colors(inputs, bands, kinds) -> None:
    assert kinds_of(with_bands(inputs, bands)) == kinds


def test_8_bit_files_stay_as_they_are_beside_deeper_ones() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert np.array_equal(as_photo(values, (0, 4095))[..., 0], values[0])
    assert as_photo(values, (0, 11))[2, 3].tolist() == [255] * 3
