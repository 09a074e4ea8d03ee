"""A raster file, read window by window: pixels as a photo, and which of them are any."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError
from fullconv.inference.rasters.bands import Bands, Range, as_photo, check_span, chosen

RGB = npt.NDArray[np.uint8]
Valid = npt.NDArray[np.bool_]

_FOR_VIEWERS = (".ovr", ".aux.xml")
"""Overviews and statistics, which a viewer puts beside a raster when it is looked at."""
CACHE = 2**28
"""The most bytes of decoded blocks that GDAL keeps; its own choice is 5% of the memory."""


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
    """An open raster as a photo of ``size`` (H, W).

    ``bands`` and ``span`` are what the user asked for (`bands.chosen`, `bands.as_photo`). Raises
    UserError where the file cannot be opened, where it is unclear which bands are the photo, and
    where they are not of 8 bits and no ``span`` says what is black and what is white.
    """

    def __init__(
        self,
        path: Path,
        dataset: Any,
        bands: Sequence[int] | None = None,
        span: Range | None = None,
    ) -> None:
        check_span(span)
        self.path, self.dataset, self.span = path, dataset, span
        self.size: tuple[int, int] = (dataset.height, dataset.width)
        _check_alone(path, dataset)
        meanings = [meaning.name for meaning in dataset.colorinterp]
        self.bands: Bands = chosen(str(path), meanings, bands)
        self.palette = self._palette(meanings)
        self._check_depth()

    @property
    def georeference(self) -> Georeference:
        """Where it lies."""
        return Georeference.of(self.dataset)

    @property
    def files(self) -> list[Path]:
        """The files that its pixels are in: more than one for a VRT, or with a mask beside."""
        named = {self.path, *(Path(name) for name in self.dataset.files)}
        return sorted(file for file in named if not file.name.endswith(_FOR_VIEWERS))

    def photo(self, rows: slice, columns: slice, size: tuple[int, int] | None = None) -> RGB:
        """A window as uint8 RGB (h, w, 3); with ``size`` (h, w) reduced to that.

        Pixels that are none have whatever value the file gives them.
        """
        bands = list(self.bands.colors)
        shape = None if size is None else (len(bands), *size)
        smoothly = size is not None and self.palette is None
        values = self._read(bands, rows, columns, shape, smoothly)
        if self.palette is not None:
            return self.palette[values[0]]
        return as_photo(values, self.span)

    def valid(self, rows: slice, columns: slice) -> Valid | None:
        """Where a window has pixels, (h, w); None where it has them everywhere.

        A pixel is none where the mask band, or the mask inside the file, is 0, where all bands
        have the nodata value, and where one is not a number.
        """
        if self.bands.mask is not None:
            return _some(self._read([self.bands.mask], rows, columns)[0] > 0)
        colors = list(self.bands.colors)
        found = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
        if not all(_says_nothing(self.dataset.mask_flag_enums[band - 1]) for band in colors):
            window = ((rows.start, rows.stop), (columns.start, columns.stop))
            with self._reading():
                found &= self.dataset.read_masks(colors, window=window).any(0)
        if any(self.dataset.dtypes[band - 1].startswith("float") for band in colors):
            found &= np.isfinite(self._read(colors, rows, columns)).all(0)
        return _some(found)

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
        with self._reading():
            return self.dataset.read(bands, window=window, out_shape=shape, resampling=way)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        from rasterio.errors import RasterioError

        try:
            yield
        except RasterioError as error:
            raise UserError(
                f"{self.path}: cannot be read to its end ({_reason(error)}); truncated or damaged, "
                "copy it again from its origin"
            ) from error

    def _palette(self, meanings: list[str]) -> RGB | None:
        """The colours (256, 3) of the values of a paletted band; None for other bands."""
        band = self.bands.colors[0]
        if len(self.bands.colors) > 1 or meanings[band - 1] != "palette" or self.span:
            return None
        table = np.zeros((256, 3), np.uint8)
        for value, color in self.dataset.colormap(band).items():
            table[value] = color[:3]
        return table

    def _check_depth(self) -> None:
        types = {self.dataset.dtypes[band - 1] for band in self.bands.colors}
        if strange := [name for name in types if "complex" in name]:
            raise UserError(f"{self.path}: holds {strange[0]} values, which are no picture")
        if types == {"uint8"} or self.span is not None:
            return
        raise UserError(
            f"{self.path}: its values are {', '.join(sorted(types))}, and nets see 8 bits: say "
            f"which values are black and white, as --range 0,4000{self._seen()}"
        )

    def _seen(self) -> str:
        """What lies between the darkest and the brightest 2% of its pixels, in words."""
        height, width = self.size
        shape = (len(self.bands.colors), min(height, 512), min(width, 512))
        values = self._read(list(self.bands.colors), slice(0, height), slice(0, width), shape)
        values = values[np.isfinite(values)]
        if not values.size:
            return ""
        low, high = np.percentile(values, (2, 98))
        return f" (96% of them lie from {low:.6g} to {high:.6g})"


@contextmanager
def open_raster(
    path: Path, bands: Sequence[int] | None = None, span: Range | None = None
) -> Iterator[Raster]:
    """The raster of a file, while the block runs; UserError where it cannot be opened."""
    rasterio = needed(path)
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=CACHE):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(path)
        except RasterioError as error:
            raise UserError(
                f"{path}: cannot be opened as a raster ({_reason(error)}); check the file, or save "
                "it as a GeoTIFF"
            ) from error
        with dataset:
            yield Raster(path, dataset, bands, span)


def needed(path: Path) -> Any:
    """The package rasterio; UserError where it is not installed."""
    try:
        import rasterio
    except ImportError:
        raise UserError(
            f"{path}: is a raster, georeferenced or too large or deep for a photo, which is read "
            "by rasterio: pip install 'fullconv[large]'"
        ) from None
    return rasterio


def _check_alone(path: Path, dataset: Any) -> None:
    """UserError for a file of several rasters, and for a photo that is to be seen turned."""
    if len(dataset.subdatasets) > 1 or not dataset.count:
        raise UserError(
            f"{path}: holds {len(dataset.subdatasets)} rasters; save the one that is meant as a "
            "GeoTIFF of its own"
        )
    if dataset.tags().get("EXIF_Orientation", "1") != "1":
        raise UserError(
            f"{path}: its EXIF orientation says that it is to be turned, which is not done by "
            "windows; save it upright"
        )


def _says_nothing(flags: Sequence[Any]) -> bool:
    """Whether a band has no mask but an alpha band, which only counts where it is asked for."""
    names = {flag.name for flag in flags}
    return "all_valid" in names or "alpha" in names


def _some(valid: Valid) -> Valid | None:
    return None if valid.all() else valid


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
