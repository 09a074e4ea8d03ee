"""Windows of rasters against the arrays that they were written from."""

import sys

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.shutil import copy

from fullconv.data.reading.raster import open_raster
from fullconv.errors import UserError
from refusals import survived

WHOLE = slice(0, 40), slice(0, 60)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(1, 256, (40, 60, 3), np.uint8)


def valid_of(path, **options):
    with open_raster(path, **options) as raster:
        return raster.valid(*WHOLE)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    top=st.integers(0, 38),
    left=st.integers(0, 58),
    layout=st.sampled_from(
        [
            {"blockysize": 7},
            {"tiled": True, "blockxsize": 16, "blockysize": 32},
            {"interleave": "band", "compress": "deflate"},
            {"interleave": "pixel", "compress": "lzw", "predictor": 2},
        ]
    ),
    data=st.data(),
)
def test_a_window_is_a_part_of_the_whole(write, photo, top, left, layout, data) -> None:
    rows = slice(top, data.draw(st.integers(top + 1, 40)))
    columns = slice(left, data.draw(st.integers(left + 1, 60)))
    with open_raster(write(photo, **layout)) as raster:
        assert raster.size == (40, 60)
        assert np.array_equal(raster.photo(rows, columns), photo[rows, columns])
        assert raster.valid(rows, columns) is None


def test_bands_as_they_are_asked_for(write, photo) -> None:
    bands = np.concatenate([photo.transpose(2, 0, 1), 255 - photo.transpose(2, 0, 1)])
    with open_raster(write(bands), bands=[6, 1, 2]) as raster:
        window = raster.photo(*WHOLE)
    assert np.array_equal(window, bands[[5, 0, 1]].transpose(1, 2, 0))


def test_bgr_that_says_so_is_turned(write, photo) -> None:
    path = write(photo[..., ::-1].copy(), meanings=["blue", "green", "red"])
    with open_raster(path) as raster:
        assert np.array_equal(raster.photo(*WHOLE), photo)


def test_a_palette_is_seen_in_its_colors(write) -> None:
    values = np.random.default_rng(0).integers(0, 3, (1, 40, 60), np.uint8)
    path = write(values, photometric="palette")
    colors = np.array([(9, 8, 7), (200, 0, 0), (0, 100, 250)], np.uint8)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {v: (*map(int, c), 255) for v, c in enumerate(colors)})
    with open_raster(path) as raster:
        assert np.array_equal(raster.photo(*WHOLE), colors[values[0]])
        small = raster.photo(*WHOLE, (4, 6)).reshape(-1, 3).tolist()
    assert all(color in colors.tolist() for color in small)  # never mixed


def test_a_reduced_photo_is_averaged(write) -> None:
    grey = np.zeros((1, 40, 60), np.uint8)
    grey[:, ::2] = 200
    with open_raster(write(grey)) as raster:
        assert np.unique(raster.photo(*WHOLE, (20, 30))).tolist() == [100]


def test_sixteen_bits_need_a_range_and_their_values_are_named(write) -> None:
    values = np.arange(40 * 60).reshape(1, 40, 60).astype(np.uint16) + 1000
    path = write(values)
    with pytest.raises(UserError) as error, open_raster(path):
        pass
    assert str(path) in str(error.value)
    assert error.value.code == "FC-RASTER-004"
    assert "--range 0,4000" in str(error.value)
    assert "(96% of them lie from 1047.98 to 3351.02)" in str(error.value)
    with open_raster(path, span=(1000, 3399)) as raster:
        found = raster.photo(*WHOLE)[..., 0]
    assert np.abs(found - (values[0] - 1000.0) * 255 / 2399).max() <= 0.5 + 1e-3


def test_complex_values_are_refused_even_with_a_range(write) -> None:
    path = write(np.ones((1, 40, 60), np.complex64))
    with pytest.raises(UserError, match="complex64"), open_raster(path, span=(0, 1)):
        pass


def test_alpha_is_the_mask_unless_other_bands_are_asked_for(write, photo) -> None:
    alpha = np.random.default_rng(1).choice([0, 255], (1, 40, 60)).astype(np.uint8)
    path = write(np.concatenate([photo.transpose(2, 0, 1), alpha]), photometric="rgb", alpha="yes")
    assert np.array_equal(valid_of(path), alpha[0] > 0)
    assert valid_of(path, bands=[1, 2, 3]) is None
    assert np.array_equal(valid_of(path, bands=[3, 2, 1], mask=4), alpha[0] > 0)
    with open_raster(path) as raster:
        assert np.array_equal(raster.photo(*WHOLE), photo)


