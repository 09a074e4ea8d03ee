"""Photo file -> uint8 channels, whatever the file's own format, depth and colour mode.

The one reader: every command reads photos here, and rasters too large for the memory by windows of
the same `Raster`.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data import sample
from fullconv.data.reading.bands import as_photo
from fullconv.data.reading.formats import SUFFIXES as SUFFIXES
from fullconv.data.reading.formats import (
    Picture,
    format_of,
    head_of,
    open_picture,
    opened,
    unreadable,
)
from fullconv.data.reading.orientation import (
    SWAPS_AXES,
    orientation,
    orientation_of,
    turned,
    upright,
)
from fullconv.data.reading.raster import Valid, open_raster
from fullconv.data.reading.recognize_file import alpha_is_data, by_gdal, pages_of, tiff_of
from fullconv.data.reading.sample_depth import deep_samples, needs_range, over_white_16
from fullconv.errors import DataError
from fullconv.modalities import AS_STORED, ReadOptions

PLAIN = frozenset({"L", "1", "CMYK", "YCbCr", "HSV"})
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
BYTES_PER_PIXEL = 13
"""Memory that it takes to read and predict a photo, measured: 2.2 GiB for 177 megapixels."""

Formats = Sequence[str] | None
"""Names of the formats that are read (`formats.PILLOW_FORMATS`); None: all of these."""


def read_photo(
    file: Picture,
    name: str | None = None,
    formats: Formats = None,
    options: ReadOptions = AS_STORED,
) -> sample.Image:
    """Read a photo as uint8 RGB, (H, W, 3), turned the way its EXIF orientation says.

    Grey, black-and-white, palette, CMYK, YCbCr and HSV files are converted to RGB; transparent
    parts are laid over white, as viewers show them. TIFFs with further bands, more than 8 bits, a
    place on the Earth or a mask are read band by band (`Raster`). Values of more than 8 bits need
    ``options.range``; with other than three ``options.bands`` the result is (H, W, bands).
    ``name`` replaces the file's name in messages; ``formats`` are the kinds of files that may be
    read. Raises UserError (DataError) naming the file where it is missing, truncated, not a
    picture, an animation, too large, or without a certain meaning.
    """
    return read_with_mask(file, name, formats, options)[0]


def read_with_mask(
    file: Picture,
    name: str | None = None,
    formats: Formats = None,
    options: ReadOptions = AS_STORED,
) -> tuple[sample.Image, Valid | None]:
    """As ``read_photo``, with where the photo has pixels, (H, W); None where everywhere.

    A pixel is none where the file's mask says so, where all bands have the nodata value, and where
    a value is not a number.
    """
    label = name or (str(file) if isinstance(file, str | Path) else "the picture")
    file = _seekable(file, label)
    if by_gdal(file, label):
        return _read_raster(file, label, options)
    image = open_picture(file, label, list(formats) if formats else None)
    check_size((image.height, image.width), label, options)
    check_frames(image, file, label)
    deep = deep_samples(file, image, label)
    if deep is None:
        return _of_pillow(image, label, options), None
    if options.range is None:
        raise needs_range(label, f"16 bits, up to {int(deep.max(initial=0))}")
    colors, white = deep[..., :3], over_white_16(deep, options)
    chosen = colors if options.bands is None else _chosen(deep, options.bands, label)
    values = as_photo(chosen.transpose(2, 0, 1), options.range, label)
    pixels = values if white is None or options.bands else white(values)
    return turned(pixels, orientation_of(image)), None


def rgb_of(image: Image.Image, label: str, options: ReadOptions = AS_STORED) -> sample.Image:
    """A picture in memory as uint8 RGB, (H, W, 3), by the same rules as a file."""
    if image.mode.startswith("I;16"):
        if options.range is None:
            raise needs_range(label, f"16 bits, up to {int(np.asarray(image).max(initial=0))}")
        values = as_photo(np.asarray(image)[None], options.range, label)
        return turned(values, orientation_of(image))
    return _of_pillow(image, label, options)


def check_size(size: tuple[int, int], label: str, options: ReadOptions) -> None:
    """DataError for a photo of ``size`` (H, W) that has more pixels than may be decoded whole."""
    million = size[0] * size[1] / 1e6
    if million > options.max_megapixels:
        memory = size[0] * size[1] * BYTES_PER_PIXEL / 2**30
        raise DataError(
            label, f"is {size[1]} x {size[0]}, {million:.0f} megapixels, and would take about "
            f"{memory:.1f} GiB of memory (the limit is {options.max_megapixels:g} megapixels)", "",
            f"cut it into pieces, or allow it: --max-megapixels {int(million) + 1}",
            "FC-DATA-004",
        )  # fmt: skip


def check_frames(image: Image.Image, file: Picture, label: str) -> None:
    """DataError for an animation, or several pages; overviews and masks of a page are none."""
    pages = pages_of(file) if image.format == "TIFF" else None
    try:
        frames = pages or getattr(image, "n_frames", 1)
    except Exception as error:
        raise unreadable(file, label, error) from error
    if frames > 1 and image.format != "MPO":
        raise DataError(label, f"{frames} pictures in one file", "an animation or a stack",
                        "save the one that is meant as a file of its own (fullconv predict "
                        "--frames takes each)",
                        "FC-DATA-007")  # fmt: skip


def decode(file: Picture, label: str, formats: Formats = None) -> Image.Image:
    """Open and decode a picture, EXIF orientation applied; UserError naming ``label`` if broken."""
    image = open_picture(file, label, list(formats) if formats else None)
    try:
        return upright(image)
    except Exception as error:
        raise unreadable(file, label, error) from error


def probe(
    file: Path | io.BufferedIOBase, name: str | None = None, options: ReadOptions = AS_STORED
) -> tuple[int, int]:
    """Height and width of a photo that ``read_photo`` can read, found out in a third of the time.

    All of the file's data is decoded, so a truncated one raises the same UserError.
    """
    try:
        with opened(file) as image:  # pyright: ignore[reportArgumentType]
            width, height = image.size
            sideways = orientation_of(image) in SWAPS_AXES
            small = width * height <= options.max_megapixels * 1e6 and options.bands in (None, (1,))
            # A JPEG at an eighth of its size skips the arithmetic and still reads every byte.
            if image.format == "JPEG" and small and image.draft("L", (width // 8, height // 8)):
                image.load()
                return (width, height) if sideways else (height, width)
    except Exception:  # read_photo says what it is
        pass
    if not isinstance(file, str | Path):
        file.seek(0)
    height, width = read_photo(file, name, options=options).shape[:2]  # pyright: ignore
    return height, width


def largest_photo(source: sample.Source) -> tuple[int, int]:
    """Height and width of the photo with the most pixels, as the files' heads say.

    Of photos that are no files, or cannot be read, nothing is known: then that of the first one.
    """
    largest = getattr(source, "largest", None)  # of packed data, which has no files
    if largest is not None and min(largest):
        return largest
    files = (source.files(index)[0] for index in range(len(source)))
    sizes = [size for file in files if file and (size := size_said(file))]
    if sizes:
        return max(sizes, key=lambda size: size[0] * size[1])
    height, width = source[0].image.shape[:2]
    return height, width


def size_said(file: Picture) -> tuple[int, int] | None:
    """Height and width that a photo's header states, nothing decoded; None where none can be read.

    As the photo is seen: its EXIF orientation counts.
    """
    try:
        with opened(file) as image:
            width, height = image.size
            sideways = orientation_of(image) in SWAPS_AXES
            return (width, height) if sideways else (height, width)
    except Exception:  # a TIFF that Pillow does not know, or broken: the reader says what it is
        return _tiff_size(file)


def _tiff_size(file: Picture) -> tuple[int, int] | None:
    try:
        if not isinstance(file, str | Path):
            file.seek(0)  # Pillow has tried to read it
        if format_of(head_of(file, 64)) != "TIFF" or (tiff := tiff_of(file)) is None:
            return None
    except (OSError, ValueError):
        return None
    return tiff.first.size if min(tiff.first.size) > 0 else None


def _seekable(file: Picture, label: str) -> Picture:
    """A pipe, or a device, as its content; anything else as it is."""
    if not isinstance(file, str | Path):
        return file
    path = Path(file)
    try:
        return path if path.is_file() or path.is_dir() else io.BytesIO(path.read_bytes())
    except (OSError, ValueError) as error:
        raise unreadable(file, label, error) from error


def _read_raster(
    file: Picture, label: str, options: ReadOptions
) -> tuple[sample.Image, Valid | None]:
    """All of a raster at once."""
    content = Path(file) if isinstance(file, str | Path) else content_of(file)
    with open_raster(content, options.bands, options.range, label, options.mask, True) as raster:
        check_size(raster.size, label, options)
        whole = slice(0, raster.size[0]), slice(0, raster.size[1])
        photo, valid = raster.photo(*whole), raster.valid(*whole)
    turn = orientation(file)  # pyright: ignore[reportArgumentType]
    return turned(photo, turn), None if valid is None else turned(valid, turn)


def content_of(file: Any) -> bytes:
    """All bytes of an open file."""
    file.seek(0)
    return file.read()


def _of_pillow(image: Image.Image, label: str, options: ReadOptions) -> sample.Image:
    """The uint8 channels of an open picture of 8 bits."""
    try:
        image = upright(image)
    except Exception as error:
        raise unreadable(io.BytesIO(), label, error) from error
    if options.range is not None and image.mode in ("F", "I") and image.format != "PPM":
        return as_photo(np.asarray(image)[None], options.range, label)
    if options.bands is None:
        rgb = np.array(_to_rgb(image, label))
        return as_photo(rgb.transpose(2, 0, 1), options.range, label) if options.range else rgb
    image = image.convert("RGB") if image.mode in ("P", "CMYK", "YCbCr", "HSV") else image
    image = image.convert("L") if image.mode == "1" else image
    values = _chosen(np.atleast_3d(np.asarray(image)), options.bands, label)
    return as_photo(values.transpose(2, 0, 1), options.range, label)


def _chosen(values: npt.NDArray[Any], bands: Sequence[int], label: str) -> npt.NDArray[Any]:
    """Some channels of (H, W, C), by their numbers from 1."""
    count = values.shape[2]
    if outside := [band for band in bands if band > count]:
        raise DataError(label, f"has {count} bands, so there is no band {outside[0]}", "",
                        "say which are meant with --bands", "FC-RASTER-003")  # fmt: skip
    return values[..., [band - 1 for band in bands]]


def _to_rgb(image: Image.Image, label: str) -> Image.Image:
    mode = image.mode
    is_tiff = image.format == "TIFF" and mode in ("RGBA", "LA")
    if is_tiff and alpha_is_data(np.asarray(image)[..., -1]):
        count = len(image.getbands())
        first = ",".join(map(str, range(1, count)))
        raise DataError(
            label, f"has {count} bands, the last called alpha", "near infrared, which GDAL calls "
            "alpha by default", f"say which are meant: --bands {first}, or {first},{count} for "
            "all", "FC-RASTER-003",
        )  # fmt: skip
    if mode in _WITH_ALPHA or "transparency" in image.info:
        return _over_white(image)
    if mode == "RGB":
        return image
    if mode in PLAIN or mode == "P":
        return image.convert("RGB")
    if mode == "I" and image.format == "PPM":  # scaled to 16 bits by the white that the file states
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257  # 65535 = 255 * 257
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    raise DataError(label, f"colour mode {mode} has no certain meaning as 8-bit RGB", "",
                    "save it as an 8-bit RGB picture", "FC-DATA-008")  # fmt: skip


def _over_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    if layer.getchannel("A").getextrema() == (255, 255):
        return layer.convert("RGB")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")
