"""From a photo to its classes: engines that run a net, the Predictor, and the files it writes."""

from fullconv.predict.engine import Engine, TorchEngine
from fullconv.predict.files import Outcome, predict, predict_each, predict_files
from fullconv.predict.inputs import Input, find_inputs
from fullconv.predict.predictor import Prediction, Predictor
from fullconv.predict.tiled import Tile, TiledEngine, in_pieces

__all__ = [
    "Engine",
    "Input",
    "Outcome",
    "Prediction",
    "Predictor",
    "Tile",
    "TiledEngine",
    "TorchEngine",
    "find_inputs",
    "in_pieces",
    "predict",
    "predict_each",
    "predict_files",
]
