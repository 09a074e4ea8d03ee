"""How the photos of a data set are read: what its class file says, and what its photos show."""

import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.formats import format_of, head_of, opened
from fullconv.data.reading.raster import open_raster
from fullconv.data.reading.recognize_file import by_gdal
from fullconv.data.reading.sample_depth import deep_mode, deep_samples
from fullconv.errors import DataError, UserError
from fullconv.modalities import AS_STORED, ReadOptions
from fullconv.parsing import decode_text

CLASS_FILE = "classes.toml"
BITS = (8, 10, 12, 14, 16)
"""How many bits cameras give."""
DARK = 1 / 8
"""Where 99% of all values lie below this share of the range, pictures are nearly black."""


def options_of(data: Path, classes: str | Path | None = None) -> ReadOptions:
    """What the class file of a data set says of its photos: ``bands = [4, 3, 2]``, ``range``.

    ``classes`` is a class file to use instead of the data's own, which says what that leaves open.
    Raises DataError for values that are none.
    """
    own = _options_in((data if data.is_dir() else data.parent) / CLASS_FILE)
    return own if classes is None else _options_in(Path(classes)).over(own)


def _options_in(file: Path) -> ReadOptions:
    if file.suffix.lower() != ".toml" or not os.path.isfile(file):
        return AS_STORED
    try:
        content = tomllib.loads(decode_text(file.read_bytes()))
    except (OSError, ValueError, RecursionError):  # whoever reads the classes says
        return AS_STORED
    bands, span = _bands(file, content.get("bands")), _range(file, content.get("range"))
    try:
        return ReadOptions(bands, span)
    except UserError as error:
        raise UserError(f"{file}: {error}", error.code) from None


def _bands(file: Path, value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not _is_list_of(value, int) or not value or min(value) < 1:
        raise DataError(file, f"bands = {str(value)[:80]} is no list of numbers from 1", "",
                        "write bands = [3, 2, 1]", "FC-RASTER-001")  # fmt: skip
    return tuple(value)


def _range(file: Path, value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        if not _is_list_of(value, int | float):
            raise TypeError
        return ReadOptions(range=tuple(map(float, value))).range
    except (UserError, TypeError, OverflowError):
        raise DataError(
            file, f"range = {str(value)[:80]} is not a lower and a higher value", "",
            "write range = [0, 4095], or such a pair for each band", "FC-RASTER-002",
        ) from None  # fmt: skip


def _is_list_of(value: Any, kind: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, kind) and not isinstance(each, bool) for each in value
    )


def measured_range(
    files: Sequence[Path],
    options: ReadOptions = AS_STORED,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[tuple[float, float] | None, str]:
    """The range of all photos of 16 bits among ``files``, and a line that says so; None: none is.

    It is 0 to the white of the fewest bits (8, 10, 12, 14 or 16) that hold the largest value of
    all. Files that cannot be read, and those of other types than uint16, are left out: their reader
    says what is wrong.
    """
    counts, photos = np.zeros(2**16, np.int64), 0
    for number, file in enumerate(files, 1):
        samples = _samples(file, options) if may_be_deep(file) else None
        if progress:
            progress(number, len(files))
        if samples is not None:
            photos += 1
            counts += np.bincount(samples.ravel(), minlength=2**16)
    if not photos:
        return None, ""
    top = int(np.flatnonzero(counts)[-1]) if counts.any() else 0
    bits = next(bits for bits in BITS if top < 2**bits)
    white = 2**bits - 1
    line = (
        f"{photos} photos of 16 bits, values up to {top}: read as {bits} bits, range 0,{white} "
        "(to choose another: --range LOW,HIGH, or range in classes.toml)"
    )
    high = int(np.searchsorted(counts.cumsum(), 0.99 * counts.sum()))
    if high < DARK * white:
        line += (
            f"; 99% of the values are at most {high}, so --range 0,{max(high, 1)} may suit better"
        )
    return (0.0, float(white)), line


def agreed(asked: ReadOptions, own: ReadOptions, trained: ReadOptions, data: str) -> ReadOptions:
    """How photos are read: as ``asked``, else as the data's ``own`` file says, or as in training.

    Raises UserError where the last two contradict each other.
    """
    for what, option in (("bands", "--bands"), ("range", "--range")):
        said, learned, open_here = (getattr(each, what) for each in (own, trained, asked))
        if open_here is None and said and learned and said != learned:
            here, there = (",".join(f"{v:g}" for v in each) for each in (said, learned))
            raise UserError(
                f"{data}: its class file says {what} {here}, the net was trained with {there}: say "
                f"which with {option}",
                "FC-RASTER-016",
            )
    return asked.over(trained).over(own)


def may_be_deep(file: Path) -> bool:
    """Whether the first bytes leave open that a photo has more than 8 bits."""
    try:
        head = head_of(file, 64)
    except (OSError, ValueError):
        return False
    name = format_of(head)
    if name == "PNG":
        return len(head) > 24 and head[24] == 16  # IHDR: bit depth
    return name not in ("JPEG", "GIF", "BMP", "WEBP", "AVIF", "HEIC")


def _samples(file: Path, options: ReadOptions) -> npt.NDArray[np.uint16] | None:
    """The 16-bit samples of a photo that are shown; None for one without, or broken."""
    try:
        if by_gdal(file, ""):
            with open_raster(file, options.bands, (0, 1), None, options.mask, True) as raster:
                values = raster.samples()
            return values if values.dtype == np.uint16 else None
        image = opened(file)
        return None if deep_mode(image) is None else deep_samples(file, image, str(file))
    except Exception:  # the check, or the reader, says what it is
        return None
