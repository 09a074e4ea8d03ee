"""From the bytes of a request to a photo, with nothing decoded that is too large or no photo."""

import io
import re

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data import read_photo
from fullconv.errors import UserError
from fullconv.serve.request_errors import RequestError, not_a_picture, too_many_pixels

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""Pillow knows more formats, EPS among them, which it hands to another program."""
SCANS = 50
"""Scans of a progressive JPEG: cameras and programs write about ten; each costs a decoding."""

_HEIC = re.compile(rb"^....ftyp(?:hei|hev|mif1|msf1)", re.DOTALL)
_START_OF_SCAN = b"\xff\xda"


def decode_photo(content: bytes, max_pixels: int) -> npt.NDArray[np.uint8]:
    """The photo in ``content``, uint8 RGB (H, W, 3), as ``fullconv predict`` reads it.

    Raises RequestError: 413 for too many pixels, by the header; 422 for what is no photo.
    """
    _check_header(content, max_pixels)
    try:
        return read_photo(io.BytesIO(content), "the photo", formats=formats())
    except UserError as error:
        raise RequestError(422, str(error), error.code or "FC-SERVE-010") from error


def formats() -> list[str]:
    """Those of ``FORMATS`` that this Pillow has."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check_header(content: bytes, max_pixels: int) -> None:
    """RequestError for what must not be decoded, by the header alone."""
    if not content:
        message = "no bytes: send a photo as the body, or as a part called 'photo'"
        raise RequestError(422, message, "FC-SERVE-010")
    if _HEIC.match(content):
        raise not_a_picture(" (HEIC, as iPhones write it)")
    try:
        with Image.open(io.BytesIO(content), formats=formats()) as image:
            width, height = image.size
            kind = image.format
    except Image.DecompressionBombError:
        message = f"more than {max_pixels / 1e6:g} megapixels are not allowed"
        raise RequestError(413, message, "FC-SERVE-008") from None
    except Exception:  # broken headers make Pillow raise nearly anything
        raise not_a_picture() from None
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)
    if kind in ("JPEG", "MPO") and content.count(_START_OF_SCAN) > SCANS:
        raise not_a_picture(f" (a JPEG of more than {SCANS} scans)")
