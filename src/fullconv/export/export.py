"""One call: a trained net in, a file for another runtime out, compared with the net before."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch

from fullconv.errors import UserError
from fullconv.export.check import Check, check
from fullconv.export.draft import Draft, TorchDraft
from fullconv.export.onnx_draft import OnnxDraft, onnx_model
from fullconv.export.openvino_draft import OpenVinoDraft, smallest_side
from fullconv.export.program import trace
from fullconv.predict.description import Description, map_names
from fullconv.predict.graph_engine import missing
from fullconv.weights import load
from fullconv.weights.open import is_name

Form = Literal["onnx", "openvino", "torch"]
Program = torch.export.ExportedProgram

ENDINGS: dict[str, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
_NEEDS: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "torch": (),
}
_DRAFTS: dict[str, Callable[[Program, Description], Draft]] = {
    "onnx": lambda program, known: OnnxDraft(onnx_model(program, known)),
    "openvino": lambda program, known: OpenVinoDraft(onnx_model(program, known), known),
    "torch": TorchDraft,
}


@dataclass(frozen=True)
class Exported:
    """The files written, what they say of themselves, and the comparisons they have passed."""

    paths: list[Path]
    description: Description
    checks: list[Check]


def export(
    run: str | Path,
    to: Form = "onnx",
    out: str | Path | None = None,
    size: tuple[int, int] | None = None,
    preprocess: bool = True,
) -> Exported:
    """Write the net of ``run`` (what ``load`` takes) as a file that runs without fullconv.

    ``to`` is 'onnx' (a .onnx file), 'openvino' (.xml and .bin) or 'torch' (torch.export's .pt2).
    The graph takes any batch, height and width; with ``size`` (H, W) that one, one photo at a time.
    With ``preprocess`` it takes the photo as it is, uint8 RGB N,H,W,3 (float32 N,H,W,C where the
    net has other inputs), else float32 N,C,H,W, prepared as its description says. It gives scores
    before any softmax, float32 N,K,H,W. ``out`` defaults to model.onnx (...) in the run folder, or
    to the file's name. Raises UserError, and writes nothing, where the graph differs from the net.
    """
    if to not in ENDINGS:
        raise UserError(f"{to!r} is no form to export to: use {', '.join(ENDINGS)}")
    if size is not None and min(size) < 1:
        raise UserError(f"size {size[0]}x{size[1]}: height and width begin at 1")
    path = place(run, to) if out is None else Path(out)
    if path.suffix.lower() != ENDINGS[to]:
        raise UserError(f"{path}: name it with the ending {ENDINGS[to]}, by which it is recognised")
    for package in _NEEDS[to]:
        if find_spec(package) is None:
            missing(package)
    checkpoint = load(run)
    smallest = smallest_side(checkpoint.net.spec) if to == "openvino" else 1
    if size is not None and min(size) < smallest:
        raise UserError(f"size {size[0]}x{size[1]}: OpenVINO runs this net from {smallest} on")
    maps = {} if to == "torch" else map_names(checkpoint.net.spec)
    description = Description.of(checkpoint, size, preprocess, smallest, maps)
    draft = _DRAFTS[to](trace(checkpoint.net, description), description)
    try:
        checks = check(draft, checkpoint.net, description)
    except UserError as fault:
        raise UserError(f"{path}: not written: {fault}") from fault
    try:
        return Exported(draft.write(path), description, checks)
    except OSError as fault:
        raise UserError(f"{path}: cannot be written: {fault.strerror or fault}") from fault


def place(run: str | Path, to: str) -> Path:
    """Where the export of ``run`` goes: into its folder, beside its file, or here for a name."""
    run = Path(run)
    if run.is_dir():
        return run / f"model{ENDINGS[to]}"
    if is_name(run):
        return Path(f"{run}{ENDINGS[to]}")
    return run.with_suffix(ENDINGS[to])
