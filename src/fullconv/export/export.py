"""One call: a trained net in, a file for another runtime out, compared with the net before."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch

from fullconv.errors import UserError
from fullconv.export.calibration import Calibration, find_calibration
from fullconv.export.check import Check, check
from fullconv.export.draft import Draft, TorchDraft
from fullconv.export.int8_check import Int8Check, check_int8, refuse
from fullconv.export.onnx_draft import OnnxDraft, onnx_model
from fullconv.export.openvino_draft import OpenVinoDraft, from_onnx, smallest_side
from fullconv.export.program import trace
from fullconv.export.quantise import quantised
from fullconv.predict.description import Description, map_names
from fullconv.predict.graph_engine import missing
from fullconv.weights import Checkpoint, load
from fullconv.weights.hub import hub_file, is_hub_name
from fullconv.weights.open import is_name

Form = Literal["onnx", "openvino", "torch"]
Program = torch.export.ExportedProgram
Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all, of those that int8 is calibrated with."""

ENDINGS: dict[str, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
_NEEDS: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "torch": (),
}
_DRAFTS: dict[str, Callable[[Program, Description], Draft]] = {
    "onnx": lambda program, known: OnnxDraft(onnx_model(program, known)),
    "openvino": lambda program, known: OpenVinoDraft(from_onnx(onnx_model(program, known)), known),
    "torch": TorchDraft,
}


@dataclass(frozen=True)
class Exported:
    """The files written, what they say of themselves, and the comparisons they have passed.

    ``checks`` are those of the fp32 graph; ``int8`` is what the int8 made of it changes.
    """

    paths: list[Path]
    description: Description
    checks: list[Check]
    int8: Int8Check | None = None


def export(
    run: str | Path,
    to: Form = "onnx",
    out: str | Path | None = None,
    size: tuple[int, int] | None = None,
    preprocess: bool = True,
    calibrate: str | Path | None = None,
    accept_drop: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write the net of ``run`` (what ``load`` takes) as a file that runs without fullconv.

    ``to`` is 'onnx' (a .onnx file), 'openvino' (.xml and .bin) or 'torch' (torch.export's .pt2).
    The graph takes any batch, height and width; with ``size`` (H, W) that one, one photo at a time.
    With ``preprocess`` it takes the photo as it is, uint8 RGB N,H,W,3 (float32 N,H,W,C where the
    net has other inputs), else float32 N,C,H,W, prepared as its description says. It gives scores
    before any softmax, float32 N,K,H,W. ``out`` defaults to model.onnx (...) in the run folder, or
    to the file's name; in int8 to model-int8.onnx.

    ``calibrate`` names photos (a folder, a pattern) or a data set, and makes the graph int8:
    ONNX and OpenVINO only. Raises UserError, and writes nothing, where the graph differs from the
    net, or int8 costs too much (`Int8Check.fault`) unless ``accept_drop``.
    """
    if to not in ENDINGS:
        raise UserError(f"{to!r} is no form to export to: use {', '.join(ENDINGS)}")
    int8 = calibrate is not None
    path = place(run, to, int8) if out is None else Path(out)
    _refuse_choices(to, path, size, int8)
    checkpoint = load(run)
    smallest = smallest_side(checkpoint.net.spec) if to == "openvino" else 1
    if size is not None and min(size) < smallest:
        raise UserError(f"size {size[0]}x{size[1]}: OpenVINO runs this net from {smallest} on")
    maps = {} if to == "torch" else map_names(checkpoint.net.spec)
    description = Description.of(checkpoint, size, preprocess, smallest, maps)
    photos = None if calibrate is None else find_calibration(calibrate, description)
    draft = _DRAFTS[to](trace(checkpoint.net, description), description)
    try:
        made = Exported([], description, check(draft, checkpoint.net, description))
        if photos is not None:
            draft, made = _in_int8(draft, made, checkpoint, photos, progress)
            if made.int8 and not accept_drop:
                refuse(made.int8)
    except UserError as fault:
        raise UserError(f"{path}: not written: {fault}") from fault
    try:
        return replace(made, paths=draft.write(path))
    except OSError as fault:
        raise UserError(f"{path}: cannot be written: {fault.strerror or fault}") from fault


def _refuse_choices(to: str, path: Path, size: tuple[int, int] | None, int8: bool) -> None:
    """UserError for what does not go together, or is not installed."""
    if int8 and to == "torch":
        raise UserError("torch runs no int8 graph of this kind: export to openvino or onnx")
    if size is not None and min(size) < 1:
        raise UserError(f"size {size[0]}x{size[1]}: height and width begin at 1")
    if path.suffix.lower() != ENDINGS[to]:
        raise UserError(f"{path}: name it with the ending {ENDINGS[to]}, by which it is recognised")
    for package in (*_NEEDS[to], *(["nncf"] if int8 else [])):
        if find_spec(package) is None:
            missing(package)


def _in_int8(
    draft: Draft,
    made: Exported,
    checkpoint: Checkpoint,
    photos: Calibration,
    progress: Progress | None,
) -> tuple[Draft, Exported]:
    """The int8 form of ``draft``, compared with it, and what it says of itself."""
    count, total = itertools.count(1), len(photos.shown) + len(photos.held_out)

    def each() -> None:
        if progress:
            progress(next(count), total)

    description = replace(made.description, precision="int8")
    int8 = quantised(draft, photos.shown, description, each)
    check(int8, checkpoint.net, description, None)
    found = check_int8(draft, int8, photos, description, each)
    return int8, replace(made, description=description, int8=found)


def place(run: str | Path, to: str, int8: bool = False) -> Path:
    """Where the export of ``run`` goes: into its folder, beside its file, or here for a name."""
    run, ending = Path(run), f"{'-int8' if int8 else ''}{ENDINGS[to]}"
    if run.is_dir():
        return run / f"model{ending}"
    if is_hub_name(run):
        return Path(f"{hub_file(run).repo.rpartition('/')[2]}{ending}")
    if is_name(run):
        return Path(f"{run}{ending}")
    return run.with_name(f"{run.stem}{ending}")
