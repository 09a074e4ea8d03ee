"""Which files are rasters: looked for in what they hold, without rasterio where that can be."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fullconv.errors import UserError
from fullconv.inference.find_photos import Input

_GEOREFERENCE = frozenset({33550, 33922, 34264, 34735})
"""Tags of a GeoTIFF: pixel scale, tie points, transformation, keys (OGC 19-008r4, 7.1)."""
_NODATA = 42113  # GDAL's tag: the value of pixels that are none
_BITS, _SAMPLES = 258, 277  # BitsPerSample, SamplesPerPixel (TIFF 6.0)
_GEOREFERENCED_JP2 = (bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"), b"gml.data")
"""What GeoJP2 (a box by its UUID) and GMLJP2 put before the picture."""
_HEAD = 2**16  # bytes of a JPEG 2000 file in which they are looked for


def parted(inputs: Sequence[Input], all_rasters: bool = False) -> tuple[list[Input], list[Input]]:
    """The ``inputs`` that are photos, and those that are rasters; with ``all_rasters`` all are.

    Raises UserError where the result of a raster would overwrite an input.
    """
    rasters = [entry for entry in inputs if entry.file and (all_rasters or is_raster(entry.file))]
    taken = set(rasters)
    photos = [entry for entry in inputs if entry not in taken]
    if all_rasters and photos:
        raise UserError("--bands and --range are for rasters, standard input is none: name a file")
    files = {entry.file.resolve() for entry in inputs if entry.file}
    for entry in rasters:
        result = result_of(entry.result)
        if result.resolve() in files:
            raise UserError(
                f"{result}: the result would overwrite this raster; choose another --out"
            )
    return photos, rasters


def result_of(stem: Path) -> Path:
    """The GeoTIFF that a raster becomes; ``stem`` is a path without an ending."""
    return Path(f"{stem}.tif")


def is_raster(file: Path) -> bool:
    """Whether ``file`` is to be read by windows, band by band, instead of as a photo.

    True where it has a georeference (inside, or in a file beside it), more pixels than Pillow opens
    (`PIL.Image.MAX_IMAGE_PIXELS`, twice), or is a TIFF of other bands than a photo has, or of more
    than 8 bits; and for what Pillow does not know and rasterio opens. False for all other photos,
    and for what cannot be read at all.
    """
    try:
        if _is_placed_beside(file):
            return True
        with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
            if image.format == "JPEG2000":
                return _is_georeferenced_jp2(file)
            return image.format == "TIFF" and _is_raster_tiff(image)
    except Image.DecompressionBombError:
        return True
    except Image.UnidentifiedImageError:
        return _is_unknown_tiff(file) or _opens(file)
    except (
        Exception
    ):  # broken files make Pillow raise nearly anything; reading them says what it is
        return False


def _is_placed_beside(file: Path) -> bool:
    """A world file (scene.tfw for scene.tif, scene.jgw for scene.jpg), or GDAL's .aux.xml."""
    ending = file.suffix
    world = file.with_suffix(f".{ending[1]}{ending[-1]}w" if len(ending) > 2 else ".wld")
    said = file.with_name(f"{file.name}.aux.xml")
    return world.is_file() or (said.is_file() and b"<GeoTransform>" in said.read_bytes())


def _is_georeferenced_jp2(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    return any(sign in head for sign in _GEOREFERENCED_JP2)


def _is_raster_tiff(image: Any) -> bool:
    """Georeferenced, or with bands or values that Pillow would drop on the way to a photo."""
    tags = image.tag_v2
    if _NODATA in tags or _GEOREFERENCE.intersection(tags):
        return True
    bands = 1 if image.mode == "P" else len(image.getbands())
    bits = max(tags.get(_BITS, (1,)))
    deep = bits > 8 and image.mode != "I;16"  # grey of 16 bits: read_photo takes it knowingly
    return deep or tags.get(_SAMPLES, 1) != bands or image.mode == "RGBX"


def _is_unknown_tiff(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _opens(file: Path) -> bool:
    """Whether rasterio is installed and opens ``file``."""
    try:
        import rasterio
        from rasterio.errors import RasterioError
    except ImportError:
        return False
    try:
        with warnings.catch_warnings(action="ignore"), rasterio.open(file):
            return True
    except RasterioError:
        return False
