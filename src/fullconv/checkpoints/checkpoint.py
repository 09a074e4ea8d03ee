"""The checkpoint: one safetensors file that says all that is needed to predict with it.

Its header holds, under the key ``fullconv``, JSON with the format's version, the net, the classes
with colours, the preprocessing, where the weights come from and what the net makes of a built-in
picture. Nothing in it is ever executed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullconv.checkpoints.checkpoint_file import (
    FORMAT,
    KEY,
    read_arrays,
    read_header,
    write_tensors,
)
from fullconv.checkpoints.golden import SAVE_AGAIN, Golden, golden_of
from fullconv.checkpoints.temperature import HEADER, Calibration
from fullconv.classes import ClassSet
from fullconv.errors import UserError, printable, reason_of
from fullconv.models import FCN, NetSpec, Preprocessing, build
from fullconv.models.analysis.cost import meta_net
from fullconv.models.backbones.definition import MissingPackage
from fullconv.parsing import parser_errors

FILE = "model.safetensors"
ORIGIN_KINDS = {"photos": dict, "weights": list, "data": str, "warning": str, "step": int}
"""Types of what a training and a conversion put into the origin; anything else is free."""


@dataclass(repr=False)
class Checkpoint:
    """A net and what belongs to its weights. ``origin`` is free: recipe, step, scores, data.

    ``golden`` is what the file that it was read from says of a built-in picture
    (`fullconv.checkpoints.golden`); None in older files and foreign ones. ``calibration`` has the
    temperatures of its probabilities; None before `fullconv.calibrate`.
    """

    net: FCN
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any] = field(default_factory=dict)
    golden: Golden | None = None
    calibration: Calibration | None = None

    def __repr__(self) -> str:
        spec = self.net.spec
        inputs = "+".join(self.preprocessing.inputs)
        return (
            f"Checkpoint({spec.name}, {spec.classes} classes, {inputs}, padding {spec.padding}, "
            f"{sum(p.numel() for p in self.net.parameters()) / 1e6:.1f} M parameters)"
        )

    def _repr_html_(self) -> str:
        """In a notebook: the net, its classes in their colours, and where it comes from."""
        names = zip(self.classes.names, self.classes.colors, strict=True)
        chips = " ".join(
            f'<span style="border-left:1em solid rgb{color};padding:0 .4em">{escape(name)}</span>'
            for name, color in list(names)[:64]
        )
        origin = "; ".join(
            f"{key}: {value}" for key, value in self.origin.items() if isinstance(value, str | int)
        )
        facts = escape(repr(self)), chips, escape(printable(origin, 400))
        return "".join(f"<p>{fact}</p>" for fact in facts)


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` whole or not at all; OSError passes through.

    With what its net makes of the built-in picture now: one forward, which leaves no trace.
    """
    net, classes, preprocessing = checkpoint.net, checkpoint.classes, checkpoint.preprocessing
    golden = golden_of(net, classes, preprocessing)
    header = header_of(
        net.spec, classes, preprocessing, checkpoint.origin, golden, checkpoint.calibration
    )
    write_tensors(path, net.state_dict(), {KEY: json.dumps(header)})


