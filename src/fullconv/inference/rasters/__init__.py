"""Rasters of any size (GeoTIFF and what else rasterio opens): read, predicted, kept by windows."""

from fullconv.inference.rasters.job import RasterOutcome, predict_raster
from fullconv.inference.rasters.recognise import is_raster, parted

__all__ = [
    "RasterOutcome",
    "is_raster",
    "parted",
    "predict_raster",
]
