"""Uploads: read as `fullconv predict` reads files, and refused before they are decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fullconv.data import read_photo
from fullconv.modalities import ReadOptions
from fullconv.serve.decode_photo import SCANS, WANTED, decode_photo
from fullconv.serve.request_errors import RequestError

LIMIT = 1_000_000
pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # Pillow's, of the files that are broken on purpose


def refused(content, limit=LIMIT):
    with pytest.raises(RequestError) as error:
        decode_photo(content, limit)
    return error.value


def png(width, height, depth=8, kind=2, data=b""):
    """A PNG of any header over any data."""

    def chunk(name, content):
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_it_is_read_as_a_file_is(form, encoded, tmp_path):
    content = encoded(form)
    (tmp_path / "photo").write_bytes(content)
    np.testing.assert_array_equal(decode_photo(content, LIMIT), read_photo(tmp_path / "photo"))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_other_colour_modes_too(mode, photo, tmp_path):
    picture = Image.fromarray(photo())
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    path = tmp_path / "photo"
    picture.save(path, "TIFF" if mode == "CMYK" else "PNG")
    read = ReadOptions(range=(0, 65535) if mode == "I;16" else None)
    decoded = decode_photo(path.read_bytes(), LIMIT, read)
    np.testing.assert_array_equal(decoded, read_photo(path, options=read))


def test_the_photo_lies_as_it_is_seen(encoded):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_photo(encoded("JPEG", 20, 40, exif=exif), LIMIT).shape == (40, 20, 3)


def test_a_bomb_is_not_decoded():
    black = zlib.compress(bytes(10_000 * 30_001), 1)  # 300 MB in 1.3 MB
    error = refused(png(10_000, 10_000, data=black))
    assert error.status == 413
    assert "10000 x 10000" in error.message


@pytest.mark.parametrize("side", [30_000, 2**31 - 1])
def test_a_header_that_promises_too_much_is_enough(side):
    assert refused(png(side, side)).status in (413, 422)


@pytest.mark.parametrize("size", [(1000, 1001), (1_000_001, 1)])
def test_the_limit_is_on_pixels_and_exact(size):
    assert refused(png(*size)).status == 413
    assert refused(png(1000, 1000)).status == 422, "no data, but not too large"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect/></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"%PDF-1.7\n",
        b"PK\x03\x04" + bytes(60),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"II*\0\x08\0\0\0",
        b"P6 9 9 255\n" + bytes(243),
    ],
)
def test_what_is_no_photo_is_refused(content):
    assert refused(content).status == 422


def test_iphones_photos_are_named():
    assert "HEIC" in refused(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").message


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_a_truncated_photo_is_refused(form, encoded):
    content = encoded(form, 100, 100)
    assert refused(content[: len(content) * 2 // 3]).status == 422


def test_an_animation_is_refused(photo):
    file = io.BytesIO()
    frames = [Image.fromarray(photo(seed=seed)) for seed in range(3)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert "3 pictures" in refused(file.getvalue()).message


def test_a_jpeg_of_endless_scans_is_refused(encoded):
    content = encoded("JPEG", progressive=True)
    at = content.rindex(b"\xff\xda")
    scan = content[at:-2]
    decode_photo(content, LIMIT)
    assert "scans" in refused(content[:at] + scan * (SCANS + 1) + content[-2:]).message


def test_formats_that_run_other_programs_are_not_among_them():
    assert {"EPS", "WMF", "FPX"}.isdisjoint(WANTED)
    assert {"JPEG", "PNG"} <= set(WANTED)
