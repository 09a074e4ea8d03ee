"""The checkpoint: one safetensors file that says all that is needed to predict with it.

Its header holds, under the key ``fullconv``, JSON with the format's version, the net, the classes
with colours, the preprocessing, where the weights come from and what the net makes of a built-in
picture. Nothing in it is ever executed.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fullconv.checkpoints.golden import Golden, golden_of
from fullconv.checkpoints.safetensors_writer import write_tensors
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.models import FCN, NetSpec, Preprocessing, build
from fullconv.models.backbones.third_party import MissingPackage

FORMAT = 1
KEY = "fullconv"
FILE = "model.safetensors"


@dataclass
class Checkpoint:
    """A net and what belongs to its weights. ``origin`` is free: recipe, step, scores, data.

    ``golden`` is what the file that it was read from says of a built-in picture
    (`fullconv.checkpoints.golden`); None in older files and foreign ones.
    """

    net: FCN
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any] = field(default_factory=dict)
    golden: Golden | None = None


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` whole or not at all; OSError passes through.

    With what its net makes of the built-in picture now: one forward, which leaves no trace.
    """
    net, classes, preprocessing = checkpoint.net, checkpoint.classes, checkpoint.preprocessing
    golden = golden_of(net, classes, preprocessing)
    header = json.dumps(header_of(net.spec, classes, preprocessing, checkpoint.origin, golden))
    write_tensors(path, net.state_dict(), {KEY: header})


def header_of(
    spec: NetSpec,
    classes: ClassSet,
    preprocessing: Preprocessing,
    origin: dict[str, Any],
    golden: Golden | None = None,
) -> dict[str, Any]:
    """What a file says of its net, as plain JSON types."""
    said = {
        "format": FORMAT,
        "net": spec.to_dict(),
        "classes": classes.to_dict(),
        "preprocessing": preprocessing.to_dict(),
        "origin": origin,
    }
    return said if golden is None else said | {"golden": golden.to_dict()}


def load(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """The checkpoint in ``path``, a file or a run folder; the net is in evaluation mode.

    Raises UserError when the file is missing, truncated, not fullconv's, of a newer format, or its
    arrays do not fit the net that its header describes.
    """
    path = find(path)
    header, tensors = read(path)
    if header.get("kind"):
        raise UserError(f"{path}: is a {header['kind']}, not a net; name the folder of the run")
    return assembled(path, header, tensors, device)


def assembled(
    path: Path,
    header: dict[str, Any],
    tensors: dict[str, Tensor],
    device: str | torch.device = "cpu",
) -> Checkpoint:
    """The net that ``header`` describes with the arrays of ``path`` in it, in evaluation mode."""
    spec, classes, preprocessing = described(path, header)
    net = build(spec)
    check_fit(path, net.state_dict(), tensors)
    net.load_state_dict(tensors)
    origin, golden = header.get("origin", {}), Golden.from_header(path, header)
    return Checkpoint(net.to(device).eval(), classes, preprocessing, origin, golden)


def described(path: Path, header: dict[str, Any]) -> tuple[NetSpec, ClassSet, Preprocessing]:
    """What ``header_of`` has put into a header; UserError when it is damaged."""
    try:
        spec = NetSpec.from_dict(header["net"])
        classes = ClassSet.from_dict(header["classes"])
        preprocessing = Preprocessing.from_dict(header["preprocessing"])
    except MissingPackage as error:
        raise UserError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, UserError) as error:
        raise UserError(f"{path}: its header is damaged ({error}); save the net again") from error
    if spec.padding == "none":
        raise UserError(f"{path}: its header is damaged (padding 'none'); save the net again")
    if len(classes) != spec.classes:
        raise UserError(
            f"{path}: its header names {len(classes)} classes and a net of {spec.classes}; "
            "it is damaged, save the net again"
        )
    return spec, classes, preprocessing


def find(path: str | Path) -> Path:
    """The model file of a run folder, or the file itself; UserError when there is none."""
    path = Path(path)
    if path.is_dir():
        if not (path / FILE).is_file():
            raise UserError(f"{path}: no {FILE} in this folder; {_next_step(path)}")
        return path / FILE
    if not path.is_file():
        raise UserError(
            f"{path}: no such checkpoint; name a run folder or a .safetensors file, or make one: "
            f"fullconv train DATA --out {path}"
        )
    return path


def _next_step(folder: Path) -> str:
    """What to type where a folder has no model yet."""
    if (folder / "config.toml").is_file():
        return (
            "it is written at the first validation of a run; to go on with this one: "
            f"fullconv train --resume --out {folder}"
        )
    return "is it a run? fullconv train DATA --out runs/first makes one"


def is_own(path: Path) -> bool:
    """Whether a file is a checkpoint of this project, by its header."""
    try:
        with safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError, json.JSONDecodeError):
        return False


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and arrays of one of fullconv's files, unchecked against any net."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            if text is None:
                raise UserError(
                    f"{path}: a safetensors file, but not fullconv's (no header {KEY!r})"
                )
            header = json.loads(text)
            if not isinstance(header, dict):
                raise UserError(f"{path}: its header is no JSON object; save the net again")
            if header.get("format") != FORMAT:
                raise UserError(
                    f"{path}: format {header.get('format')!r}, this fullconv reads {FORMAT}; "
                    "use the version that wrote it, or a newer one"
                )
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        if path.read_bytes()[:2] in (b"PK", b"\x80\x02"):  # torch.save, new and old
            raise UserError(
                f"{path}: a pickle, as torch.save writes it; pickles can run code and are not read"
            ) from error
        raise UserError(
            f"{path}: truncated, or not a safetensors file ({error}); copy it again"
        ) from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: its header is damaged ({error}); copy it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def check_fit(path: Path, wanted: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    """UserError unless ``found`` has exactly the names and shapes of ``wanted``."""
    missing, unknown = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or unknown:
        what = f"has no {min(missing)}" if missing else f"has an unknown {min(unknown)}"
        count = len(missing) + len(unknown)
        raise UserError(
            f"{path}: does not fit its net, {what} ({count} names differ); copy it again"
        )
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape:
            raise UserError(
                f"{path}: {name} has shape {tuple(found[name].shape)}, its net needs "
                f"{tuple(tensor.shape)}; copy it again"
            )