def header_of(
    spec: NetSpec,
    classes: ClassSet,
    preprocessing: Preprocessing,
    origin: dict[str, Any],
    golden: Golden | None = None,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """The header of a checkpoint, as plain JSON types."""
    header = {
        "format": FORMAT,
        "net": spec.to_dict(),
        "classes": classes.to_dict(),
        "preprocessing": preprocessing.to_dict(),
        "origin": origin,
    }
    if golden is not None:
        header["golden"] = golden.to_dict()
    if calibration is not None:
        header[HEADER] = calibration.to_dict()
    return header


def load(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """The checkpoint in ``path``, a file or a run folder; the net is in evaluation mode.

    Raises UserError when the file is missing, truncated, not fullconv's, of a newer format, its
    checksum differs, or its arrays do not fit the net that its header describes. That is found out
    by shapes alone: a header cannot make this allocate more than the file holds.
    """
    path = find(path)
    header, shapes = read_header(path)
    net = fitting_net(path, header, shapes)
    return assembled(path, header, read_arrays(path), net, device)


def fitting_net(path: Path, header: dict[str, Any], shapes: Mapping[str, Tensor]) -> FCN:
    """The net that ``header`` describes, on the `meta` device; UserError unless arrays fit it."""
    if header.get("kind"):
        kind = printable(str(header["kind"]), 80)
        raise UserError(
            f"{path}: is a {kind}, not a net; name the folder of the run", "FC-WEIGHTS-008"
        )
    spec, _, _ = described(path, header)
    with parser_errors(path, "its header describes no net", "FC-WEIGHTS-003", SAVE_AGAIN):
        net = meta_net(spec)
    check_fit(path, net.state_dict(), shapes)
    return net


def assembled(
    path: Path,
    header: dict[str, Any],
    tensors: dict[str, Tensor],
    net: FCN,
    device: str | torch.device = "cpu",
) -> Checkpoint:
    """``net``, as `fitting_net` has given it, with the arrays of ``path``; in evaluation mode."""
    spec, classes, preprocessing = described(path, header)
    own = net.state_dict()
    # Copies: those of the file lie in its pages, which another program could cut off.
    net.load_state_dict({n: t.to(own[n].dtype, copy=True) for n, t in tensors.items()}, assign=True)
    if any(tensor.is_meta for tensor in net.buffers()):  # timm's nets have some beside their state
        net = build(spec)
        net.load_state_dict(tensors)
    golden = Golden.from_header(path, header)
    calibration = Calibration.from_header(header, len(classes.outputs))
    origin = _origin(header)
    return Checkpoint(net.to(device).eval(), classes, preprocessing, origin, golden, calibration)


def described(path: Path, header: dict[str, Any]) -> tuple[NetSpec, ClassSet, Preprocessing]:
    """The net, classes and preprocessing in a header; UserError for a damaged one."""
    try:
        with parser_errors(path, "its header is damaged", "FC-WEIGHTS-003", SAVE_AGAIN):
            spec = NetSpec.from_dict(header["net"])
            classes = ClassSet.from_dict(header["classes"])
            preprocessing = Preprocessing.from_dict(header["preprocessing"])
            _refuse_contradictions(spec, classes, preprocessing)
            _origin(header)
            Calibration.from_header(header, len(classes.outputs))
    except MissingPackage as error:
        raise UserError(f"{path}: {error}", error.code) from error
    except UserError as error:
        if error.code == "FC-WEIGHTS-003":
            raise
        reason = reason_of(error)
        raise UserError(
            f"{path}: its header is damaged ({reason}); {SAVE_AGAIN}", "FC-WEIGHTS-003"
        ) from error
    return spec, classes, preprocessing


def _refuse_contradictions(spec: NetSpec, classes: ClassSet, preprocessing: Preprocessing) -> None:
    """ValueError where the parts of a header do not belong together."""
    if spec.padding == "none":
        raise ValueError("padding 'none'")
    if len(classes) != spec.classes:
        raise ValueError(f"it names {len(classes)} classes and a net of {spec.classes}")
    if len(preprocessing.mean) != spec.in_channels:
        raise ValueError(
            f"it prepares {len(preprocessing.mean)} channels for a net of {spec.in_channels}"
        )


def _origin(header: dict[str, Any]) -> dict[str, Any]:
    """The header's origin; ValueError where what this project writes there has another type."""
    origin = header.get("origin") or {}
    if not isinstance(origin, dict):
        raise ValueError(f"origin {printable(repr(origin), 80)} is no object")
    for key, kind in ORIGIN_KINDS.items():
        if key in origin and not isinstance(origin[key], kind):
            raise ValueError(f"origin {key} {printable(repr(origin[key]), 80)} is of another type")
    _check_sources(origin.get("weights", []))
    return origin


def _check_sources(weights: list[Any]) -> None:
    """ValueError unless each of the weights that a net started from is an object."""
    for source in weights:
        if not isinstance(source, dict) or not isinstance(source.get("weights", []), list):
            raise ValueError("origin weights are no list of objects")
        _check_sources(source.get("weights", []))


def find(path: str | Path) -> Path:
    """The model file of a run folder, or the file itself; UserError when there is none."""
    path = Path(path)
    if path.is_dir():
        if not (path / FILE).is_file():
            raise UserError(
                f"{path}: no {FILE} in this folder; {_next_step(path)}", "FC-WEIGHTS-001"
            )
        return path / FILE
    if not path.is_file():
        raise UserError(
            f"{path}: no such checkpoint; name a run folder or a .safetensors file, or make one: "
            f"fullconv train DATA --out {path}",
            "FC-WEIGHTS-001",
        )
    return path


def _next_step(folder: Path) -> str:
    """The command to type where a folder has no model yet."""
    if (folder / "config.toml").is_file():
        return (
            "it is written at the first validation of a run; to resume this one: "
            f"fullconv train --resume --out {folder}"
        )
    return "is it a run? fullconv train DATA --out runs/first makes one"


def check_fit(path: Path, wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """UserError unless ``tensors`` has exactly the names, shapes and kinds of ``wanted``."""
    missing, unknown = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    if missing or unknown:
        name = printable(min(missing or unknown), 80)
        what = f"has no {name}" if missing else f"has an unknown {name}"
        count = len(missing) + len(unknown)
        raise _no_fit(path, f"{what} ({count} names differ)")
    for name, tensor in wanted.items():
        stored = tensors[name]
        if tensor.shape != stored.shape:
            shape = printable(str(tuple(stored.shape)), 80)
            raise _no_fit(path, f"{name} has shape {shape}, its net needs {tuple(tensor.shape)}")
        if tensor.is_floating_point() != stored.is_floating_point():
            types = str(stored.dtype), str(tensor.dtype)
            stored_type, net_type = (dtype.removeprefix("torch.") for dtype in types)
            raise _no_fit(path, f"{name} is of {stored_type}, its net needs {net_type}")


def _no_fit(path: Path, what: str) -> UserError:
    return UserError(f"{path}: does not fit its net, {what}; copy it again", "FC-WEIGHTS-005")
