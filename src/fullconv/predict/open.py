"""One way to whatever can predict: a run, a checkpoint, foreign weights, an exported file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fullconv.classes import ClassSet
from fullconv.device import Precision, pick_device
from fullconv.errors import UserError
from fullconv.nets import NetSpec, Preprocessing
from fullconv.predict.description import SCORES
from fullconv.predict.engine import Engine, TorchEngine, winograd_engine
from fullconv.predict.fastest import ENGINES, FastestEngine, Job
from fullconv.predict.prepared import prepared, quiet

EngineName = Literal["auto", "torch", "winograd", "onnxruntime", "openvino"]
"""'auto' is what the file is for: ONNX Runtime for .onnx, OpenVINO for .xml, torch for a run, or,
where a Job says what it is opened for, what is fastest (`FastestEngine`). 'winograd' is torch with
fewer multiplications (`fullconv.nets.winograd`), on a CPU in fp32."""

IN_TORCH = ("torch", "winograd")

_RUNS_BY: dict[str, tuple[str, ...]] = {
    ".onnx": ("onnxruntime", "openvino"),
    ".xml": ("openvino",),
}


@dataclass(frozen=True, eq=False)
class Opened:
    """An engine and what its net's file says: structure, classes, preprocessing, origin.

    ``has_scores`` is False for a graph that gives classes alone.
    """

    engine: Engine
    spec: NetSpec
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any]
    has_scores: bool = True


def open_engine(
    path: str | Path,
    device: str = "auto",
    precision: Precision = "fp32",
    engine: EngineName = "auto",
    job: Job | None = None,
) -> Opened:
    """Open what ``path`` names: all that ``weights.load`` takes, and exported files.

    With ``engine`` 'onnxruntime' or 'openvino' a run is exported first, once: the graph is kept in
    the cache (`fullconv.predict.prepared`). Raises UserError when there is none, when it is
    damaged, and for an engine that does not run it or is not installed.
    """
    path = Path(path)
    names = _RUNS_BY.get(path.suffix.lower())
    if engine not in ("auto", *IN_TORCH, *ENGINES):
        known = ", ".join(("auto", *IN_TORCH, *ENGINES))
        raise UserError(f"engine {engine!r} is unknown: use {known}")
    if names is None or path.is_dir():
        if engine in ENGINES:
            file = prepared(path, engine, job.say if job else quiet)
            return _graph(file, engine, device, precision)
        return _net(path, device, precision, engine, job)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    name = names[0] if engine == "auto" else engine
    if name not in names:
        raise UserError(f"{path}: runs by --engine {' or '.join(names)}, not {engine}")
    return _graph(path, name, device, precision)


def _graph(path: Path, engine: str, device: str, precision: str) -> Opened:
    made = ENGINES[engine](path, device, precision)
    known = made.description
    said = known.spec, known.classes, known.preprocessing, known.origin
    return Opened(made, *said, known.output == SCORES)


def _net(path: Path, device: str, precision: Precision, engine: str, job: Job | None) -> Opened:
    from fullconv.weights import load

    found = load(path)
    if engine == "winograd":
        made = winograd_engine(found, device, precision)
    elif job and engine == "auto" and pick_device(device).type == "cpu":
        made = FastestEngine(path, found, precision, job)
    else:
        made = TorchEngine(found, device, precision)
    return Opened(made, found.net.spec, found.classes, found.preprocessing, found.origin)
