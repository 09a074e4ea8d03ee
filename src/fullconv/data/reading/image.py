"""Photo file -> uint8 RGB, whatever the file's own colour mode."""

from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from fullconv.data import sample
from fullconv.data.checks.findings import DataError

_ENDINGS = "jpg jpeg jfif png bmp tif tiff webp gif ppm pgm pbm jp2 avif"
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split(" "))
"""Endings (lower case) of the files taken for pictures."""

PLAIN = frozenset({"L", "1", "CMYK", "YCbCr", "HSV"})
_SWAPS_AXES = frozenset({5, 6, 7, 8})
_ORIENTATION = 0x0112


def read_photo(
    file: str | Path | IO[bytes], name: str | None = None, formats: list[str] | None = None
) -> sample.Image:
    """Read a photo as uint8 RGB, (H, W, 3), turned the way its EXIF orientation says.

    Grey, black-and-white, palette, CMYK, YCbCr and HSV files are converted to RGB; transparent
    parts are laid over white, as viewers show them; 16-bit grey is scaled to 8 bits. ``name``
    replaces the file's name in messages; ``formats`` are the kinds of files that may be read, by
    Pillow's names, all if None. Raises UserError (DataError) naming the file where it is
    missing, truncated, not a picture, an animation, or of a mode that has no certain meaning as
    RGB (32-bit, float, Lab, 16-bit files that hold 12-bit values).
    """
    label = name or (str(file) if isinstance(file, str | Path) else "the picture")
    image = decode(file, label, formats)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise DataError(label, f"{frames} pictures in one file", "an animation or a stack",
                        "save the one that is meant as a file of its own")  # fmt: skip
    return np.array(_to_rgb(image, label))


def rgb_of(image: Image.Image, label: str) -> sample.Image:
    """A picture in memory as uint8 RGB, (H, W, 3), by the same rules as a file."""
    return np.array(_to_rgb(_upright(image), label))


def decode(
    file: str | Path | IO[bytes], label: str, formats: list[str] | None = None
) -> Image.Image:
    """Open and decode a picture, EXIF orientation applied; UserError naming ``label`` if broken."""
    try:
        image = Image.open(file, formats=formats)
        image.load()
        return _upright(image)
    except FileNotFoundError:
        raise DataError(label, "there is no such file", "", "check the name") from None
    except IsADirectoryError:
        raise DataError(label, "is a folder, not a picture") from None
    except Image.DecompressionBombError as error:
        raise DataError(label, f"too large: {error}", "", "cut it into pieces") from error
    except Image.UnidentifiedImageError:
        raise DataError(label, "cannot be read as a picture", "not a picture, or a broken one",
                        "open it in a viewer, then replace or remove it") from None  # fmt: skip
    except Exception as error:  # broken files make Pillow's decoders raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(label, f"cannot be decoded: {reason}", "a truncated or damaged file",
                        "copy it again from its origin, or remove it") from error  # fmt: skip


def _upright(image: Image.Image) -> Image.Image:
    # Copying the frame count and the format: exif_transpose returns a bare image.
    if image.getexif().get(_ORIENTATION, 1) == 1:
        return image
    turned = ImageOps.exif_transpose(image)
    turned.format = image.format
    return turned


def probe(file: Path | IO[bytes], name: str | None = None) -> tuple[int, int]:
    """Height and width of a photo that ``read_photo`` can read, found out in a third of the time.

    All of the file's data is decoded, so a truncated one raises the same UserError.
    """
    try:
        with Image.open(file) as image:
            width, height = image.size
            sideways = image.getexif().get(_ORIENTATION, 1) in _SWAPS_AXES
            # A JPEG at an eighth of its size skips the arithmetic and still reads every byte.
            if image.format == "JPEG" and image.draft("L", (width // 8, height // 8)):
                image.load()
                return (width, height) if sideways else (height, width)
    except Exception:  # read_photo says what it is
        pass
    height, width, _ = read_photo(file, name).shape
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


def size_said(file: Path) -> tuple[int, int] | None:
    """Height and width that a photo's header states, nothing decoded; None where none can be read.

    As the photo is seen: its EXIF orientation counts.
    """
    try:
        with Image.open(file) as image:
            width, height = image.size
            sideways = image.getexif().get(_ORIENTATION, 1) in _SWAPS_AXES
            return (width, height) if sideways else (height, width)
    except Exception:  # the check, or the reader, says what it is
        return None


def orientation(file: Path | IO[bytes]) -> int:
    """The file's EXIF orientation, 1 to 8; 1, which is upright, where it states none of these."""
    try:
        with Image.open(file) as image:
            stated = image.getexif().get(_ORIENTATION, 1)
            return stated if stated in range(1, 9) else 1
    except Exception:  # the check, or the reader, says what it is
        return 1


def stands_sideways(file: Path) -> bool:
    """True where the file's EXIF orientation swaps its height and width."""
    return orientation(file) in _SWAPS_AXES


def _to_rgb(image: Image.Image, label: str) -> Image.Image:
    mode = image.mode
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _over_white(image)
    if mode == "RGB":
        return image
    if mode in PLAIN or mode == "P":
        return image.convert("RGB")
    if mode.startswith("I;16"):
        return _from_16_bits(image, label)
    raise DataError(label, f"colour mode {mode} has no certain meaning as 8-bit RGB", "",
                    "save it as an 8-bit RGB picture")  # fmt: skip


def _over_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    if layer.getchannel("A").getextrema() == (255, 255):
        return layer.convert("RGB")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def _from_16_bits(image: Image.Image, label: str) -> Image.Image:
    grey = np.asarray(image).astype(np.uint32)
    top = int(grey.max(initial=0))
    if 255 < top < 4096:
        raise DataError(label, f"16-bit grey with values up to {top} only, nearly black",
                        "a 10- or 12-bit camera", "scale it to 8 bits and save it")  # fmt: skip
    if top > 255:
        grey = (grey + 128) // 257  # 65535 = 255 * 257
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
