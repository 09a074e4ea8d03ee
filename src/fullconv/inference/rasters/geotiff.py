"""The class map of a raster as a cloud-optimised GeoTIFF, with its colours, names and place.

Written block by block from the top, each block once, because a compressed block that is written
again leaves a hole in the file; then put into the order of a cloud-optimised one, whose head says
where everything is, so that a viewer reads a part of it by few requests. It gets its name when it
is whole.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from fullconv.atomic import sync_folder, write_atomically
from fullconv.classes import ClassSet
from fullconv.data.reading.formats import CACHE
from fullconv.data.reading.raster import Georeference
from fullconv.errors import UserError, printable, reason_of
from fullconv.inference.rasters.qgis_style import write_style

BLOCK = 512
"""Height and width of a block."""
MOST_COLORS = 256
"""Entries of a colour table; class maps with more values have none."""

Rows = Callable[[slice], npt.NDArray[Any]]
"""Gives rows of the class map, (n, W)."""


def write_class_map(
    path: Path, size: tuple[int, int], rows: Rows, classes: ClassSet, where: Georeference
) -> list[Path]:
    """Write a class map of ``size`` (H, W) to ``path``; the paths written.

    One band, uint8, uint16 where a value is above 255, whose nodata value is ``classes.ignore``;
    the names are in the tag CLASSES, as JSON from value to name. Beside it PATH.aux.xml, in which
    GDAL looks for the names, and a style for QGIS (`write_style`). Raises UserError where GDAL
    cannot write it; OSError passes through.
    """
    import rasterio

    part, whole = path.with_name(f"{path.name}.blocks"), path.with_name(f"{path.name}.part")
    try:
        with _gdal_writes(path), rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_PAM_ENABLED=False):
            checksum = 0
            with rasterio.open(part, "w", **_profile(size, classes, where)) as dataset:
                _describe(dataset, classes, where)
                for window in _windows(size):
                    block = np.ascontiguousarray(rows(slice(*window[0])), values_of(classes))
                    checksum = zlib.crc32(block.data, checksum)
                    dataset.write(block, 1, window=window)
            _verify(part, checksum)
            levels = _levels(size)
            if levels:
                _add_overviews(part, levels)
                _verify(part, checksum, levels)
            _put_in_order(part, whole, bool(levels))
            _verify(whole, checksum, levels)
        _sync(whole)
        os.replace(whole, path)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
    names = path.with_name(f"{path.name}.aux.xml")
    write_atomically(names, _category_names(classes))
    return [path, names, *write_style(path, classes)]


@contextmanager
def _gdal_writes(path: Path) -> Iterator[None]:
    """What GDAL raises while ``path`` is written, as a UserError."""
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


def _verify(path: Path, checksum: int, levels: Sequence[int] = ()) -> None:
    """Read all of a file back: where the last bytes cannot be written, GDAL closes it in silence.

    ``checksum`` is the CRC-32 of its rows, ``levels`` its overviews. RasterioError where it is not
    what was written.
    """
    import rasterio
    from rasterio.errors import RasterioError

    with rasterio.open(path) as dataset:
        value, size, there = 0, dataset.shape, len(dataset.overviews(1))
        for window in _windows(size):
            value = zlib.crc32(np.ascontiguousarray(dataset.read(1, window=window)).data, value)
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


def _windows(size: tuple[int, int]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """All rows of a map of ``size`` (H, W), a block high each: (rows, columns)."""
    for top in range(0, size[0], BLOCK):
        yield (top, min(top + BLOCK, size[0])), (0, size[1])


def result_of(stem: Path) -> Path:
    """The GeoTIFF that a raster becomes; ``stem`` is a path without an ending."""
    return Path(f"{stem}.tif")


def values_of(classes: ClassSet) -> np.dtype[Any]:
    """The type that holds all classes and the ignored value."""
    return np.dtype(np.uint8 if len(classes.palette()) == MOST_COLORS else np.uint16)


def _profile(size: tuple[int, int], classes: ClassSet, where: Georeference) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "height": size[0],
        "width": size[1],
        "count": 1,
        "dtype": values_of(classes).name,
        "nodata": classes.ignore,
        "crs": where.crs,
        "transform": where.transform,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "bigtiff": "if_safer",
        "num_threads": "all_cpus",
    }


def _describe(dataset: Any, classes: ClassSet, where: Georeference) -> None:
    """Colours, names, and the kinds of georeference that ``open`` does not take."""
    palette = classes.palette()
    if len(palette) == MOST_COLORS:
        dataset.write_colormap(1, {value: tuple(map(int, c)) for value, c in enumerate(palette)})
    names = {str(value): name for value, name in enumerate(classes.names)}
    dataset.update_tags(CLASSES=json.dumps(names, ensure_ascii=False))
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


def _add_overviews(path: Path, levels: list[int]) -> None:
    """The map at smaller sizes, for viewers; values are picked."""
    import rasterio
    from rasterio.enums import Resampling

    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews(levels, Resampling.nearest)


def _category_names(classes: ClassSet) -> str:
    """The sidecar file of GDAL that names the values."""
    lines = "\n".join(
        f"      <Category>{escape(printable(name))}</Category>" for name in classes.names
    )
    return (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f"{lines}\n    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n"
    )


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
