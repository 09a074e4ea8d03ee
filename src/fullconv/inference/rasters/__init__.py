"""Rasters of any size (GeoTIFF and what else rasterio opens): read, predicted, kept by windows."""

from fullconv.data.reading.recognize_file import is_raster
from fullconv.inference.rasters.job import RasterOutcome, predict_raster, split_rasters

__all__ = [
    "RasterOutcome",
    "is_raster",
    "predict_raster",
    "split_rasters",
]
