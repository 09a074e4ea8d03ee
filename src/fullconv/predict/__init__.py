"""From a photo to its classes: engines that run a net, the Predictor, and the files it writes."""

from fullconv.predict.engine import Engine, TorchEngine
from fullconv.predict.fastest import FastestEngine, Job
from fullconv.predict.files import Outcome, pixels_in_all, predict, predict_each, predict_files
from fullconv.predict.inputs import Input, find_inputs
from fullconv.predict.onnxruntime_engine import OnnxRuntimeEngine
from fullconv.predict.open import EngineName, Opened, open_engine
from fullconv.predict.openvino_engine import OpenVinoEngine
from fullconv.predict.predictor import Prediction, Predictor
from fullconv.predict.proof import DisagreementWarning
from fullconv.predict.tiled import Tile, TiledEngine, in_pieces
from fullconv.predict.tta import TTA, TTAEngine, parse_tta, with_tta

__all__ = [
    "TTA",
    "DisagreementWarning",
    "Engine",
    "EngineName",
    "FastestEngine",
    "Input",
    "Job",
    "OnnxRuntimeEngine",
    "OpenVinoEngine",
    "Opened",
    "Outcome",
    "Prediction",
    "Predictor",
    "TTAEngine",
    "Tile",
    "TiledEngine",
    "TorchEngine",
    "find_inputs",
    "in_pieces",
    "open_engine",
    "parse_tta",
    "pixels_in_all",
    "predict",
    "predict_each",
    "predict_files",
    "with_tta",
]
