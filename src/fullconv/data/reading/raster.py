"""A raster file, read window by window: pixels as a photo, and which of them are any."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.bands import Bands, Range, as_photo, chosen
from fullconv.data.reading.formats import gdal_dataset, gdal_errors, opened
from fullconv.data.reading.recognize_file import alpha_is_data
from fullconv.errors import DataError
from fullconv.modalities import ReadOptions
from fullconv.parsing import parser_errors

RGB = npt.NDArray[np.uint8]
Valid = npt.NDArray[np.bool_]

_ORIENTATION = 0x0112
_FOR_VIEWERS = (".ovr", ".aux.xml")
"""Overviews and statistics, which a viewer puts beside a raster when it is looked at."""
_SAMPLED = 512  # pixels a side of the picture that a raster's values are named from
_SPOTS, _SPOT = 6, 128  # so many squares a side, of so many pixels, tell alpha from near infrared


@dataclass(frozen=True)
class Georeference:
    """Where a raster lies on the Earth, as rasterio says it; None and empty where it does not."""

    crs: Any = None
    transform: Any = None
    points: tuple[Sequence[Any], Any] = ((), None)
    rational: Any = None
    area_or_point: str | None = None

    @classmethod
    def of(cls, dataset: Any) -> "Georeference":
        """That of an open raster: system and transform, or ground control points, or RPCs."""
        transform = None if dataset.transform.is_identity else dataset.transform
        return cls(
            dataset.crs, transform, dataset.gcps, dataset.rpcs, dataset.tags().get("AREA_OR_POINT")
        )


class Raster:
    """An open raster as a photo of ``size`` (H, W), called ``name`` in messages.

    ``bands``, ``span`` and ``mask`` are those of `ReadOptions`. Raises DataError where it is
    unclear which bands are the photo, and where they are not of 8 bits and no ``span`` says what is
    black and what is white. An alpha band that holds measured values (`alpha_is_data`), as near
    infrared that GDAL calls so, is no mask.
    """

    def __init__(
        self,
        name: str,
        dataset: Any,
        bands: Sequence[int] | None = None,
        span: Range | None = None,
        mask: int | None = None,
    ) -> None:
        self.name, self.dataset = name, dataset
        self.span = ReadOptions(range=span).range
        self.size: tuple[int, int] = (dataset.height, dataset.width)
        _check_alone(name, dataset)
        meanings = [meaning.name for meaning in dataset.colorinterp]
        self.bands: Bands = chosen(name, meanings, bands, mask)
        if bands is None and self.bands.mask and alpha_is_data(self._spots(self.bands.mask)):
            self.bands = Bands(self.bands.colors)
        self.palette = self._palette(meanings)
        self._check_depth()

    @property
    def georeference(self) -> Georeference:
        """Where it lies."""
        return Georeference.of(self.dataset)

    @property
    def files(self) -> list[Path]:
        """The files that its pixels are in: more than one for a VRT, or with a mask beside."""
        named = {Path(self.name), *(Path(name) for name in self.dataset.files)}
        return sorted(file for file in named if not file.name.endswith(_FOR_VIEWERS))

    def photo(self, rows: slice, columns: slice, size: tuple[int, int] | None = None) -> RGB:
        """A window as uint8 (h, w, channels); with ``size`` (h, w) reduced to that.

        Pixels that are none have whatever value the file gives them.
        """
        bands = list(self.bands.colors)
        shape = None if size is None else (len(bands), *size)
        smoothly = size is not None and self.palette is None
        values = self._read(bands, rows, columns, shape, smoothly)
        if self.palette is not None:
            return self.palette[values[0]]
        return as_photo(values, self.span, self.name)

    def valid(self, rows: slice, columns: slice) -> Valid | None:
        """Where a window has pixels, (h, w); None where it has them everywhere.

        A pixel is none where the mask band, or the mask inside the file, is 0, where all bands
        have the nodata value, and where one is not a number.
        """
        if self.bands.mask is not None:
            return _some(self._read([self.bands.mask], rows, columns)[0] > 0)
        colors = list(self.bands.colors)
        valid = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
        if not all(_says_nothing(self.dataset.mask_flag_enums[band - 1]) for band in colors):
            window = ((rows.start, rows.stop), (columns.start, columns.stop))
            with gdal_errors(self.name):
                valid &= self.dataset.read_masks(colors, window=window).any(0)
        if any(self.dataset.dtypes[band - 1].startswith("float") for band in colors):
            valid &= np.isfinite(self._read(colors, rows, columns)).all(0)
        return _some(valid)

    def _read(
        self,
        bands: list[int],
        rows: slice,
        columns: slice,
        shape: tuple[int, ...] | None = None,
        smoothly: bool = False,
    ) -> npt.NDArray[Any]:
        from rasterio.enums import Resampling

        way = Resampling.average if smoothly else Resampling.nearest
        window = ((rows.start, rows.stop), (columns.start, columns.stop))
        with gdal_errors(self.name):
            return self.dataset.read(bands, window=window, out_shape=shape, resampling=way)

    def _palette(self, meanings: list[str]) -> RGB | None:
        """The colours (256, 3) of the values of a paletted band; None for other bands."""
        band = self.bands.colors[0]
        if len(self.bands.colors) > 1 or meanings[band - 1] != "palette":
            return None
        if self.dataset.dtypes[band - 1] != "uint8":
            raise DataError(self.name, "has a palette of more than 256 colors", "",
                            "save it as 8-bit RGB", "FC-DATA-008")  # fmt: skip
        if self.span:
            return None
        table = np.zeros((256, 3), np.uint8)
        for value, color in self.dataset.colormap(band).items():
            table[value] = color[:3]
        return table

    def _check_depth(self) -> None:
        types = {self.dataset.dtypes[band - 1] for band in self.bands.colors}
        if strange := [name for name in types if "complex" in name]:
            raise DataError(self.name, f"holds {strange[0]} values, which are no picture", "",
                            "save its amplitude", "FC-RASTER-009")  # fmt: skip
        if types == {"uint8"} or self.span is not None:
            return
        raise DataError(
            self.name, f"its values are {', '.join(sorted(types))}, and nets see 8 bits", "",
            "say which values are black and white, as --range 0,4000, or range = [0, 4000] in "
            f"classes.toml{self._spread()}", "FC-RASTER-004",
        )  # fmt: skip

    def samples(self) -> npt.NDArray[Any]:
        """The values of all pixels of the bands that are shown, as stored: (bands, n).

        Without those that are none.
        """
        whole = slice(0, self.size[0]), slice(0, self.size[1])
        values, valid = self._read(list(self.bands.colors), *whole), self.valid(*whole)
        return values.reshape(len(values), -1) if valid is None else values[:, valid]

    def _spots(self, band: int) -> npt.NDArray[Any]:
        """Values of a band from all over the raster; all of a small one, spots of a large one."""
        height, width = self.size
        if max(height, width) <= _SAMPLED * 2:
            return self._read([band], slice(0, height), slice(0, width))
        parts = []
        for top in np.linspace(0, max(height - _SPOT, 0), _SPOTS).astype(int).tolist():
            for left in np.linspace(0, max(width - _SPOT, 0), _SPOTS).astype(int).tolist():
                rows = slice(top, min(top + _SPOT, height))
                columns = slice(left, min(left + _SPOT, width))
                parts.append(self._read([band], rows, columns).ravel())
        return np.concatenate(parts)

    def _sampled(self, bands: list[int]) -> npt.NDArray[Any]:
        """Pixels from all over the raster, (bands, h, w); of a small one all."""
        height, width = self.size
        shape = (len(bands), min(height, _SAMPLED), min(width, _SAMPLED))
        return self._read(bands, slice(0, height), slice(0, width), shape)

    def _spread(self) -> str:
        """What lies between the darkest and the brightest 2% of its pixels, in words."""
        values = self._sampled(list(self.bands.colors))
        values = values[np.isfinite(values)]
        if not values.size:
            return ""
        low, high = np.percentile(values, (2, 98))
        return f" (96% of them lie from {low:.6g} to {high:.6g})"


@contextmanager
def open_raster(
    file: Path | bytes,
    bands: Sequence[int] | None = None,
    span: Range | None = None,
    name: str | None = None,
    mask: int | None = None,
    whole: bool = False,
) -> Iterator[Raster]:
    """The raster of a file, or of its bytes, while the block runs.

    ``name`` replaces the file's in messages; ``whole``: it is read whole, and then turned as its
    EXIF orientation says, which is not done by windows. Raises DataError where it cannot be opened.
    """
    label = name or (str(file) if isinstance(file, Path) else "the raster")
    with gdal_dataset(file, label) as dataset:
        if not whole:
            _check_upright(file, label)
        with parser_errors(label, "cannot be opened as a raster", "FC-RASTER-006",
                           "check it, or save it as a GeoTIFF"):  # fmt: skip
            raster = Raster(label, dataset, bands, span, mask)
        yield raster


def _check_alone(name: str, dataset: Any) -> None:
    """DataError for a file of several rasters."""
    if len(dataset.subdatasets) > 1 or not dataset.count:
        raise DataError(name, f"holds {len(dataset.subdatasets)} rasters", "",
                        "save the one that is meant as a GeoTIFF of its own",
                        "FC-RASTER-010")  # fmt: skip


def _check_upright(file: Path | bytes, name: str) -> None:
    """DataError for a photo that is to be seen turned."""
    try:
        with opened(file if isinstance(file, Path) else io.BytesIO(file)) as image:
            turn = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # what Pillow does not know has no EXIF data
        return
    if turn in range(2, 9):
        raise DataError(name, "its EXIF orientation says that it is to be turned, which is not "
                        "done by windows", "", "save it upright", "FC-RASTER-011")  # fmt: skip


def _says_nothing(flags: Sequence[Any]) -> bool:
    """Whether a band has no mask but an alpha band, which only counts where it is asked for."""
    names = {flag.name for flag in flags}
    return "all_valid" in names or "alpha" in names


def _some(valid: Valid) -> Valid | None:
    return None if valid.all() else valid
