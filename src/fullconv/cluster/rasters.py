"""Rows of windows of a raster, computed by the workers of a cluster and put together here."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.cluster.connection import ClusterOptions
from fullconv.cluster.workers import Reply, replies
from fullconv.inference.engines.registry import Say
from fullconv.inference.predictor import Predictor
from fullconv.inference.rasters.raster_tiles import Blocks, RasterTiles, open_tiles
from fullconv.inference.storage.predictor_options import PredictorOptions


def blocks_by_cluster(cluster: ClusterOptions, options: PredictorOptions, say: Say) -> Blocks:
    """A function that computes the rows of tiles for `predict_raster` in other processes.

    The raster must have the same path on each machine.
    """

    def blocks(tiles: RasterTiles, rows: Sequence[int]) -> Iterator[tuple[Any, int]]:
        source = str(Path(tiles.raster.name).resolve())
        common = {
            "source": source,
            "tile": tiles.tiling.tile,
            "probability": tiles.probability,
        }
        items = [{**common, "row": row} for row in rows]
        for reply in replies(cluster, options, compute_row, items, say, in_order=True):
            shape = -1, *tiles.shape[1:]
            yield np.frombuffer(reply["block"], tiles.dtype).reshape(shape), reply["empty"]

    return blocks


def compute_row(predictor: Predictor, item: dict[str, Any]) -> Iterator[Reply]:
    """A worker's part: what is kept of one row of tiles."""
    opened = open_tiles(predictor, item["source"], item["tile"], probability=item["probability"])
    with opened as tiles:
        block, empty = tiles.block(tiles.rows[item["row"]])
    yield {"block": block.tobytes(), "empty": empty}
