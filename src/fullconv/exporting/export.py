"""One call: a trained net in, a file for another runtime out, compared with the net before."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch

from fullconv.checkpoints import Checkpoint, load
from fullconv.checkpoints.golden import picture
from fullconv.checkpoints.hub import hub_file, is_hub_name
from fullconv.checkpoints.open_weights import is_name
from fullconv.errors import UserError
from fullconv.exporting.calibration_photos import Calibration, find_calibration
from fullconv.exporting.onnx_graph import OnnxGraph, onnx_model
from fullconv.exporting.openvino_graph import OpenVinoGraph, from_onnx, smallest_side
from fullconv.exporting.quantize import quantized_graph
from fullconv.exporting.torch_graph import TorchGraph, UnsavedGraph, in_half, trace
from fullconv.exporting.verify import Check, check, refuse_nan
from fullconv.exporting.verify_int8 import Int8Check, UnsavedGraphEngine, check_int8, refuse
from fullconv.exporting.web.page import WebPage, refuse_net
from fullconv.exporting.web.runtime import Runtime, fetch_runtime, read_runtime
from fullconv.files.write_targets import check_target
from fullconv.inference.engines.graph_engine import missing
from fullconv.inference.export_metadata import (
    CLASSES,
    MOST_CLASSES,
    SCORES,
    Description,
    Output,
    map_names,
)
from fullconv.modalities import AS_STORED, ReadOptions
from fullconv.models.backbones.definition import PREFIX
from fullconv.python_arguments import as_path

Form = Literal["onnx", "openvino", "torch", "web"]
Program = torch.export.ExportedProgram
Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all, of those that int8 is calibrated with."""

ENDINGS: dict[str, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2", "web": ".html"}
_NEEDS: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "torch": (),
    "web": ("onnx", "onnxscript", "onnxruntime"),
}
WELL_KEPT, KNOWN_LESS = 0.99, 0.03
"""Where an export keeps fewer pixels of the built-in picture than the first, it may later keep that
share less the second (`Golden.least`): other runtimes and processors round elsewhere."""

_MAKERS: dict[str, Callable[[Program, Description], UnsavedGraph]] = {
    "onnx": lambda program, known: OnnxGraph(onnx_model(program, known)),
    "openvino": lambda program, known: OpenVinoGraph(from_onnx(onnx_model(program, known)), known),
    "torch": TorchGraph,
    "web": lambda program, known: OnnxGraph(onnx_model(program, known)),
}


