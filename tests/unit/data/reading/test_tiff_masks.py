"""TIFFs of label numbers as QGIS, ArcGIS, tifffile and GDAL write them.

Palettes of few bits, signed and wide numbers, compressions that Pillow does not know, pictures that
lie on their side.
"""

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import read_mask, read_photo
from fullconv.data.reading.orientation import turned
from fullconv.errors import DataError

FOUR = ClassSet(("a", "b", "c", "d"))
LABELS = np.random.default_rng(0).integers(0, 4, (9, 13)).astype(np.uint8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_of_few_bits_is_read_by_its_numbers(write, bits):
    import rasterio

    labels = np.minimum(LABELS, 2**bits - 1)
    file = write(labels[None], photometric="palette", NBITS=bits)
    with rasterio.open(file, "r+") as dataset:
        dataset.write_colormap(1, {n: (60 * n, 10, 200, 255) for n in range(4)})
    assert np.array_equal(read_mask(file, FOUR), labels)


@pytest.mark.parametrize("kind", ["int8", "int16", "uint32", "int32", "int64", "uint64"])
def test_whole_numbers_of_any_width_are_read(write, kind):
    assert np.array_equal(read_mask(write(LABELS[None].astype(kind)), FOUR), LABELS)


@pytest.mark.parametrize("options", [
    {"compress": "LERC"}, {"compress": "LERC_ZSTD"}, {"NBITS": 3}, {"NBITS": 7, "compress": "LZW"},
])  # fmt: skip
def test_what_pillow_does_not_know_is_read_by_gdal(write, options):
    file = write(LABELS[None], **options)
    assert np.array_equal(read_mask(file, FOUR), LABELS)
    assert np.array_equal(read_mask(file.open("rb"), FOUR), LABELS)


@pytest.mark.parametrize("compress", ["LERC", "WEBP"])
def test_a_photo_that_pillow_cannot_unpack_is_read_by_gdal(write, compress):
    rgb = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    lossless = {"WEBP_LOSSLESS": True} if compress == "WEBP" else {}
    file = write(rgb, photometric="RGB", compress=compress, **lossless)
    assert np.array_equal(read_photo(file), rgb)


@pytest.mark.parametrize("kind", ["int8", "int16", "int64"])
def test_negative_numbers_are_no_class_but_where_they_are_the_nodata_value(write, kind):
    values = LABELS.astype(kind)
    values[:2] = -1
    with pytest.raises(DataError, match="value -1") as caught:
        read_mask(write(values[None], "plain.tif"), FOUR)
    assert caught.value.code == "FC-DATA-014"
    expected = np.where(values < 0, 255, LABELS)
    assert np.array_equal(read_mask(write(values[None], nodata=-1), FOUR), expected)


@pytest.mark.parametrize("kind", ["float32", "float64", "complex64"])
def test_other_numbers_cannot_hold_classes(write, kind):
    with pytest.raises(DataError) as caught:
        read_mask(write(LABELS[None].astype(kind)), FOUR)
    assert caught.value.code == "FC-DATA-012"


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "P", "I;16", "RGBA", "RGB"])
def test_a_tiff_on_its_side_is_turned_whole(tmp_path, mode, orientation, compression):
    """As scanners and microscopes write them: not packed, with an orientation."""
    pixels = {
        "RGB": np.dstack([LABELS] * 3),
        "RGBA": np.dstack([*[LABELS] * 3, np.full_like(LABELS, 255)]),
        "I;16": LABELS.astype(np.uint16),
    }.get(mode, LABELS)
    image = Image.fromarray(pixels)
    if mode == "P":
        image = Image.fromarray(LABELS, "P")
        image.putpalette([n for value in range(4) for n in (value, value, value)])
    image.save(tmp_path / "a.tif", tiffinfo={274: orientation}, compression=compression)
    expected = turned(LABELS, orientation)
    if mode in ("L", "P", "I;16"):
        assert np.array_equal(read_mask(tmp_path / "a.tif", FOUR), expected)
    if mode != "I;16":
        photo = read_photo(tmp_path / "a.tif")
        assert np.array_equal(photo, np.repeat(expected[..., None], 3, 2))


def test_a_color_of_two_classes_in_a_mask_is_named(tmp_path):
    colors = ((0, 0, 0), (9, 9, 9), (9, 9, 9))
    classes = ClassSet(("ground", "road", "path"), colors)
    Image.fromarray(np.array(colors, np.uint8)[LABELS % 3]).save(tmp_path / "m.png")
    with pytest.raises(DataError, match="'road' and of 'path'") as caught:
        read_mask(tmp_path / "m.png", classes)
    assert caught.value.code == "FC-DATA-015"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "one.png")
    assert not read_mask(tmp_path / "one.png", classes).any()
