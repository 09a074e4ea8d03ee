"""What goes by windows and what stays a photo: by content, never by the ending."""

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from fullconv.errors import UserError
from fullconv.inference import find_inputs
from fullconv.inference.rasters import is_raster, split_rasters

UTM = (0.5, 0, 500000, 0, -0.5, 5000000)


def noise(bands=3, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (bands, 40, 60)).astype(dtype)


@pytest.mark.parametrize(
    ("bands", "dtype", "profile"),
    [
        (3, "uint8", {"crs": "EPSG:32632", "transform": Affine(*UTM)}),
        (3, "uint8", {"transform": Affine(0.5, 0.1, 7, 0.1, -0.5, 9)}),
        (3, "uint8", {"nodata": 0}),
        (3, "uint8", {"BIGTIFF": "YES", "transform": Affine(*UTM)}),
        (5, "uint8", {}),
        (2, "uint8", {}),
        (3, "uint16", {"photometric": "rgb"}),
        (4, "uint16", {"photometric": "rgb"}),
        (1, "float32", {}),
        (1, "int16", {}),
    ],
)
def test_tiffs_that_are_no_photos(write, bands, dtype, profile) -> None:
    assert is_raster(write(noise(bands, dtype), **profile))


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("scene.jp2", "JP2OpenJPEG"),
        ("scene.j2k", "JP2OpenJPEG"),  # its georeference is in scene.j2k.aux.xml
        ("scene.any", "HFA"),
        ("scene.any", "GTiff"),
    ],
)
def test_other_formats_with_a_georeference(write, name, driver) -> None:
    path = write(noise(), name, driver=driver, crs="EPSG:32632", transform=Affine(*UTM))
    assert is_raster(path)


@pytest.mark.parametrize(
    ("mode", "ending"),
    [
        (mode, ending)
        for ending in ("png", "jpg", "tif")
        for mode in ("RGB", "L", "RGBA", "P", "I;16", "CMYK", "1", "LA")
    ],
)
def test_photos_stay_photos(tmp_path, mode, ending) -> None:
    path = tmp_path / f"photo.{ending}"
    try:
        Image.fromarray(noise()[0]).convert("RGB").convert(mode if mode != "I;16" else "L").save(
            path
        )
    except (OSError, ValueError):
        pytest.skip("not a mode of this format")
    assert not is_raster(path)


def test_sixteen_bits_of_grey_stay_a_photo(tmp_path) -> None:
    Image.fromarray(noise(1, np.uint16)[0]).save(tmp_path / "grey.tif")
    assert not is_raster(tmp_path / "grey.tif")


def test_a_plain_jpeg_2000_is_a_photo(write) -> None:
    assert not is_raster(write(noise(), "photo.jp2", driver="JP2OpenJPEG"))


def test_a_world_file_beside_it_is_a_georeference(tmp_path) -> None:
    Image.fromarray(noise().transpose(1, 2, 0)).save(tmp_path / "photo.jpg")
    assert not is_raster(tmp_path / "photo.jpg")
    (tmp_path / "photo.jgw").write_text("0.5\n0\n0\n-0.5\n500000\n5000000\n")
    assert is_raster(tmp_path / "photo.jpg")


def test_more_pixels_than_pillow_opens(tmp_path, monkeypatch) -> None:
    Image.fromarray(noise().transpose(1, 2, 0)).save(tmp_path / "photo.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1250)
    assert not is_raster(tmp_path / "photo.png")  # twice as many are still opened
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    assert is_raster(tmp_path / "photo.png")


def test_what_nobody_can_read_is_left_to_the_photos(tmp_path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "text.tif").write_text("no picture")
    assert not is_raster(tmp_path / "broken.jpg")
    assert not is_raster(tmp_path / "text.tif")
    assert not is_raster(tmp_path / "missing.tif")


def test_inputs_are_parted_in_their_order(write, tmp_path) -> None:
    write(noise(), "in/b.tif", nodata=0)
    write(noise(), "in/c.tif")
    Image.fromarray(noise().transpose(1, 2, 0)).save(tmp_path / "in" / "a.png")
    photos, rasters = split_rasters(find_inputs([tmp_path / "in"], tmp_path / "out"))
    assert [entry.file.name for entry in photos] == ["a.png", "c.tif"]
    assert [entry.file.name for entry in rasters] == ["b.tif"]


def test_no_input_is_overwritten(write, tmp_path) -> None:
    write(noise(), "scene.tif", nodata=0)
    with pytest.raises(UserError, match=r"scene.tif: the result would overwrite") as error:
        split_rasters(find_inputs([tmp_path / "scene.tif"], tmp_path))
    assert error.value.code == "FC-RASTER-012"
