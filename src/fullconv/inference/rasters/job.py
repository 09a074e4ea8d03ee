"""A raster predicted by windows: rows of tiles, each put on the disk before the next one begins.

The classes of a row of tiles go to a raw file (`partial`), from which the GeoTIFF is written when
all are there. So the memory does not grow with the raster, a killed prediction resumes after the
last row of tiles that is on the disk, and a result is whole or not there.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv import visualize
from fullconv.classes import ClassSet
from fullconv.classes.class_set import Output
from fullconv.data.reading.bands import Range
from fullconv.data.reading.recognize_file import is_raster
from fullconv.download.cache import exclusive
from fullconv.errors import UserError, printable
from fullconv.inference.multilabel_prediction import mask_stems
from fullconv.inference.net_checksums import net_checksums
from fullconv.inference.photos.find_photos import Input
from fullconv.inference.predictor import Predictor
from fullconv.inference.rasters.geotiff import (
    probability_result_of,
    result_of,
    values_of,
    write_class_map,
    write_probability_map,
)
from fullconv.inference.rasters.partial import Job, Partial
from fullconv.inference.rasters.preview import picked, reduced, write_preview
from fullconv.inference.rasters.raster_tiles import Blocks, RasterTiles, open_tiles
from fullconv.inference.tiled_prediction import Tile
from fullconv.version import __version__
from fullconv.visualize import Legend


@dataclass(frozen=True)
class RasterOutcome:
    """A predicted raster of ``size`` (H, W): the files written, and the work.

    Of its ``tiles``, ``earlier`` were on the disk before, ``empty`` have no pixels and were left
    out, and the others were computed.
    """

    written: tuple[Path, ...]
    size: tuple[int, int]
    tiles: int
    earlier: int
    empty: int


def predict_raster(
    predictor: Predictor,
    source: str | Path,
    stem: str | Path,
    *,
    tile: Tile | None = None,
    bands: Sequence[int] | None = None,
    span: Range | None = None,
    overlay: bool = True,
    alpha: float = 0.6,
    legend: Legend = "below",
    probability: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda note: None,
    blocks: Blocks | None = None,
) -> RasterOutcome:
    """Predict a raster of any size and write its class map to STEM.tif, a GeoTIFF.

    The classes are those of the whole raster predicted at once, to rounding; pixels without data
    (nodata, masked) get the ignored value of the classes. ``tile`` is the longest side of a tile,
    None the predictor's; 'auto', and None for a predictor without tiles, is the longest for which
    the process should stay below 2 GiB. ``bands`` and ``span`` are the bands and the range of
    `ReadOptions`, else the predictor's; one band more than the net has inputs is the mask.
    ``report`` is called with the tiles done and the tiles of this call; ``say`` with a line about
    an earlier call's work, or a costly ``tile``. With ``overlay``, STEM_overlay.jpg is a picture of
    at most 2000 pixels a side. With ``probability``, STEM_probability.tif has the probability of
    each pixel's class, 0 to 255 (`write_probability_map`), as STEM_probability.png of a photo. The
    further outputs of a net are STEM_OUTPUT.tif, overlapping classes STEM_CLASS.tif. ``blocks``
    computes the rows of tiles in other processes. Raises UserError for a raster that cannot be read
    or is ambiguous, where the disk is too full, and for probabilities from an exported file without
    scores.
    """
    target = result_of(Path(stem))
    with open_tiles(predictor, source, tile, bands, span, probability) as raster_tiles:
        raster = raster_tiles.raster
        if raster_tiles.tiling.warning:
            say(raster_tiles.tiling.warning)
        path = target.with_name(f"{target.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(path):
                work = _RasterJob(predictor, raster_tiles, path)
                work.start(say)
                empty = work.run(report, blocks)
                written = work.write(Path(stem), alpha if overlay else None, legend)
                work.partial.remove()
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{target}: cannot be written: {reason}", "FC-FILE-002") from error
    return RasterOutcome(tuple(written), raster.size, work.tiles, work.earlier, empty)


def split_rasters(inputs: Sequence[Input]) -> tuple[list[Input], list[Input]]:
    """The ``inputs`` that are photos, and those that are rasters.

    Raises UserError where the result of a raster would overwrite an input.
    """
    whole = [entry for entry in inputs if entry.file and not entry.frames]
    rasters = [entry for entry in whole if entry.file and is_raster(entry.file)]
    taken = set(rasters)
    photos = [entry for entry in inputs if entry not in taken]
    files = {entry.file.resolve() for entry in inputs if entry.file}
    for entry in rasters:
        result = result_of(entry.result)
        if result.resolve() in files:
            raise UserError(
                f"{result}: the result would overwrite this raster; choose another --out",
                "FC-RASTER-012",
            )
    return photos, rasters


def refuse_result_clashes(
    rasters: Sequence[Input], inputs: Sequence[Input], classes: ClassSet, probability: bool
) -> None:
    """UserError where two of the GeoTIFFs of ``rasters`` would be one, or replace an input."""
    results = [
        result
        for entry in rasters
        for stem in output_stems(entry.result, classes)
        for result in [result_of(stem), *([probability_result_of(stem)] if probability else [])]
    ]
    files = {entry.file.resolve() for entry in inputs if entry.file}
    times = Counter(result.resolve() for result in results)
    for result in results:
        if times[result.resolve()] > 1 or result.resolve() in files:
            raise UserError(
                f"{printable(str(result))}: the result would overwrite a raster, or the result of "
                "another one; choose another --out, or predict in two calls",
                "FC-RASTER-012",
            )


def output_stems(stem: Path, classes: ClassSet) -> list[Path]:
    """The stems of the results: one for each output, or for each of overlapping classes."""
    if classes.is_overlapping and len(classes) > 1:
        return [Path(f"{stem}_{name}") for name in mask_stems(classes.names)]
    return [stem, *(Path(f"{stem}_{output.name}") for output in classes.outputs[1:])]


class _RasterJob:
    """The prediction of one raster: the tiles that are left, and the finished rows."""

    def __init__(self, predictor: Predictor, raster_tiles: RasterTiles, path: Path) -> None:
        self.raster_tiles, self.raster = raster_tiles, raster_tiles.raster
        self.classes, self.borders = predictor.classes, predictor.borders
        self.rows, self.columns = raster_tiles.rows, raster_tiles.columns
        self.dtype = raster_tiles.dtype
        job = _job(predictor, raster_tiles)
        self.partial = Partial(path, raster_tiles.shape, self.dtype, job)
        self.left = [rows for rows in self.rows if rows.keep_stop > self.partial.rows]

    @property
    def tiles(self) -> int:
        """The number of tiles in all."""
        return len(self.rows) * len(self.columns)

    @property
    def earlier(self) -> int:
        """The number of tiles that an earlier call has finished."""
        return (len(self.rows) - len(self.left)) * len(self.columns)

    def start(self, say: Callable[[str], None]) -> None:
        """Print how much an earlier call has done; UserError where the disk is too full."""
        partial = self.partial
        if partial.stale:
            say(f"{partial.path}: has {', '.join(partial.stale)}, so it starts anew")
        elif partial.rows:
            say(f"{partial.path}: resuming after {self.earlier} of {self.tiles} tiles")
        whole = partial.shape[0] * partial.row_bytes
        need = whole + whole // 2 - partial.rows * partial.row_bytes  # raw, and compressed twice
        free = shutil.disk_usage(partial.path.parent).free
        if need > free:
            raise UserError(
                f"{self.raster.name}: needs about {need >> 20} MiB on the disk while it is "
                f"predicted, {partial.path.parent} has {free >> 20}; choose another --out",
                "FC-RASTER-015",
            )

    def run(self, report: Callable[[int, int], None], blocks: Blocks | None) -> int:
        """Predict the tiles that are left, here or by ``blocks``; the number of empty ones."""
        done = empty = 0
        total = len(self.left) * len(self.columns)

        def count(tiles: int = 1) -> None:
            nonlocal done
            done += tiles
            report(done, total)

        report(0, total)
        if blocks is None:
            computed = (self.raster_tiles.block(rows, count) for rows in self.left)
        else:
            first = len(self.rows) - len(self.left)
            computed = blocks(self.raster_tiles, range(first, len(self.rows)))
        for block, without in computed:
            self.partial.append(block)
            empty += without
            if blocks is not None:
                count(len(self.columns))
        return empty

    def write(self, stem: Path, alpha: float | None, legend: Legend) -> list[Path]:
        """Write the results; without ``alpha`` no picture."""
        written: list[Path] = []
        stems = output_stems(stem, self.classes)
        for index, output in enumerate(self.classes.outputs):
            written += write_class_map(
                result_of(stems[index]),
                self.raster.size,
                lambda rows, index=index: self._output(self.partial.read(rows), index),
                output.classes,
                self.raster.georeference,
            )
            if self.raster_tiles.probability:
                written.append(self._write_probability(stems[index], index, output))
        return written if alpha is None else written + list(self._previews(stem, alpha, legend))

    def _previews(self, stem: Path, alpha: float, legend: Legend) -> Iterator[Path]:
        height, width = self.raster.size
        small = picked(self.partial.read, self.raster.size)
        photo = self.raster.photo(slice(0, height), slice(0, width), reduced(self.raster.size))
        for index, output in enumerate(self.classes.outputs):
            mask = self._output(small, index)
            path = Path(f"{output_stems(stem, self.classes)[index]}_overlay.jpg")
            shown = visualize.as_photo(photo)
            yield write_preview(path, shown, mask, output.classes, alpha, self.borders, legend)

    def _write_probability(self, stem: Path, index: int, output: Output) -> Path:
        named = f" {output.classes.names[1]}" if output.is_sigmoid else " the class"
        return write_probability_map(
            probability_result_of(stem),
            self.raster.size,
            lambda rows: self._probability(self.partial.read(rows), index),
            f"probability of{named}",
            self.raster.georeference,
        )

    def _probability(self, values: npt.NDArray[Any], index: int) -> npt.NDArray[np.uint8]:
        """The probability of an output's class, (n, W), masked where the raster has no pixels."""
        grey = values[..., len(self.classes.outputs) + index].astype(np.uint8)
        return np.ma.masked_array(grey, values[..., index] == self.classes.ignore)

    def _output(self, values: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
        """The class map (n, W) of an output; its own classes begin at 0."""
        first = self.classes.outputs[index].lowest
        plane = values if values.ndim == 2 else values[..., index]
        own = np.where(plane == self.classes.ignore, plane, plane - self.dtype.type(first))
        return own.astype(values_of(self.classes.outputs[index].classes))


def _job(predictor: Predictor, tiles: RasterTiles) -> Job:
    """All that decides the classes of a raster and the files beside them."""
    raster, precision = tiles.raster, getattr(tiles.engine, "precision", "fp32")
    thresholds = predictor.classes.thresholds
    return {
        "net": net_checksums(predictor.path),
        "engine": f"{predictor.engine_name} {precision}",
        "source": [_identity(file) for file in raster.files],
        "bands": [*raster.bands.colors, raster.bands.mask],
        "range": list(raster.span or ()),
        "tile": tiles.tiling.length,
        "choice of --probability": tiles.probability,
        "version": __version__,
        **({"thresholds": list(thresholds)} if thresholds else {}),
    }


def _identity(file: Path) -> list[str | int]:
    """Values that change when a file does: a raster is too large for a checksum."""
    try:
        status = file.stat()
    except OSError:  # GDAL also names what is no file on this disk
        return [str(file)]
    return [str(file.resolve()), status.st_size, status.st_mtime_ns]
