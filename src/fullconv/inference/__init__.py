"""From a photo to its classes: engines that run a net, the Predictor, and the files it writes.

The names below load what they need when they are first used, so that the registry of engines can
be read (for help and completion) without torch.
"""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.inference.batch_predict import PhotoResult, predict, predict_each, predict_files
    from fullconv.inference.engines.engine import Engine
    from fullconv.inference.engines.graph_engine import ChangedExportWarning
    from fullconv.inference.engines.onnxruntime_engine import OnnxRuntimeEngine
    from fullconv.inference.engines.openvino_engine import OpenVinoEngine
    from fullconv.inference.engines.torch_engine import TorchEngine
    from fullconv.inference.multilabel_prediction import MultilabelPrediction
    from fullconv.inference.open_predictor import DisagreementWarning, OpenedNet, open_engine
    from fullconv.inference.photo_engine import PhotoEngine, with_tiles, with_tta
    from fullconv.inference.photos.find_photos import Input, find_inputs
    from fullconv.inference.prediction import Prediction
    from fullconv.inference.predictor import Predictor
    from fullconv.inference.tiled_prediction import Tile, Tiling
    from fullconv.inference.tta import TTA, Views, parse_tta
    from fullconv.inference.video import VideoOutcome, predict_video

__all__ = [
    "TTA",
    "ChangedExportWarning",
    "DisagreementWarning",
    "Engine",
    "Input",
    "MultilabelPrediction",
    "OnnxRuntimeEngine",
    "OpenVinoEngine",
    "OpenedNet",
    "PhotoEngine",
    "PhotoResult",
    "Prediction",
    "Predictor",
    "Tile",
    "Tiling",
    "TorchEngine",
    "VideoOutcome",
    "Views",
    "find_inputs",
    "open_engine",
    "parse_tta",
    "predict",
    "predict_each",
    "predict_files",
    "predict_video",
    "with_tiles",
    "with_tta",
]

_HOME = {
    "batch_predict": ("PhotoResult", "predict", "predict_each", "predict_files"),
    "engines.engine": ("Engine",),
    "engines.onnxruntime_engine": ("OnnxRuntimeEngine",),
    "engines.openvino_engine": ("OpenVinoEngine",),
    "engines.torch_engine": ("TorchEngine",),
    "photos.find_photos": ("Input", "find_inputs"),
    "open_predictor": ("DisagreementWarning", "OpenedNet", "open_engine"),
    "multilabel_prediction": ("MultilabelPrediction",),
    "photo_engine": ("PhotoEngine", "with_tiles", "with_tta"),
    "prediction": ("Prediction",),
    "predictor": ("Predictor",),
    "engines.graph_engine": ("ChangedExportWarning",),
    "tiled_prediction": ("Tiling", "Tile"),
    "tta": ("TTA", "Views", "parse_tta"),
    "video.job": ("VideoOutcome", "predict_video"),
}
__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
