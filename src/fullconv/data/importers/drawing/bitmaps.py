"""Painted pixels as labelling tools pack them: PNG in base64, Label Studio's brush strokes."""

import base64
import io
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data.importers.annotations import Size
from fullconv.data.importers.drawing.regions import Bitmap
from fullconv.data.importers.drawing.rle import Runs
from fullconv.errors import UserError

_LARGEST = 2**28
"""Bytes of a bitmap's PNG, unpacked."""


def as_runs(bitmap: npt.NDArray[Any], top: int = 0, left: int = 0) -> Runs:
    """A bitmap (H, W) in the memory that its outline needs; its upper left pixel is given."""
    flat = bitmap.astype(np.bool_).ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).astype(np.int64)
    height, width = bitmap.shape
    return Runs(lengths, (height, width), False, top, left)


def bitmap_of(text: str, size: Size | None, above: int = 0) -> Bitmap:
    """The pixels of a PNG in base64, packed by zlib or not: those ``above`` a value, (H, W).

    Those of the alpha channel, where there is one. UserError where the picture is damaged or
    larger than its photo.
    """
    try:
        packed = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(_unpacked(packed)), formats=["PNG"]) as image:
            if size is not None and (image.height > size[0] or image.width > size[1]):
                raise UserError(f"has a bitmap of {image.width} x {image.height}, larger than its "
                                "photo", "FC-IMPORT-013")  # fmt: skip
            return _values(image) > above
    except UserError:
        raise
    except Exception as error:  # damaged pictures make Pillow raise nearly anything
        reason = str(error)[:100]
        raise UserError(f"holds a damaged bitmap: {reason}", "FC-IMPORT-013") from None


def _unpacked(packed: bytes) -> bytes:
    if packed.startswith(b"\x89PNG"):
        return packed
    png = zlib.decompressobj().decompress(packed, _LARGEST + 1)
    if len(png) > _LARGEST:
        raise UserError("has a bitmap that unpacks to more than any photo", "FC-IMPORT-013")
    return png


def _values(image: Image.Image) -> np.ndarray:
    if image.mode == "P" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode in ("P", "LA", "RGBA", "PA"):
        return np.asarray(image.convert("RGBA"))[..., 3]
    values = np.asarray(image)
    return values.max(-1) if values.ndim == 3 else values


def brush_of(coded: Any, size: Size) -> Bitmap:
    """The pixels of a brush stroke of Label Studio's, (H, W): those that are not transparent.

    ``coded`` are the bytes of the RGBA picture as thi.ng's rle-pack packs them, as numbers: 32 bits
    of how many values, 5 of a value's size, 4 times 4 of the sizes of lengths; then by turns one
    bit (whether one value is repeated), two of which size, the length, and the value or values.
    Raises UserError where it is damaged, or of another size.
    """
    try:
        stream = _Bits(bytes([*coded]))
        count, word = stream.take(32), stream.take(5) + 1
        sizes = [stream.take(4) + 1 for _ in range(4)]
        if count != 4 * size[0] * size[1]:
            raise UserError(f"has a brush stroke of {count / 4:g} pixels, its photo "
                            f"{size[1]} x {size[0]}", "FC-IMPORT-013")  # fmt: skip
        values = np.zeros(count, np.uint32)
        place = 0
        while place < count:
            repeated = stream.take(1)
            length = stream.take(sizes[stream.take(2)]) + 1
            end = min(place + length, count)
            values[place:end] = stream.take(word) if repeated else stream.words(end - place, word)
            place = end
    except (TypeError, ValueError, IndexError):
        raise UserError("has a brush stroke (rle) that is damaged or cut off",
                        "FC-IMPORT-013") from None  # fmt: skip
    return values.reshape(*size, 4)[..., 3] > 0


class _Bits:
    """Numbers of any size in bits, the highest bit first; IndexError beyond the end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, bits: int) -> int:
        end = self._advance(bits)
        start, last = (end - bits) // 8, (end + 7) // 8
        chunk = int.from_bytes(self.content[start:last], "big")
        return (chunk >> (8 * last - end)) & ((1 << bits) - 1)

    def words(self, number: int, bits: int) -> npt.NDArray[np.int64]:
        """``number`` values of ``bits`` each."""
        end = self._advance(number * bits)
        start = end - number * bits
        packed = np.frombuffer(self.content[start // 8 : (end + 7) // 8], np.uint8)
        flat = np.unpackbits(packed)[start % 8 : start % 8 + number * bits]
        return flat.reshape(number, bits) @ (1 << np.arange(bits - 1, -1, -1, dtype=np.int64))

    def _advance(self, bits: int) -> int:
        self.place += bits
        if self.place > 8 * len(self.content):
            raise IndexError
        return self.place
