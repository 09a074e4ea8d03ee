"""One way to whatever can predict: a run, a checkpoint, foreign weights, an exported file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from fullconv.classes import ClassSet
from fullconv.device import Precision, pick_device, pick_precision
from fullconv.errors import UserError
from fullconv.nets import NetSpec, Preprocessing
from fullconv.nets.winograd import with_winograd
from fullconv.predict.engine import Engine, TorchEngine
from fullconv.predict.onnxruntime_engine import OnnxRuntimeEngine
from fullconv.predict.openvino_engine import OpenVinoEngine
from fullconv.weights import Checkpoint, load

EngineName = Literal["auto", "torch", "winograd", "onnxruntime", "openvino"]
"""'auto' is what the file is for: torch for a run, ONNX Runtime for .onnx, OpenVINO for .xml.
'winograd' is torch with fewer multiplications (`fullconv.nets.winograd`), on a CPU in fp32."""

_ENGINES: dict[str, dict[str, type[OnnxRuntimeEngine] | type[OpenVinoEngine]]] = {
    ".onnx": {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine},
    ".xml": {"openvino": OpenVinoEngine},
}


@dataclass(frozen=True, eq=False)
class Opened:
    """An engine and what its net's file says: structure, classes, preprocessing, origin."""

    engine: Engine
    spec: NetSpec
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any]


def open_engine(
    path: str | Path,
    device: str = "auto",
    precision: Precision = "fp32",
    engine: EngineName = "auto",
) -> Opened:
    """Open what ``path`` names: all that ``weights.load`` takes, and exported files.

    Raises UserError when there is none, when it is damaged, and for an engine that does not run it.
    """
    path = Path(path)
    engines = _ENGINES.get(path.suffix.lower())
    if engines is None or path.is_dir():
        return _in_torch(path, device, precision, engine)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    name = next(iter(engines)) if engine == "auto" else engine
    if name not in engines:
        raise UserError(f"{path}: runs by --engine {' or '.join(engines)}, not {engine}")
    made = engines[name](path, device, precision)
    known = made.description
    return Opened(made, known.spec, known.classes, known.preprocessing, known.origin)


def _in_torch(path: Path, device: str, precision: Precision, engine: str) -> Opened:
    if engine not in ("auto", "torch", "winograd"):
        to = {"onnxruntime": "onnx", "openvino": "openvino"}.get(engine)
        if to is None:
            known = "torch, winograd, onnxruntime or openvino"
            raise UserError(f"engine {engine!r} is unknown: use {known}")
        raise UserError(
            f"{path}: runs by torch; for {engine} export it first: fullconv export {path} --to {to}"
        )
    found = load(path)
    if engine == "winograd":
        made = _by_winograd(found, device, precision)
    else:
        made = TorchEngine(found, device, precision)
    return Opened(made, found.net.spec, found.classes, found.preprocessing, found.origin)


def _by_winograd(found: Checkpoint, device: str, precision: Precision) -> TorchEngine:
    if (
        pick_device(device).type != "cpu"
        or pick_precision(precision, torch.device("cpu")) != "fp32"
    ):
        raise UserError(
            "engine winograd computes in fp32 on a CPU: use --device cpu --precision fp32, or "
            "engine torch"
        )
    net = with_winograd(found.net.eval())
    return TorchEngine((net, found.preprocessing), "cpu", "fp32", found.classes)
