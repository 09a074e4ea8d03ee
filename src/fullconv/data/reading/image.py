"""Photo file -> uint8 channels, whatever the file's own format, depth and colour mode.

The one reader: every command reads photos here, and rasters too large for the memory by windows of
the same `Raster`.
"""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data import sample
from fullconv.data.checks.findings import DataError
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
from fullconv.data.reading.raster import Valid, open_raster
from fullconv.data.reading.recognise import alpha_is_data, by_gdal, pages_of, tiff_of
from fullconv.modalities import AS_STORED, ReadOptions

PLAIN = frozenset({"L", "1", "CMYK", "YCbCr", "HSV"})
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
_SWAPS_AXES = frozenset({5, 6, 7, 8})
_ORIENTATION = 0x0112
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
    colors, white = deep[..., :3], _over_white_16(deep, options)
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


def needs_range(label: str, what: str) -> DataError:
    """The error of a photo of more than 8 bits where nothing says what is black and white."""
    return DataError(
        label, f"its values are of {what}, and nets see 8 bits", "",
        "say which values are black and white in all photos: --range 0,4095, or range = [0, 4095] "
        "in classes.toml", "FC-RASTER-004",
    )  # fmt: skip


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
                        "save the one that is meant as a file of its own",
                        "FC-DATA-007")  # fmt: skip


def decode(file: Picture, label: str, formats: Formats = None) -> Image.Image:
    """Open and decode a picture, EXIF orientation applied; UserError naming ``label`` if broken."""
    image = open_picture(file, label, list(formats) if formats else None)
    try:
        return upright(image)
    except Exception as error:
        raise unreadable(file, label, error) from error


def upright(image: Image.Image) -> Image.Image:
    """A decoded picture, turned the way that its EXIF orientation says; its format stays known."""
    with warnings.catch_warnings(action="ignore"):
        image.load()
    turn = orientation_of(image)
    if turn == 1:
        return image
    result = image.transpose(_TRANSPOSE[turn])
    result.format, result.info = image.format, image.info
    return result


_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.3, tag 0x0112: how a picture as stored becomes upright."""


def turned(stored: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """An array (H, W, ...) of a picture as stored, turned as its EXIF orientation says."""
    if orientation == 1:
        return stored
    if orientation in (5, 7):
        stored = stored.swapaxes(0, 1)
        stored = stored if orientation == 5 else stored[::-1, ::-1]
    else:
        stored = {
            2: lambda: stored[:, ::-1],
            3: lambda: stored[::-1, ::-1],
            4: lambda: stored[::-1],
            6: lambda: np.rot90(stored, -1),
            8: lambda: np.rot90(stored, 1),
        }[orientation]()
    return np.ascontiguousarray(stored)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation that an open picture states, 1 to 8; 1 where it states none of these."""
    try:
        with warnings.catch_warnings(action="ignore"):
            stated = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data makes Pillow raise nearly anything
        return 1
    return stated if stated in range(1, 9) else 1


def probe(
    file: Path | io.BufferedIOBase, name: str | None = None, options: ReadOptions = AS_STORED
) -> tuple[int, int]:
    """Height and width of a photo that ``read_photo`` can read, found out in a third of the time.

    All of the file's data is decoded, so a truncated one raises the same UserError.
    """
    try:
        with opened(file) as image:  # pyright: ignore[reportArgumentType]
            width, height = image.size
            sideways = orientation_of(image) in _SWAPS_AXES
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
            sideways = orientation_of(image) in _SWAPS_AXES
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


def orientation(file: Path | io.BufferedIOBase) -> int:
    """The file's EXIF orientation, 1 to 8; 1, which is upright, where it states none of these."""
    try:
        with opened(file) as image:  # pyright: ignore[reportArgumentType]
            return orientation_of(image)
    except Exception:  # the check, or the reader, says what it is
        return 1


def stands_sideways(file: Path) -> bool:
    """True where the file's EXIF orientation swaps its height and width."""
    return orientation(file) in _SWAPS_AXES


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


def _over_white_16(deep: npt.NDArray[np.uint16], options: ReadOptions) -> Any:
    """How 8-bit colors are laid over white by the alpha of 16-bit samples; None without one."""
    if deep.shape[2] != 4:
        return None
    alpha = deep[..., 3:].astype(np.float32) / 65535
    return lambda colors: np.rint(colors * alpha + 255 * (1 - alpha)).astype(np.uint8)


_DEEP = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""How Pillow unpacks 16-bit samples to their upper bytes, and what gives the lower ones instead."""


def deep_mode(image: Image.Image) -> str | None:
    """How the 16-bit samples of an open, undecoded picture are packed; None: it has 8 bits."""
    if image.mode.startswith("I;16"):
        return image.mode
    tiles = getattr(image, "tile", ())  # of files alone
    packed = tiles[0].args if tiles else None
    packed = packed[0] if isinstance(packed, tuple) and packed else packed
    return packed if isinstance(packed, str) and ";16" in packed and image.mode != "I" else None


def deep_samples(file: Picture, image: Image.Image, label: str) -> npt.NDArray[np.uint16] | None:
    """The samples (H, W, channels) of a picture of 16 bits, as stored; None for one of 8 bits."""
    packed = deep_mode(image)
    if packed is None or image.format == "BMP":
        return None
    try:
        if packed.startswith("I;16"):
            image.load()
            return np.asarray(image).astype(np.uint16)[..., None]
        if packed not in _DEEP:
            raise DataError(label, f"its samples are of 16 bits ({packed})", "",
                            "save it without alpha, or as 8-bit RGB", "FC-DATA-008")  # fmt: skip
        return (_unpacked(file, packed) << 8 | _unpacked(file, _DEEP[packed])).astype(np.uint16)
    except Exception as error:
        raise unreadable(file, label, error) from error


def _unpacked(file: Picture, how: str) -> npt.NDArray[np.uint16]:
    if not isinstance(file, str | Path):
        file.seek(0)
    with opened(file) as image:
        tiles: Any = getattr(image, "tile", ())
        setattr(image, "tile", [tile._replace(args=how) for tile in tiles])  # noqa: B010
        return np.asarray(image).astype(np.uint16)
