"""Label file -> the values that it stores, and their classes; nothing is guessed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data.mask_classes import mask_of
from fullconv.data.reading import image as photo
from fullconv.data.reading.formats import (
    Picture,
    format_of,
    gdal_dataset,
    head_of,
    open_picture,
    opened,
    unreadable,
)
from fullconv.data.reading.orientation import orientation, turned, upright
from fullconv.data.reading.recognize_file import tiff_of
from fullconv.data.reading.sample_depth import deep_mode
from fullconv.data.reading.tiff import LOSSY, NODATA, PALETTE, WHITE_IS_ZERO, Tiff
from fullconv.data.sample import Mask
from fullconv.errors import DataError
from fullconv.modalities import AS_STORED, ReadOptions

_SAVE = "save the masks as PNG with one class number a pixel"
_STEP = {1: 255, 2: 85, 4: 17}
"""What Pillow multiplies grey values of so few bits with, to fill 0 to 255."""


def read_mask(
    file: Picture,
    classes: ClassSet,
    name: str | None = None,
    options: ReadOptions = AS_STORED,
) -> Mask:
    """Read a label image as class values, (H, W); uint8, uint16 with more than 255 classes.

    Palette and grey files (1 to 32 bits) hold the class values themselves, as they are stored; a
    palette's colours are not looked at. RGB files are mapped through ``classes.colors`` and
    ``classes.ignore_color``. An alpha channel must be opaque everywhere; what a mask inside a TIFF
    leaves out is ignored, as is GDAL's nodata value where it is no class. ``options`` have the
    largest size. Raises UserError (DataError) with the likely cause: a value or colour that is no
    class, a lossy format, transparency, several pages, other colour modes, broken files.
    """
    label = name or (str(file) if isinstance(file, str | Path) else "the mask")
    values, stored = _read_stored(file, label, options)
    if stored.white_is_zero:
        _check_inverted(values, stored, classes, label)
    if stored.nodata is not None and not 0 <= stored.nodata < len(classes) and values.ndim == 2:
        values = np.where(values == stored.nodata, classes.ignore, values.astype(np.int64))
    mask = mask_of(values, classes, label)
    if stored.has_mask:
        return _without_masked(mask, file, classes, label)
    return mask


def stored_values(
    file: Picture, name: str | None = None, options: ReadOptions = AS_STORED
) -> npt.NDArray[np.integer]:
    """The values of a label image as they are stored: (H, W), or colors (H, W, 3) uint8.

    For label images whose numbers are explained elsewhere. Raises DataError as ``read_mask`` does,
    but for values that are no class.
    """
    label = name or (str(file) if isinstance(file, str | Path) else "the mask")
    values, stored = _read_stored(file, label, options)
    if stored.white_is_zero and stored.bits == 1:
        raise _inverted(label, stored.format)
    return values


def _read_stored(
    file: Picture, label: str, options: ReadOptions
) -> tuple[npt.NDArray[np.integer], "_Stored"]:
    if (tiff := _tiff_by_gdal(file)) is not None:
        values, nodata = _values_of_gdal(file, label, tiff, options)
        return values, _Stored(8, has_mask=tiff.has_mask, nodata=nodata)
    image = open_picture(file, label)
    photo.check_size((image.height, image.width), label, options)
    photo.check_frames(image, file, label)
    if kind := _lossy(image, file):
        raise DataError(label, f"is a mask in {kind}",
                        f"{kind} changes pixel values, so classes are lost",
                        f"export the masks again as PNG ({_SAVE})", "FC-DATA-009")  # fmt: skip
    stored = _Stored.of(image, file)
    if stored.is_deep and image.mode in ("RGB", "RGBA"):
        raise DataError(label, "is a mask of 16-bit colors", "class numbers saved as 16-bit RGB, "
                        "or as grey with alpha", f"colors of classes have 8 bits: {_SAVE}",
                        "FC-DATA-010")  # fmt: skip
    try:
        return stored.undone(values_of(upright(image), label)), stored
    except Exception as error:
        raise unreadable(file, label, error) from error


def _tiff_by_gdal(file: Picture) -> Tiff | None:
    """The directories of a TIFF that Pillow does not know, or cannot unpack; None for any other."""
    try:
        tiff = tiff_of(file) if format_of(head_of(file, 64)) == "TIFF" else None
        if tiff is None or len(tiff.pages) > 1:
            return None
        if tiff.first.is_packed_for_pillow:
            with opened(file):
                return None
        return tiff
    except Image.UnidentifiedImageError:
        return tiff
    except Exception:  # what is wrong is said when it is opened again
        return None


def _values_of_gdal(
    file: Picture, label: str, tiff: Tiff, options: ReadOptions
) -> tuple[npt.NDArray[np.integer], int | None]:
    """The stored values of such a TIFF, numbers or colors, and its nodata value."""
    photo.check_size(tiff.first.size, label, options)
    content = Path(file) if isinstance(file, str | Path) else photo.content_of(file)
    with gdal_dataset(content, label) as dataset:
        kinds = set(dataset.dtypes)
        is_whole = all(kind.startswith(("int", "uint")) for kind in kinds)
        is_usual = dataset.count == 1 or (dataset.count == 3 and kinds == {"uint8"})
        if not (is_whole and is_usual) or tiff.first.compression in LOSSY:
            what = f"is a TIFF of {dataset.count} bands of {', '.join(sorted(kinds))}"
            raise DataError(label, f"{what}, which cannot hold classes", "", _SAVE, "FC-DATA-012")
        values, nodata = dataset.read(), _whole(dataset.nodata)
    values = values[0] if len(values) == 1 else np.ascontiguousarray(values.transpose(1, 2, 0))
    if values.dtype == np.uint64:
        values = np.minimum(values, np.iinfo(np.int64).max).astype(np.int64)  # no class is so high
    return turned(values, orientation(file)), nodata  # pyright: ignore[reportArgumentType]


def _lossy(image: Image.Image, file: Picture) -> str | None:
    """The name of a format that changes pixel values; None for a file that keeps them."""
    if image.format in ("JPEG", "MPO", "AVIF"):  # of AVIF it cannot be told
        return "JPEG" if image.format == "MPO" else image.format
    if image.format == "WEBP" and b"VP8L" not in head_of(file):
        return "lossy WebP"
    if image.format == "JPEG2000":
        head = head_of(file)
        place = head.find(b"\xff\x52")  # COD: its last byte but the sizes is the transform
        return "lossy JPEG 2000" if head[place + 13 : place + 14] == b"\0" else None
    tiff = tiff_of(file) if image.format == "TIFF" else None
    return "a TIFF compressed by JPEG" if tiff and tiff.first.compression in LOSSY else None


def _nodata(image: Image.Image) -> int | None:
    """The whole number that GDAL calls no pixel in a TIFF."""
    return _whole(str(getattr(image, "tag_v2", {}).get(NODATA)).strip("\0 "))


def _whole(said: str | float | None) -> int | None:
    """A whole number that a file states as text or as a float; None for anything else."""
    try:
        value = float("nan" if said is None else said)
        return int(value) if value == int(value) else None
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class _Stored:
    """How the file of a grey mask holds its values.

    Bits of each, whether 0 is white, whether it has a mask inside, which value is no pixel,
    which is white in a PGM (Pillow stretches the values, so that it becomes 255 or 65535), whether
    8 bits have a sign, and whether the values are those of a palette.
    """

    bits: int
    white_is_zero: bool = False
    is_deep: bool = False
    has_mask: bool = False
    nodata: int | None = None
    white: int | None = None
    format: str | None = None
    is_signed: bool = False
    is_palette: bool = False

    @classmethod
    def of(cls, image: Image.Image, file: Picture) -> "_Stored":
        is_deep = deep_mode(image) is not None
        if image.format == "TIFF" and (tiff := tiff_of(file)):
            page = tiff.first
            inverted = page.photometric == WHITE_IS_ZERO
            is_deep |= page.bits == 16
            return cls(
                page.bits, inverted, is_deep, tiff.has_mask, _nodata(image), None, "TIFF",
                page.is_signed, page.photometric == PALETTE,
            )  # fmt: skip
        tiles = getattr(image, "tile", ())  # of files alone
        packed = tiles[0][3] if tiles else None
        if image.format == "PPM":
            white = packed[-1] if isinstance(packed, tuple) else None
            is_deep = image.mode == "RGB" and white is not None and white > 255
            return cls(1 if image.mode == "1" else 8, image.mode == "1", is_deep, white=white,
                       format="PBM")  # fmt: skip
        narrow = isinstance(packed, str) and packed in ("L;1", "L;2", "L;4")
        return cls(int(packed[-1]) if narrow else 8, False, is_deep)  # pyright: ignore

    def undone(self, values: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """The values as stored, of what Pillow makes of them: (H, W) of up to 8 bits, or others."""
        if self.white is not None and values.ndim == 2:
            top = 255 if values.dtype == np.uint8 else 65535
            return np.rint(values * (self.white / top)).astype(values.dtype)
        if values.ndim != 2 or values.dtype != np.uint8 or self.bits > 8:
            return values
        if self.bits == 1:
            return (1 - values) if self.white_is_zero else values
        if self.is_palette:  # whose numbers Pillow leaves as they are
            return values
        if self.is_signed:
            return values.view(np.int8)
        values = 255 - values if self.white_is_zero else values
        return values // _STEP[self.bits] if self.bits in _STEP else values


def _check_inverted(
    values: npt.NDArray[np.integer], stored: _Stored, classes: ClassSet, label: str
) -> None:
    """DataError for a file in which 0 is white, where its stored values are not surely classes.

    Some programs (ImageJ) store class numbers so, others the values turned round.
    """
    known = (values < len(classes)) | (values == classes.ignore)
    if stored.bits > 1 and known.all() and (values < len(classes)).any():
        return
    raise _inverted(label, stored.format)


def _inverted(label: str, format: str | None) -> DataError:
    said = "a PBM, in which 0 is white"
    if format == "TIFF":
        said = "a TIFF in which 0 is white (PhotometricInterpretation 0, MinIsWhite)"
    return DataError(
        label, f"is {said}, and its stored values are not surely class numbers",
        "a program that stores masks turned round", _SAVE, "FC-DATA-011",
    )  # fmt: skip


def _without_masked(mask: Mask, file: Picture, classes: ClassSet, label: str) -> Mask:
    """``mask`` with what the TIFF's own mask leaves out as ignored."""
    content = Path(file) if isinstance(file, str | Path) else photo.content_of(file)
    with gdal_dataset(content, label) as dataset:
        return np.where(dataset.read_masks(1) > 0, mask, mask.dtype.type(classes.ignore))


def values_of(image: Image.Image, label: str) -> npt.NDArray[np.integer]:
    """What a label image holds: class numbers (H, W), or colours (H, W, 3) uint8."""
    if image.mode in ("RGB", "RGBA"):
        return _without_alpha(image, label)
    return _values(image, label)


def _values(image: Image.Image, label: str) -> npt.NDArray[np.integer]:
    mode = image.mode
    if mode in ("L", "P", "1", "I") or mode.startswith("I;16"):
        return np.array(image, np.uint8) if mode == "1" else np.array(image)
    if mode in ("LA", "PA"):
        return _without_alpha(image, label)[..., 0]
    raise DataError(label, f"colour mode {mode} cannot hold classes", "", _SAVE, "FC-DATA-012")


def _without_alpha(image: Image.Image, label: str) -> npt.NDArray[np.uint8]:
    pixels = np.array(image)
    if image.mode in ("RGB",):
        return pixels
    see_through = int((pixels[..., -1] != 255).sum())
    if see_through:
        raise DataError(label, f"{see_through} transparent pixels", "they carry no certain class",
                        "paint what is unlabelled in the ignore colour, without alpha",
                        "FC-DATA-013")  # fmt: skip
    return pixels[..., :-1]