def test_near_infrared_that_is_called_alpha_masks_nothing(write, photo) -> None:
    infrared = np.random.default_rng(1).integers(0, 200, (1, 40, 60), np.uint8)
    path = write(np.concatenate([photo.transpose(2, 0, 1), infrared]))
    with open_raster(path) as raster:
        assert [each.name for each in raster.dataset.colorinterp][-1] == "alpha"
        assert raster.valid(*WHOLE) is None
        assert np.array_equal(raster.photo(*WHOLE), photo)
    with open_raster(path, bands=[1, 2, 3, 4]) as raster:
        assert np.array_equal(raster.photo(*WHOLE)[..., 3], infrared[0])


def test_a_pixel_is_none_where_all_bands_have_the_nodata_value(write, photo) -> None:
    photo[5:9, 3:50] = 0
    photo[20, 20] = (0, 7, 0)
    assert np.array_equal(valid_of(write(photo, nodata=0)), photo.any(2))


def test_a_mask_inside_the_file(write, photo) -> None:
    mask = np.random.default_rng(1).integers(0, 2, (40, 60)).astype(bool)
    assert np.array_equal(valid_of(write(photo, mask=mask)), mask)


def test_what_is_no_number_is_no_pixel(write) -> None:
    values = np.random.default_rng(0).random((3, 40, 60), np.float32)
    values[1, 3, 4] = np.nan
    values[0, 8, 9] = -9999
    expected = np.isfinite(values).all(0)
    assert np.array_equal(valid_of(write(values, "a.tif"), span=(0, 1)), expected)
    values[:, 8, 9] = -9999
    expected[8, 9] = False
    valid = valid_of(write(values, "b.tif", nodata=-9999), span=(0, 1))
    assert np.array_equal(valid, expected)


def test_a_vrt_names_the_files_that_it_is_made_of(write, photo, tmp_path) -> None:
    path = write(photo)
    copy(path, tmp_path / "scene.vrt", driver="VRT")
    for ending in ("tif.ovr", "tif.aux.xml", "vrt.aux.xml"):  # as viewers leave them
        (tmp_path / f"scene.{ending}").write_text("<PAMDataset></PAMDataset>")
    with open_raster(tmp_path / "scene.vrt") as raster:
        assert raster.files == [path, tmp_path / "scene.vrt"]
        assert np.array_equal(raster.photo(*WHOLE), photo)


def test_what_cannot_be_opened_is_named(tmp_path) -> None:
    (tmp_path / "text.tif").write_text("no raster")
    path = tmp_path / "text.tif"
    with pytest.raises(UserError, match=r"text.tif: cannot be opened"), open_raster(path):
        pass


def test_a_truncated_file_is_named(write, photo, tmp_path) -> None:
    path = write(photo, tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_raster(path) as raster, pytest.raises(UserError, match=r"scene.tif: cannot be read"):
        raster.photo(*WHOLE)


def test_a_directory_damaged_anywhere_is_a_refusal_or_a_raster(write, photo, tmp_path) -> None:
    """GDAL reads parts of it when an attribute is asked for, and raises errors of its own then."""
    content = write(photo).read_bytes()
    start = int.from_bytes(content[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(content[start : start + 2], "little")
    path = tmp_path / "damaged.tif"
    for place in range(start, end):
        for value in (0, 255, content[place] ^ 1):
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            survived(lambda: valid_of(path), path, (place, value))


def test_a_directory_that_cannot_be_read_when_a_band_is_named(write, photo, tmp_path) -> None:
    content = bytearray(write(photo, nodata=0).read_bytes())
    start = int.from_bytes(content[4:8], "little")
    count = int.from_bytes(content[start : start + 2], "little")
    last = start + 2 + 12 * (count - 1)
    content[last : last + 4] = b"\xff\xff\x02\x00"  # an unknown tag, of text
    content += content[start : start + 2 + 12 * count] + (start).to_bytes(4, "little")  # a loop
    content[start + 2 + 12 * count : start + 6 + 12 * count] = (1 << 30).to_bytes(4, "little")
    path = tmp_path / "damaged.tif"
    path.write_bytes(content)
    survived(lambda: valid_of(path), path)


def test_several_rasters_in_a_file_are_refused(tmp_path, photo) -> None:
    pages = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(UserError, match="holds 2 rasters"), open_raster(tmp_path / "pages.tif"):
        pass


def test_a_photo_to_be_turned_is_refused(tmp_path, photo) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "turned.jpg", exif=exif)
    with pytest.raises(UserError, match="upright"), open_raster(tmp_path / "turned.jpg"):
        pass
    Image.fromarray(photo).save(tmp_path / "upright.jpg")
    with open_raster(tmp_path / "upright.jpg") as raster:
        assert raster.size == (40, 60)


def test_without_rasterio_one_line_says_how_to_get_it(write, photo, monkeypatch) -> None:
    path = write(photo)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(UserError, match=r"pip install 'fullconv\[large\]'"), open_raster(path):
        pass
