"""Values as they lie in files: few bits, many bits, zero as white, pages, masks inside."""

import struct
import zlib

import numpy as np
import pytest
import rasterio
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import read_mask, read_photo
from fullconv.data.reading.image import read_with_mask
from fullconv.errors import DataError
from fullconv.modalities import ReadOptions

FOUR = ClassSet(("a", "b", "c", "d"))
LABELS = np.random.default_rng(0).integers(0, 4, (9, 13)).astype(np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (9, 13, 3)).astype(np.uint8)


def png(path, samples, bits, colour_type):
    """Written by hand (PNG 1.2), as Pillow cannot: samples (H, W) or (H, W, C) of so many bits."""
    height, width = samples.shape[:2]
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    else:
        each = np.unpackbits(samples[..., None].astype(np.uint8), axis=-1)[..., 8 - bits :]
        rows = [np.packbits(row.ravel()).tobytes() for row in each]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    content = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def tiff(path, values, bits, photometric):
    """One uncompressed strip, written by hand (TIFF 6.0)."""
    height, width = values.shape
    each = np.unpackbits(values[..., None].astype(np.uint8), axis=-1)[..., 8 - bits :]
    data = b"".join(np.packbits(row.ravel()).tobytes() for row in each)
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8)]
    tags += [(277, 1), (278, height), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)
    return path


def code_of(read, *arguments, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(*arguments, **options)
    assert "\n" not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_masks_of_few_bits_are_read_as_stored(tmp_path, bits):
    labels = LABELS % (2 if bits == 1 else 4)
    assert np.array_equal(read_mask(png(tmp_path / "m.png", labels, bits, 0), FOUR), labels)
    assert np.array_equal(read_mask(tiff(tmp_path / "m.tif", labels, bits, 1), FOUR), labels)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_masks_in_which_zero_is_white_are_read_as_stored_or_refused(tmp_path, bits):
    assert np.array_equal(read_mask(tiff(tmp_path / "m.tif", LABELS, bits, 0), FOUR), LABELS)
    two = ClassSet(("a", "b"))
    turned = (2**bits - 1) - LABELS % 2
    assert code_of(read_mask, tiff(tmp_path / "t.tif", turned, bits, 0), two) == "FC-DATA-011"


def test_a_bilevel_mask_in_which_zero_is_white_could_mean_both(tmp_path):
    assert code_of(read_mask, tiff(tmp_path / "m.tif", LABELS % 2, 1, 0), FOUR) == "FC-DATA-011"


def test_a_photo_in_which_zero_is_white_is_seen_as_a_viewer_shows_it(tmp_path, write):
    grey = RGB[..., 0]
    path = tiff(tmp_path / "plain.tif", 255 - grey, 8, 0)
    assert np.array_equal(read_photo(path)[..., 0], grey)
    placed = tmp_path / "plain.tfw"  # then GDAL reads it
    placed.write_text("1\n0\n0\n-1\n0\n0\n")
    assert np.array_equal(read_photo(path)[..., 0], grey)


def test_16_bit_color_masks_are_refused(tmp_path):
    samples = np.repeat(LABELS[..., None].astype(np.uint16), 3, 2)
    assert code_of(read_mask, png(tmp_path / "m.png", samples, 16, 2), FOUR) == "FC-DATA-010"
    path = tmp_path / "m.tif"
    with rasterio.open(path, "w", driver="GTiff", width=13, height=9, count=3, dtype="uint16",
                       photometric="RGB") as dataset:  # fmt: skip
        dataset.write(samples.transpose(2, 0, 1))
    assert code_of(read_mask, path, FOUR) == "FC-DATA-010"


@pytest.mark.parametrize("ending", ["tif", "png", "gif", "webp"])
def test_pages_and_frames_are_refused_in_photos_and_masks(save, ending):
    pages = [Image.fromarray(LABELS), Image.fromarray(LABELS[::-1].copy())]
    how = {"lossless": True} if ending == "webp" else {}
    path = save(pages[0], f"m.{ending}", save_all=True, append_images=pages[1:], **how)
    assert code_of(read_mask, path, FOUR) == "FC-DATA-007"
    assert code_of(read_photo, path) == "FC-DATA-007"


def test_overviews_are_no_pages(write):
    photo = write(RGB, "photo.tif")
    labels = write(LABELS[None], "labels.tif")
    for path in (photo, labels):
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2, 4])
    assert np.array_equal(read_photo(photo), RGB)
    assert np.array_equal(read_mask(labels, FOUR), LABELS)


def test_what_a_mask_inside_leaves_out_is_no_pixel(write):
    inside = np.ones((9, 13), bool)
    inside[:3] = False
    pixels, valid = read_with_mask(write(RGB, "photo.tif", mask=inside))
    assert np.array_equal(valid, inside)
    assert np.array_equal(pixels, RGB)
    labels = read_mask(write(LABELS[None], "labels.tif", mask=inside), FOUR)
    assert np.array_equal(labels, np.where(inside, LABELS, 255))


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (6, 4)])
def test_all_16_bits_of_a_png_count(tmp_path, colour_type, channels):
    random = np.random.default_rng(2)
    samples = random.integers(0, 65536, (9, 13, channels)).astype(np.uint16)
    if channels == 4:
        samples[..., 3] = 65535
    stored = samples[..., 0] if channels == 1 else samples
    path = png(tmp_path / "deep.png", stored, 16, colour_type)
    assert code_of(read_photo, path) == "FC-RASTER-004"
    low, high = 1000, 33000
    found = read_photo(path, options=ReadOptions(range=(low, high))).astype(float)
    exact = ((samples[..., :3] - float(low)) * 255 / (high - low)).clip(0, 255)
    assert np.abs(found - np.broadcast_to(exact, found.shape)).max() <= 0.5 + 1e-3


