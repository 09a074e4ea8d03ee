"""Exported nets in OpenVINO."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt

from fullconv.errors import UserError
from fullconv.inference.engines.graph_engine import (
    KEY,
    GraphEngine,
    describe,
    missing,
    opened_by,
    opening,
)
from fullconv.inference.engines.onnxruntime_engine import change_since_export
from fullconv.inference.export_metadata import INPUT
from fullconv.inference.open_predictor import OpenedNet

HINTS = {"fp32": "f32", "bf16": "bf16"}


def open_openvino(path: str | Path, device: str = "auto", precision: str = "fp32") -> OpenedNet:
    """Open an exported file."""
    return opened_by(OpenVinoEngine(path, device, precision))


class OpenVinoEngine(GraphEngine):
    """Runs a ``.xml`` (with its ``.bin``) or a ``.onnx`` file of `fullconv export`.

    ``device`` is 'auto' (the CPU), or one that OpenVINO finds here; ``precision`` as
    `fullconv.device.Precision`, bf16 only where the device computes in it. Raises UserError for a
    file that is not of this project, and where openvino is missing.
    """

    def __init__(self, path: str | Path, device: str = "auto", precision: str = "fp32") -> None:
        path = Path(path)
        core = core_of()
        change = change_since_export(path)
        with opening(path, change):
            model = read_model(core, path)
            description = describe(path, _text(model))
            names = tuple(description.maps.values())
            short = ending_at(model, names) if names else None
            self.compiled = compiled(core, short or model, device, precision)
        exact = device.upper() in ("AUTO", "CPU") and not self._rounds()
        super().__init__(path, description, names if short else None, exact, change)

    def _rounds(self) -> bool:
        """Whether it computes in bf16."""
        return self.compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16"

    @property
    def runtime(self) -> str:
        return "OpenVINO"

    def run(self, batch: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        outputs = self.compiled({INPUT: batch})
        return [outputs[name] for name in self.outputs]


def ending_at(model: Any, names: Collection[str]) -> Any:
    """The part of a model that gives these tensors; None where it has not got them all."""
    from openvino import Model

    tensors = {name: t for op in model.get_ops() for t in op.outputs() for name in t.get_names()}
    if not tensors.keys() >= set(names):
        return None
    return Model([tensors[name] for name in names], model.get_parameters(), KEY)  # pyright: ignore


def core_of() -> Any:
    """OpenVINO's core, one for the process; UserError when it is not installed."""
    try:
        import openvino  # noqa: F401
    except ImportError:
        missing("openvino")
    return _core()


@cache
def _core() -> Any:
    # Never freed: a core that ends in another thread than the one it began in, or before an older
    # one, leaves its freed memory behind as the stack for signals (exporting.quantize).
    from openvino import Core

    return Core()


def read_model(core: Any, path: Path) -> Any:
    """The model in a file; UserError when it cannot be read."""
    beside = path.with_suffix(".bin")
    if path.suffix == ".xml" and not beside.is_file():
        raise UserError(f"{beside}: is missing; {path.name} needs it, copy both", "FC-PREDICT-012")
    try:
        return core.read_model(str(path))
    except RuntimeError as error:
        raise UserError(
            f"{path}: OpenVINO cannot read it; export it again", "FC-PREDICT-012"
        ) from error


def compiled(core: Any, model: Any, device: str = "auto", precision: str = "fp32") -> Any:
    """The model ready to run; its precision is set, as OpenVINO would take bf16 by itself."""
    place = "CPU" if device == "auto" else device.upper()
    if place not in core.available_devices:
        known = ", ".join(core.available_devices)
        raise UserError(f"device {device!r}: OpenVINO finds {known} here", "FC-PREDICT-011")
    rounds = "BF16" in core.get_property(place, "OPTIMIZATION_CAPABILITIES")
    if precision == "auto":
        precision = "bf16" if rounds else "fp32"
    if precision not in HINTS:
        raise UserError(
            f"precision {precision!r} is unknown: use auto, fp32 or bf16", "FC-PREDICT-011"
        )
    if precision == "bf16" and not rounds:
        raise UserError(
            f"this {place} does not compute in bf16: use --precision fp32", "FC-PREDICT-011"
        )
    return core.compile_model(model, place, {"INFERENCE_PRECISION_HINT": HINTS[precision]})


def _text(model: Any) -> str | None:
    """The description: OpenVINO files have it under its key, ONNX's metadata one level lower."""
    for place in ([KEY], ["framework", KEY]):
        if model.has_rt_info(place):
            return model.get_rt_info(place).astype(str)
    return None
