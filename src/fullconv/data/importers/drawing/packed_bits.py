"""Pixels that a labelling tool stores as a PNG inside of its file."""

import io
import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from fullconv.data.importers.annotations import Size
from fullconv.data.importers.drawing.regions import Bitmap, Bits, Extent, Window
from fullconv.errors import UserError

MOST_PIXELS = 2**26
"""Of such a PNG where the size of its photo is not known."""


def png_size(content: bytes) -> Size:
    """Height and width that a PNG states, nothing decoded; UserError where it is none."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
        raise UserError("holds a mask that is no PNG", "FC-IMPORT-013")
    width, height = struct.unpack(">II", content[16:24])  # Pillow warns of large ones by itself
    return height, width


@dataclass(frozen=True)
class PackedBits:
    """The pixels of ``content``, a PNG, that are not 0; its upper left one at (``top``, ``left``).

    Decoded when it is drawn: those of all photos may not fit into memory.
    """

    content: bytes
    top: int = 0
    left: int = 0

    def extent(self) -> Extent:
        return self._measures[0]

    def area(self) -> float:
        return self._measures[1]

    def inside(self, window: Window) -> Bitmap:
        return self._bits().inside(window)

    @cached_property
    def _measures(self) -> tuple[Extent, float]:
        bits = self._bits()
        return bits.extent(), bits.area()

    def _bits(self) -> Bits:
        try:
            with Image.open(io.BytesIO(self.content), formats=["PNG"]) as image:
                return Bits(np.asarray(image.convert("L")) > 0, self.top, self.left)
        except Exception as error:  # damaged pictures make Pillow raise nearly anything
            raise UserError(f"holds a damaged mask: {error}", "FC-IMPORT-013") from None