def test_png_and_tiff_of_the_same_16_bits_are_the_same_photo(tmp_path, write):
    samples = RGB.astype(np.uint16) * 16
    options = ReadOptions(range=(0, 4095))
    first = read_photo(png(tmp_path / "a.png", samples, 16, 2), options=options)
    assert np.array_equal(first, read_photo(write(samples, "a.tif"), options=options))
    banded = write(samples, "b.tif", interleave="band", photometric="rgb")
    assert np.array_equal(first, read_photo(banded, options=options))
    assert np.abs(first.astype(int) - RGB).max() <= 1


def test_bands_of_plain_pictures_are_chosen_too(save):
    path = save(RGB, "a.png")
    assert np.array_equal(read_photo(path, options=ReadOptions((3, 2, 1))), RGB[..., ::-1])
    grey = read_photo(path, options=ReadOptions((2,)))
    assert np.array_equal(grey, RGB[..., [1, 1, 1]])
    assert np.array_equal(read_photo(path, options=ReadOptions((1, 3))), RGB[..., [0, 2]])
    assert code_of(read_photo, path, options=ReadOptions((1, 2, 3, 4))) == "FC-RASTER-003"


def test_a_tiff_with_an_alpha_channel_lies_over_white_but_near_infrared_does_not(tmp_path, save):
    alpha = np.where(LABELS > 1, 255, 0).astype(np.uint8)
    path = save(np.dstack([RGB, alpha]), "rgba.tif")
    assert np.array_equal(read_photo(path), np.where(alpha[..., None] > 0, RGB, 255))
    infrared = np.random.default_rng(3).integers(1, 200, (9, 13, 1)).astype(np.uint8)
    path = save(np.dstack([RGB, infrared]), "rgbn.tif")
    assert code_of(read_photo, path) == "FC-RASTER-003"
    assert np.array_equal(read_photo(path, options=ReadOptions((1, 2, 3))), RGB)
    four = read_photo(path, options=ReadOptions((1, 2, 3, 4)))
    assert np.array_equal(four, np.dstack([RGB, infrared]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.jpg", {"quality": 100}),
        ("x.tif", {"compression": "jpeg"}),
        ("x.avif", {"quality": 100}),
        ("x.webp", {"quality": 100}),
        ("x.jp2", {"irreversible": True}),
    ],
)
def test_a_mask_in_a_format_that_changes_values_is_refused(tmp_path, name, options):
    """Also where all values are classes by chance: of two classes nearly always."""
    path = tmp_path / name
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(path, **options)
    with pytest.raises(DataError) as caught:
        read_mask(path, FOUR)
    assert caught.value.code == "FC-DATA-009"
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "options"), [("x.jp2", {}), ("x.tif", {"compression": "tiff_lzw"})]
)
def test_a_mask_in_a_lossless_form_of_such_a_format_is_read(tmp_path, name, options):
    Image.fromarray(LABELS.repeat(4, 0).repeat(4, 1)).save(tmp_path / name, **options)
    assert np.array_equal(read_mask(tmp_path / name, FOUR), LABELS.repeat(4, 0).repeat(4, 1))


def test_a_lossless_webp_is_read_by_its_colors(tmp_path):
    colors = ClassSet(("a", "b"), ((0, 0, 0), (200, 30, 1)))
    pixels = np.array(colors.colors, np.uint8)[LABELS % 2]
    Image.fromarray(pixels).save(tmp_path / "x.webp", lossless=True)
    assert np.array_equal(read_mask(tmp_path / "x.webp", colors), LABELS % 2)


@pytest.mark.parametrize(
    ("dtype", "nodata", "expected"),
    [
        ("int16", -1, 255),
        ("int32", -9999, 255),
        ("uint16", 65535, 255),
        ("uint8", 9, 255),
        ("uint8", 3, 3),  # a class all the same: tools say 0, or the highest, without meaning it
        ("uint8", 255, 255),
    ],
)
def test_the_nodata_value_of_a_mask_is_ignored_where_it_is_no_class(
    tmp_path, dtype, nodata, expected
):
    values = LABELS.astype(dtype)
    values[2:4] = nodata
    path = tmp_path / "x.tif"
    with rasterio.open(path, "w", driver="GTiff", width=13, height=9, count=1, dtype=dtype,
                       nodata=nodata) as dataset:  # fmt: skip
        dataset.write(values, 1)
    read = read_mask(path, FOUR)
    assert (read[2:4] == expected).all() and read.dtype == np.uint8
    assert np.array_equal(np.delete(read, [2, 3], 0), np.delete(LABELS, [2, 3], 0))
    values[0, 0] = 77
    with rasterio.open(path, "r+") as dataset:
        dataset.write(values, 1)
    with pytest.raises(DataError, match="77"):
        read_mask(path, FOUR)