@dataclass(frozen=True)
class Exported:
    """The files written, their description, and the comparisons with the net that they passed.

    ``checks`` are those of the fp32 or fp16 graph; ``int8`` compares the int8 graph with that.
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
    output: Output = SCORES,
    half: bool = False,
    options: ReadOptions = AS_STORED,
) -> Exported:
    """Write the net of ``run`` (what ``load`` takes) as a file that runs without fullconv.

    ``to`` is 'onnx' (a .onnx file), 'openvino' (.xml and .bin), 'torch' (torch.export's .pt2) or
    'web' (an .html page with the ONNX graph and ONNX Runtime Web in it, which a browser opens).
    The graph takes any batch, height and width; with ``size`` (H, W) that one, one photo at a time.
    With ``preprocess`` it takes the photo as it is, uint8 RGB N,H,W,3 (float32 N,H,W,C where the
    net has other inputs), else float32 N,C,H,W, prepared as its description says. It gives scores
    before any softmax, float32 N,K,H,W; with ``output`` 'classes' the best class of each pixel,
    uint8 N,H,W (with several outputs N,H,W,outputs), for at most 255 classes. ``out`` defaults to
    model.onnx (model-int8.onnx, model-half.onnx, model-classes.onnx, ...) in the run folder, or to
    the file's name.

    ``calibrate`` names photos (a folder, a pattern) or a data set, and makes the graph int8;
    ``options`` say how these are read, where not as in the training;
    ``half`` gives it weights of 16 bits, with which ONNX computes too. Not for torch.
    Raises UserError, and writes nothing, where the graph differs from the net by more than
    `verify.TOLERANCES`, or int8 costs too much (`Int8Check.error`) unless ``accept_drop``.
    """
    if to not in ENDINGS:
        raise UserError(
            f"{to!r} is no form to export to: use {', '.join(ENDINGS)}"
            + ("; for the file: out=" if str(to).endswith(tuple(ENDINGS.values())) else ""),
            "FC-EXPORT-001",
        )
    if output not in (SCORES, CLASSES):
        raise UserError(f"output {output!r} is unknown: use {SCORES} or {CLASSES}", "FC-EXPORT-001")
    as_path(run, "run")
    int8 = calibrate is not None
    path = default_path(run, to, int8, half, output) if out is None else as_path(out, "out")
    choices = _Choices(run, to, path, size, output, int8, half)
    _check_choices(choices)
    check_target(path)
    checkpoint = load(run)
    _check_net(checkpoint, choices)
    description = _description(checkpoint, choices, preprocess)
    # Before the long work: this may be a download that fails.
    runtime = _web_runtime(description, run) if to == "web" else None
    photos = None if calibrate is None else find_calibration(calibrate, description, options)
    try:
        unsaved, exported = _checked_graph(checkpoint, description, choices)
        if photos is not None:
            unsaved, exported = _in_int8(unsaved, exported, checkpoint, photos, progress)
            if exported.int8 and not accept_drop:
                refuse(exported.int8)
        unsaved, exported = _with_lower_golden(unsaved, exported)
        if runtime is not None:
            assert isinstance(unsaved, OnnxGraph)
            unsaved = WebPage(unsaved, exported.description, runtime)
    except UserError as error:
        raise UserError(f"{path}: not written: {error}", error.code) from error
    try:
        return replace(exported, paths=unsaved.write(path))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}", "FC-FILE-002"
        ) from error


@dataclass(frozen=True)
class _Choices:
    """The arguments of `export` that decide the graph and its file."""

    run: str | Path
    to: Form
    path: Path
    size: tuple[int, int] | None
    output: Output
    int8: bool
    half: bool


def _check_choices(choices: _Choices) -> None:
    """UserError for options that cannot be combined, or need a package that is not installed."""
    to, path, size, int8, half = choices.to, choices.path, choices.size, choices.int8, choices.half
    if int8 and half:
        raise UserError("--int8 and --half are two precisions: choose one", "FC-EXPORT-001")
    if (int8 or half) and to == "torch":
        kind = "int8" if int8 else "float16"
        raise UserError(
            f"torch runs no {kind} graph of this kind: export to openvino or onnx", "FC-EXPORT-001"
        )
    if size is not None and min(size) < 1:
        raise UserError(f"size {size[0]}x{size[1]}: height and width begin at 1", "FC-EXPORT-007")
    if path.suffix.lower() != ENDINGS[to]:
        raise UserError(
            f"{path}: name it with the ending {ENDINGS[to]}, by which it is recognised",
            "FC-EXPORT-002",
        )
    for package in _NEEDS[to]:
        if find_spec(package) is None:
            missing(package, "quantize" if int8 else "export")
    if int8 and find_spec("nncf") is None:
        missing("nncf", "quantize")


def _check_net(checkpoint: Checkpoint, choices: _Choices) -> None:
    """UserError for a net that cannot be exported with these options."""
    run, size = choices.run, choices.size
    if choices.half and checkpoint.net.spec.backbone.startswith(PREFIX):
        raise UserError(
            f"{run}: --half is not for nets of timm, whose norms float16 may not hold",
            "FC-EXPORT-001",
        )
    if choices.output == CLASSES and len(checkpoint.classes) > MOST_CLASSES:
        raise UserError(
            f"{run}: has {len(checkpoint.classes)} classes, and a graph that gives classes has "
            f"{MOST_CLASSES} at most (uint8): export without --output classes",
            "FC-EXPORT-007",
        )
    smallest = _smallest_side(checkpoint, choices)
    if size is not None and min(size) < smallest:
        raise UserError(
            f"size {size[0]}x{size[1]}: OpenVINO runs this net from {smallest} on", "FC-EXPORT-007"
        )


def _smallest_side(checkpoint: Checkpoint, choices: _Choices) -> int:
    """The smallest height and width that the graph takes."""
    return smallest_side(checkpoint.net.spec) if choices.to == "openvino" else 1


def _description(checkpoint: Checkpoint, choices: _Choices, preprocess: bool) -> Description:
    named_maps = choices.to != "torch" and choices.output != CLASSES
    return Description.of(
        checkpoint,
        choices.size,
        preprocess,
        _smallest_side(checkpoint, choices),
        map_names(checkpoint.net.spec) if named_maps else {},
        "fp16" if choices.half else "fp32",
        choices.output,
    )


def _web_runtime(description: Description, run: str | Path) -> Runtime:
    """ONNX Runtime Web; UserError for a net that the page cannot run."""
    refuse_net(description, run)
    return read_runtime(fetch_runtime())


def _checked_graph(
    checkpoint: Checkpoint, description: Description, choices: _Choices
) -> tuple[UnsavedGraph, Exported]:
    """The graph in fp32 or fp16, compared with the net."""
    net = checkpoint.net
    refuse_nan(net.cpu().eval(), description)
    # OpenVINO halves its weights itself, and computes in the precision that suits the device.
    traced = in_half(net) if choices.half and choices.to != "openvino" else net
    unsaved = _MAKERS[choices.to](trace(traced, description), description)
    return unsaved, Exported([], description, check(unsaved, net, description))


def _in_int8(
    unsaved: UnsavedGraph,
    exported: Exported,
    checkpoint: Checkpoint,
    photos: Calibration,
    progress: Progress | None,
) -> tuple[UnsavedGraph, Exported]:
    """The int8 form of ``unsaved``, compared with it, and its description."""
    count, total = itertools.count(1), len(photos.shown) + len(photos.held_out)

    def photo_done() -> None:
        if progress:
            progress(next(count), total)

    description = replace(exported.description, precision="int8")
    int8 = quantized_graph(unsaved, photos.shown, description, photo_done)
    check(int8, checkpoint.net, description)
    int8_check = check_int8(unsaved, int8, photos, description, photo_done)
    return int8, replace(exported, description=description, int8=int8_check)


def _with_lower_golden(unsaved: UnsavedGraph, exported: Exported) -> tuple[UnsavedGraph, Exported]:
    """``unsaved``; where its rounding changes the golden picture, with the share that it keeps."""
    known, golden = exported.description, exported.description.golden
    if known.precision == "fp32" or golden is None:
        return unsaved, exported
    assert isinstance(unsaved, OnnxGraph | OpenVinoGraph)
    image = picture(known.preprocessing.inputs, golden.size)
    same = golden.compare(UnsavedGraphEngine(unsaved, known).class_map(image)).same
    if same >= WELL_KEPT:
        return unsaved, exported
    known = replace(known, golden=replace(golden, least=round(same - KNOWN_LESS, 3)))
    return unsaved.redescribed(known), replace(exported, description=known)


def default_path(
    run: str | Path, to: str, int8: bool = False, half: bool = False, output: Output = SCORES
) -> Path:
    """The default path of an export: in the run folder, beside the file, or here for a name."""
    kinds = ("-int8" if int8 else "") + ("-half" if half else "")
    run, ending = Path(run), f"{kinds}{'-classes' if output == CLASSES else ''}{ENDINGS[to]}"
    if run.is_dir():
        return run / f"model{ending}"
    if is_hub_name(run):
        return Path(f"{hub_file(run).repo.rpartition('/')[2]}{ending}")
    if is_name(run):
        return Path(f"{run}{ending}")
    return run.with_name(f"{run.stem}{ending}")
