"""Which files are rasters, and which reader a picture goes through: by what the file holds."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data.reading.formats import (
    Picture,
    format_of,
    has_driver,
    head_of,
    opened,
    unreadable,
)
from fullconv.data.reading.tiff import Tiff, read_tiff

_GEOREFERENCED_JP2 = (bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"), b"gml.data")
"""What GeoJP2 (a box by its UUID) and GMLJP2 put before the picture."""
_GDAL_READS = ("TIFF", "JPEG", "PNG", "JPEG2000", "GIF", "BMP", "WEBP")
BINARY = 0.95
"""Share of an alpha band's values that are 0 or 255; near infrared has few."""


def is_raster(file: Path) -> bool:
    """Whether ``file`` is to be predicted by windows, band by band, instead of as a photo.

    True where it has a georeference (inside, or in a file beside it), more pixels than Pillow opens
    (`PIL.Image.MAX_IMAGE_PIXELS`, twice), or is a TIFF of other bands than a photo has, or of more
    than 8 bits; and for what Pillow does not know and GDAL is let open. False for all other photos,
    and for what cannot be read at all.
    """
    try:
        head = head_of(file)
        name = format_of(head)
        if name == "TIFF":
            tiff = tiff_of(file)
            return _is_placed_beside(file) or tiff is None or not is_photo_tiff(tiff)
        if name == "JPEG2000" and _is_placed_jp2(head):
            return True
        if name in _GDAL_READS:
            return _is_placed_beside(file) or _too_large(file)
        return name not in ("HEIC", "AVIF") and has_driver(file)
    except (OSError, ValueError):
        return False


def by_gdal(file: Picture, label: str) -> bool:
    """Whether the pixels of ``file`` are read by GDAL: where Pillow would lose some of them.

    So it is with all rasters, where rasterio is installed; else only with those that Pillow would
    misread. Raises DataError for a file that is missing.
    """
    try:
        head = head_of(file)
        name = format_of(head)
        path = Path(file) if isinstance(file, str | Path) else None
        if name == "TIFF":
            return _tiff_by_gdal(file, path)
        if name == "JPEG2000" and (_deep_jp2(head) or (_is_placed_jp2(head) and has_rasterio())):
            return True
        if name in _GDAL_READS:
            return path is not None and _is_placed_beside(path) and has_rasterio()
        known = name in ("HEIC", "AVIF", "EPS", "PDF", "PSD", "SVG")
        return path is not None and not known and has_driver(path)
    except (OSError, ValueError) as error:
        raise unreadable(file, label, error) from error


def _tiff_by_gdal(file: Picture, path: Path | None) -> bool:
    tiff = tiff_of(file)
    if tiff is None or len(tiff.pages) > 1:  # Pillow's reader says what is wrong
        return False
    if not is_photo_tiff(tiff):
        plain = tiff.first.is_plain and not tiff.has_mask
        return not plain or has_rasterio()
    return path is not None and has_rasterio() and _is_placed_beside(path)


def is_photo_tiff(tiff: Tiff) -> bool:
    """Whether Pillow reads all that is in a TIFF, and nothing places it on the Earth."""
    page = tiff.first
    if tiff.has_mask or page.is_georeferenced:
        return False
    return page.is_plain or page.is_plain_with_alpha or page.is_grey_16


def tiff_of(file: Picture) -> Tiff | None:
    """The directories of a TIFF; None where they are damaged. OSError passes through."""
    if isinstance(file, str | Path):
        with open(file, "rb") as opened_file:
            return read_tiff(opened_file)
    place = file.tell()
    try:
        return read_tiff(file)
    finally:
        file.seek(place)


def pages_of(file: Picture) -> int | None:
    """How many pictures a TIFF holds, without overviews and masks; None: it cannot be told."""
    tiff = tiff_of(file)
    return None if tiff is None else len(tiff.pages)


def alpha_is_data(alpha: npt.NDArray[Any]) -> bool:
    """Whether a band that is called alpha holds measured values: it has others than 0 and 255."""
    top = 255 if alpha.dtype == np.uint8 else 65535
    return alpha.size > 0 and float(np.isin(alpha, (0, top)).mean()) < BINARY


def _is_placed_beside(file: Path) -> bool:
    """A world file (scene.tfw for scene.tif, scene.jgw for scene.jpg), or GDAL's .aux.xml."""
    ending = file.suffix
    world = file.with_suffix(f".{ending[1]}{ending[-1]}w" if len(ending) > 2 else ".wld")
    said = file.with_name(f"{file.name}.aux.xml")
    try:
        return world.is_file() or (said.is_file() and b"<GeoTransform>" in said.read_bytes())
    except OSError:  # a name that leaves no room for the ending
        return False


def _is_placed_jp2(head: bytes) -> bool:
    return any(sign in head for sign in _GEOREFERENCED_JP2)


def _deep_jp2(head: bytes) -> bool:
    """Whether a JPEG 2000 file has more than 8 bits, or other bands than grey, RGB and alpha."""
    place = head.find(b"ihdr")  # box: height, width, components (2 bytes), bits - 1 (1 byte)
    if place < 0 or len(head) < place + 15:
        return False
    components = int.from_bytes(head[place + 12 : place + 14], "big")
    bits = head[place + 14] & 127
    return components > 4 or (bits != 127 and bits + 1 > 8)


def _too_large(file: Path) -> bool:
    try:
        with opened(file):
            return False
    except Image.DecompressionBombError:
        return True
    except Exception:  # broken files make Pillow raise nearly anything; reading says what it is
        return False


def has_rasterio() -> bool:
    """Whether rasterio is installed."""
    try:
        return importlib.util.find_spec("rasterio") is not None
    except ValueError:  # as tests take a package away
        return False
