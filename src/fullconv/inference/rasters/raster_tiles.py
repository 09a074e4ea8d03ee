"""A raster cut into rows of tiles, and what the net says of each row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.bands import Range
from fullconv.data.reading.raster import RGB, Raster, open_raster
from fullconv.errors import UserError
from fullconv.inference.confidence import probability_maps
from fullconv.inference.engines.engine import Engine
from fullconv.inference.photo_engine import PhotoEngine
from fullconv.inference.predictor import Predictor
from fullconv.inference.rasters.geotiff import values_of
from fullconv.inference.tiled_prediction import Tile, Tiling
from fullconv.modalities import ReadOptions, is_of_photo
from fullconv.tiling import Span

BUDGET = 2**30
"""Bytes for the maps of a tile by 'auto': what GDAL and torch leave of 2 GiB, with a reserve."""


class RasterTiles:
    """An open raster cut into rows of tiles, each of which a predictor's engine computes.

    What is kept of each pixel lies behind one another: the class of each output, then, with
    ``probability``, how probable it is (`probability_maps`). ``shape`` is (H, W), or
    (H, W, planes) where there are several.
    """

    def __init__(
        self,
        predictor: Predictor,
        engine: Engine,
        tiling: Tiling,
        raster: Raster,
        probability: bool = False,
    ) -> None:
        self.engine, self.tiling, self.raster = engine, tiling, raster
        self.classes = predictor.classes
        self.softmaxes = predictor.softmaxes if probability else None
        height, width = raster.size
        self.rows = tiling.geometry.spans(height, tiling.length)
        self.columns = tiling.geometry.spans(width, tiling.length)
        self.dtype = values_of(self.classes)
        outputs = len(self.classes.outputs)
        nothing = [self.classes.ignore] * outputs + [0] * (outputs if probability else 0)
        self.nothing = np.array(nothing if len(nothing) > 1 else nothing[0], self.dtype)
        self.shape: tuple[int, ...] = (height, width, *self.nothing.shape)

    @property
    def probability(self) -> bool:
        """Whether probabilities are kept."""
        return self.softmaxes is not None

    def block(
        self, rows: Span, done: Callable[[], object] = lambda: None
    ) -> tuple[npt.NDArray[Any], int]:
        """The kept part of a row of tiles, (n, W) or (n, W, planes), and the number of empty tiles.

        ``done`` is called after each tile.
        """
        height, empty = rows.keep_stop - rows.keep_start, 0
        block = np.empty((height, *self.shape[1:]), self.dtype)
        for columns in self.columns:
            empty += self._fill(block[:, columns.keep], rows, columns)
            done()
        return block, empty

    def _fill(self, target: npt.NDArray[Any], rows: Span, columns: Span) -> bool:
        """Put what is kept of a tile into ``target``; True where it has no pixels."""
        valid = self.raster.valid(rows.keep, columns.keep)
        if valid is not None and not valid.any():
            target[...] = self.nothing
            return True
        values = self._values(self.raster.photo(rows.read, columns.read))
        target[...] = values[rows.inside, columns.inside]
        if valid is not None:
            target[~valid] = self.nothing
        return False

    def _values(self, photo: RGB) -> npt.NDArray[Any]:
        """The classes of a tile, (h, w) or (h, w, planes), with their probabilities if asked."""
        if self.softmaxes is None:
            return self.engine.class_map(photo)
        ((classes, confidence),) = self.engine.confident_maps(photo[None], self.softmaxes)
        grey = probability_maps(classes, confidence, self.softmaxes.decision)
        return np.dstack((classes, grey))


Blocks = Callable[[RasterTiles, Sequence[int]], Iterator[tuple[npt.NDArray[Any], int]]]
"""Computes rows of tiles, named by their numbers, and gives each block in that order."""


@contextmanager
def open_tiles(
    predictor: Predictor,
    source: str | Path,
    tile: Tile | None = None,
    bands: Sequence[int] | None = None,
    span: Range | None = None,
    probability: bool = False,
) -> Iterator[RasterTiles]:
    """A raster opened and cut as `predict_raster` does, during the block."""
    engine, tiling = tiling_for(predictor, tile)
    if probability:
        predictor.check_scores()
    asked = ReadOptions(None if bands is None else tuple(bands), span)
    if asked.bands is not None:
        asked = asked.for_channels(predictor.spec.in_channels)
    read = asked.over(predictor.read_options)
    with open_raster(Path(source), read.bands, read.range, mask=read.mask) as raster:
        yield RasterTiles(predictor, engine, tiling, raster, probability)


def tiling_for(predictor: Predictor, tile: Tile | None) -> tuple[Engine, Tiling]:
    """The predictor's engine, and tiles of ``tile``, or of its own, or by 'auto'.

    Raises UserError for a net that sees more than a photo, and for test-time augmentation.
    """
    further = [kind for kind in predictor.inputs if not is_of_photo(kind)]
    if further:
        raise UserError(
            f"the net sees {', '.join(further)} too; rasters are for nets that see a photo alone",
            "FC-RASTER-013",
        )
    engine = predictor.engine
    if isinstance(engine, PhotoEngine):
        if engine.views:
            raise UserError(
                "rasters go by tiles, which equal the whole only without test-time augmentation: "
                "leave --tta out",
                "FC-RASTER-014",
            )
        tile = tile or (engine.tiling.tile if engine.tiling else None)
        engine = engine.engine
    return engine, Tiling(predictor.spec, tile or "auto", BUDGET, engine.in_blocks)
