"""A band as a cloud-optimised GeoTIFF that appears when it is complete and has been read back.

Written block by block from the top, each block once, because a compressed block that is written
again leaves a hole in the file; then put into the order of a cloud-optimised one, whose head says
where everything is, so that a viewer reads a part of it by few requests. It gets its name when it
is whole.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.formats import CACHE
from fullconv.data.reading.raster import Georeference
from fullconv.errors import UserError, reason_of
from fullconv.files.atomic import sync_folder

BLOCK = 512
"""Height and width of a block."""

Rows = Callable[[slice], npt.NDArray[Any]]
"""Gives rows of the band, (n, W)."""
Resampling = Literal["nearest", "average"]


@dataclass(frozen=True)
class Band:
    """A band to write: its ``rows``, ``size`` (H, W) and ``dtype``.

    ``nodata`` is the value of pixels that are none. Where every value means something it is None,
    ``rows`` gives masked arrays, and the file has a mask inside. ``describe`` is handed the open
    dataset, for colours and tags. Overviews are made by ``resampling``.
    """

    size: tuple[int, int]
    dtype: np.dtype[Any]
    rows: Rows
    nodata: int | None
    describe: Callable[[Any], object]
    resampling: Resampling = "nearest"

    @property
    def has_mask(self) -> bool:
        """Whether the file has a mask inside, in place of a nodata value."""
        return self.nodata is None


def write_cloud_optimised(path: Path, band: Band, where: Georeference) -> None:
    """Write ``band`` to ``path``, one block row in memory at a time.

    Raises UserError where GDAL cannot write it; OSError passes through.
    """
    import rasterio

    part, whole = path.with_name(f"{path.name}.blocks.part"), path.with_name(f"{path.name}.part")
    options = {"GDAL_CACHEMAX": CACHE, "GDAL_PAM_ENABLED": False, "GDAL_TIFF_INTERNAL_MASK": True}
    try:
        with _gdal_writes(path), rasterio.Env(**options):
            checksum = _write_blocks(part, band, where)
            _verify(part, band, checksum)
            levels = _levels(band.size)
            if levels:
                _add_overviews(part, levels, band.resampling)
                _verify(part, band, checksum, levels)
            _put_in_order(part, whole, bool(levels))
            _verify(whole, band, checksum, levels)
        _sync(whole)
        os.replace(whole, path)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def _gdal_writes(path: Path) -> Iterator[None]:
    """Exceptions of GDAL while ``path`` is written, as a UserError."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        raise UserError(
            f"{path}: cannot be written ({reason_of(error)}): a full disk, or a limit of a file's "
            "size (ulimit -f); make room, or name a place on another disk",
            "FC-FILE-002",
        ) from error


def _write_blocks(path: Path, band: Band, where: Georeference) -> int:
    """Write the band as a plain GeoTIFF; the CRC-32 of its values, and of its mask."""
    import rasterio

    checksum = 0
    with rasterio.open(path, "w", **_profile(band, where)) as dataset:
        band.describe(dataset)
        _place(dataset, where)
        for window in _windows(band.size):
            values = band.rows(slice(*window[0]))
            block = np.ascontiguousarray(np.ma.filled(values, 0), band.dtype)
            checksum = zlib.crc32(block.data, checksum)
            dataset.write(block, 1, window=window)
            if band.has_mask:
                mask = np.where(np.ma.getmaskarray(values), np.uint8(0), np.uint8(255))
                checksum = zlib.crc32(mask.data, checksum)
                dataset.write_mask(mask, window=window)
    return checksum


def _verify(path: Path, band: Band, checksum: int, levels: Sequence[int] = ()) -> None:
    """Read all of a file back: where the last bytes cannot be written, GDAL closes it in silence.

    ``checksum`` is that of `_write_blocks`, ``levels`` its overviews. RasterioError where it is not
    what was written.
    """
    import rasterio
    from rasterio.errors import RasterioError

    with rasterio.open(path) as dataset:
        value, size, there = 0, dataset.shape, len(dataset.overviews(1))
        for window in _windows(size):
            value = zlib.crc32(np.ascontiguousarray(dataset.read(1, window=window)).data, value)
            if band.has_mask:
                mask = dataset.read_masks(1, window=window)
                value = zlib.crc32(np.ascontiguousarray(mask).data, value)
    if value != checksum or there != len(levels):
        raise RasterioError("what was read back is not what was written")
    for index, level in enumerate(levels):
        with rasterio.open(path, OVERVIEW_LEVEL=index) as dataset:
            # Not GDAL's factors: of a map that is one pixel wide it gives 1.
            if dataset.shape != (ceil(size[0] / level), ceil(size[1] / level)):
                raise RasterioError("an overview is missing")
            for (row, column), window in dataset.block_windows(1):
                if not dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1):
                    raise RasterioError("a block of an overview is missing")
                dataset.read(1, window=window)
                if band.has_mask:
                    dataset.read_masks(1, window=window)


def _windows(size: tuple[int, int]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """All rows of a map of ``size`` (H, W), a block high each: (rows, columns)."""
    for top in range(0, size[0], BLOCK):
        yield (top, min(top + BLOCK, size[0])), (0, size[1])


def _profile(band: Band, where: Georeference) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "height": band.size[0],
        "width": band.size[1],
        "count": 1,
        "dtype": band.dtype.name,
        "nodata": band.nodata,
        "crs": where.crs,
        "transform": where.transform,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "bigtiff": "if_safer",
        "num_threads": "all_cpus",
    }


def _place(dataset: Any, where: Georeference) -> None:
    """The kinds of georeference that ``open`` does not take."""
    if where.area_or_point:
        dataset.update_tags(AREA_OR_POINT=where.area_or_point)
    if where.points[0]:
        dataset.gcps = where.points
    if where.rational:
        dataset.rpcs = where.rational


def _put_in_order(blocks: Path, path: Path, overviews: bool) -> None:
    """Copy a GeoTIFF to ``path``, cloud-optimised: the heads of all its pictures come first."""
    import rasterio.shutil

    rasterio.shutil.copy(
        blocks, path, driver="COG", compress="DEFLATE", blocksize=BLOCK, bigtiff="IF_SAFER",
        overviews="FORCE_USE_EXISTING" if overviews else "NONE", num_threads="ALL_CPUS",
    )  # fmt: skip


def _levels(size: tuple[int, int]) -> list[int]:
    """How much smaller the overviews are: halved again and again until a map is a block."""
    return [2**power for power in range(1, 32) if max(size) > BLOCK * 2 ** (power - 1)]


def _add_overviews(path: Path, levels: list[int], resampling: Resampling) -> None:
    """The band at smaller sizes, for viewers."""
    import rasterio
    from rasterio import enums

    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews(levels, enums.Resampling[resampling])


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
