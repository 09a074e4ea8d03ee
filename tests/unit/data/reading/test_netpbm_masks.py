"""Masks in Netpbm's formats, whose values Pillow stretches, and 16-bit grey with an alpha channel.

The formats are written by hand, after netpbm.sourceforge.net/doc/pgm.html and pbm.html.
"""

import struct
import zlib

import numpy as np
import pytest

from fullconv.classes import ClassSet
from fullconv.data import read_mask, read_photo
from fullconv.errors import DataError

FOUR = ClassSet(("a", "b", "c", "d"))
LABELS = np.random.default_rng(0).integers(0, 4, (9, 13)).astype(np.uint8)


def pgm(path, values, white, plain=False):
    """Grey values of which ``white`` is white; as text where ``plain``."""
    height, width = values.shape
    head = f"{'P2' if plain else 'P5'}\n{width} {height}\n{white}\n".encode()
    if plain:
        body = b"\n".join(b" ".join(b"%d" % value for value in row) for row in values) + b"\n"
    else:
        body = values.astype(np.uint8 if white < 256 else ">u2").tobytes()
    path.write_bytes(head + body)
    return path


def code_of(file, classes=FOUR):
    with pytest.raises(DataError) as caught:
        read_mask(file, classes)
    return caught.value.code


@pytest.mark.parametrize("plain", [False, True], ids=["P5", "P2"])
@pytest.mark.parametrize("white", [3, 4, 100, 255, 256, 1000, 65535])
def test_a_pgm_mask_has_its_stored_values_whatever_it_calls_white(tmp_path, white, plain):
    assert np.array_equal(read_mask(pgm(tmp_path / "m.pgm", LABELS, white, plain), FOUR), LABELS)


@pytest.mark.parametrize("white", [200, 255, 300, 65535])
def test_all_values_of_a_pgm_mask_come_back(tmp_path, white):
    many = ClassSet(tuple(map(str, range(min(white, 60000)))), ignore=65535)
    values = np.arange(len(many), dtype=np.uint16).reshape(1, -1)
    assert np.array_equal(read_mask(pgm(tmp_path / "m.pgm", values, white), many), values)


def test_a_pgm_photo_is_seen_as_bright_as_it_says(tmp_path):
    photo = read_photo(pgm(tmp_path / "p.pgm", LABELS, 3))
    assert np.array_equal(photo, np.repeat(LABELS[..., None] * 85, 3, 2))


@pytest.mark.parametrize("kind", [b"P1", b"P4"])
def test_a_bilevel_mask_in_which_zero_is_white_is_refused(tmp_path, kind):
    bits = LABELS % 2
    rows = [np.packbits(row).tobytes() for row in bits]
    if kind == b"P1":
        rows = [b" ".join(b"%d" % value for value in row) + b"\n" for row in bits]
    file = tmp_path / "m.pbm"
    file.write_bytes(kind + b"\n13 9\n" + b"".join(rows))
    assert code_of(file) == "FC-DATA-011"


def test_a_ppm_mask_of_16_bit_colors_is_refused(tmp_path):
    file = tmp_path / "m.ppm"
    samples = np.repeat(LABELS[..., None], 3, 2).astype(">u2")
    file.write_bytes(b"P6\n13 9\n65535\n" + samples.tobytes())
    assert code_of(file) == "FC-DATA-010"


def test_a_16_bit_grey_mask_with_alpha_is_refused(tmp_path):
    """Class 3 is 0x0003, of which Pillow gives 0x00: the background."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    samples = np.dstack([LABELS.astype(np.uint16), np.full_like(LABELS, 65535, np.uint16)])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", 13, 9, 16, 4, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    file = tmp_path / "m.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    assert code_of(file) == "FC-DATA-010"
