"""From the bytes of a request to a photo; too large or wrong files are refused undecoded."""

import io
import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data import read_photo
from fullconv.data.reading.formats import opened
from fullconv.data.reading.image import size_said
from fullconv.errors import UserError
from fullconv.modalities import AS_STORED, ReadOptions
from fullconv.serve.request_errors import RequestError, not_a_picture, too_many_pixels

WANTED = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""Fewer than `formats.PILLOW_FORMATS`: what browsers send."""
SCANS = 50
"""Scans of a progressive JPEG: cameras and programs write about ten; each costs a decoding."""

_HEIC = re.compile(rb"^....ftyp(?:hei|hev|mif1|msf1)", re.DOTALL)
_START_OF_SCAN = b"\xff\xda"


def decode_photo(
    content: bytes, max_pixels: int, options: ReadOptions = AS_STORED
) -> npt.NDArray[np.uint8]:
    """The photo in ``content``, uint8 (H, W, channels), as ``fullconv predict`` reads it.

    Raises RequestError: 413 for too many pixels, by the header; 422 for what is no photo.
    """
    _check_header(content, max_pixels)
    options = replace(options, max_megapixels=max_pixels / 1e6)
    try:
        return read_photo(io.BytesIO(content), "the photo", WANTED, options)
    except UserError as error:
        raise RequestError(422, str(error), error.code or "FC-SERVE-010") from error


def _check_header(content: bytes, max_pixels: int) -> None:
    """RequestError for what must not be decoded, by the header alone."""
    if not content:
        message = "no bytes: send a photo as the body, or as a part called 'photo'"
        raise RequestError(422, message, "FC-SERVE-010")
    if _HEIC.match(content):
        raise not_a_picture(" (HEIC, as iPhones write it)")
    try:
        with opened(io.BytesIO(content), WANTED) as image:
            width, height = image.size
            kind = image.format
    except Image.DecompressionBombError:
        message = f"more than {max_pixels / 1e6:g} megapixels are not allowed"
        raise RequestError(413, message, "FC-SERVE-008") from None
    except Exception:  # broken headers make Pillow raise nearly anything
        size = size_said(io.BytesIO(content))
        if size is None:
            raise not_a_picture() from None
        (height, width), kind = size, "TIFF"
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)
    if kind in ("JPEG", "MPO") and content.count(_START_OF_SCAN) > SCANS:
        raise not_a_picture(f" (a JPEG of more than {SCANS} scans)")
