"""From a photo to its classes: engines that run a net, the Predictor, and the files it writes."""

from fullconv.predict.engine import Engine, TorchEngine

__all__ = ["Engine", "TorchEngine"]
