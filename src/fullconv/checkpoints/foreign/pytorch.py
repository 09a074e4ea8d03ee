"""PyTorch's files: .pth, .pt and .pth.tar of torch.save in both forms, and .safetensors.

Loaded by torch with ``weights_only``, after `pickles.inspect`; a file that wants more than tensors
and plain values is refused. The state dict is found inside a trainer's checkpoint.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from fullconv.checkpoints.checkpoint_file import NO_SAFETENSORS, is_checkpoint_file
from fullconv.checkpoints.foreign.foreign_arrays import Array, ForeignFile
from fullconv.checkpoints.foreign.pickles import STANDINS, Ignored, inspect
from fullconv.checkpoints.foreign.pytorch_nets import LINEAGES
from fullconv.errors import UserError, listed, printable
from fullconv.models import CAFFE
from fullconv.parsing import parser_errors

__all__ = ["LINEAGES", "looks_like", "read"]

HOLDERS = ("model_state_dict", "state_dict", "model", "net", "network", "weights")
"""Under which names a checkpoint may keep the state dict; the first is pytorch-fcn's."""
DEEPEST = 3  # checkpoints in checkpoints
PREFIXES = {
    "module.": "DataParallel's prefix, taken off every name",
    "_orig_mod.": "torch.compile's prefix, taken off every name",
}
FIRST_ENTRIES = (b"data.pkl", b"data/", b"code/", b"constants.pkl", b"version", b"byteorder")
"""The possible names of the first entry of a torch archive, below its folder."""


def looks_like(path: Path, head: bytes) -> bool:
    """Whether a file is torch.save's, another pickle, or a safetensors file not fullconv's."""
    if head[:4] == b"PK\x03\x04":
        length = int.from_bytes(head[26:28], "little")
        return head[30 : 30 + length].partition(b"/")[2].startswith(FIRST_ENTRIES)
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return True
    return head[8:9] == b"{" and head[5:8] == bytes(3) and not is_checkpoint_file(path)


def read(path: Path) -> ForeignFile:
    """The arrays of a state dict; UserError when the file is damaged or not to be trusted."""
    with path.open("rb") as file:
        is_pickle = file.read(2) in (b"PK", b"\x80\x02")
    tensors, left_out, arch = (_pickled if is_pickle else _safetensors)(path)
    while prefix := _common_prefix(tensors):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        left_out[prefix] = PREFIXES[prefix]
    for name in (*tensors, *left_out):
        if not name.isprintable():
            raise UserError(
                f"{path}: {printable(name, 40)!r} is no name of an array; it is damaged",
                "FC-WEIGHTS-002",
            )
    arrays: dict[str, Array] = {}
    for name, tensor in tensors.items():
        why = _unusable(name, tensor)
        if why:
            left_out[name] = why
        else:
            with parser_errors(path, f"{printable(name, 80)} cannot be read", "FC-WEIGHTS-002"):
                arrays[name] = tensor.detach().to(torch.float32).numpy()
    if not arrays:
        raise UserError(
            f"{path}: holds no tensors by name, only {listed(left_out)}; save model.state_dict()",
            "FC-WEIGHTS-010",
        )
    at_once = "atonce" in (arch or path.name).lower().replace("-", "").replace("_", "")
    # pytorch-fcn's vgg16_from_caffe.pth has torchvision's names and Caffe's weights.
    preprocessing = CAFFE if "from_caffe" in path.name else None
    return ForeignFile(
        path, "PyTorch", arrays, left_out, at_once=at_once, preprocessing=preprocessing
    )


def _common_prefix(tensors: Mapping[str, Tensor]) -> str:
    """The wrapper's prefix that all names have; empty where there is none."""
    for prefix in PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return prefix
    return ""


def _unusable(name: str, tensor: Tensor) -> str:
    """Why a tensor is no array of a net; empty where it is one."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return "a sparse, quantised or empty tensor"
    if name.endswith("num_batches_tracked") and not tensor.ndim and not tensor.is_complex():
        return ""  # a whole number
    if not tensor.dtype.is_floating_point:
        return f"of {str(tensor.dtype).removeprefix('torch.')}, not of real numbers"
    return ""


Found = tuple[dict[str, Tensor], dict[str, str], str]
"""Tensors by name, what was left out and why, and the name that the file gives its net."""


def _safetensors(path: Path) -> Found:
    with (
        parser_errors(path, NO_SAFETENSORS, "FC-WEIGHTS-002"),
        safe_open(path, framework="pt") as file,
    ):
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, {}, ""


def _pickled(path: Path) -> Found:
    inspect(path)
    content = _loaded(path)
    left_out: dict[str, str] = {}
    arch = content.get("arch", "") if isinstance(content, Mapping) else ""
    state = _state(content, left_out)
    if state is None:
        raise UserError(
            f"{path}: holds no state dict, but a {type(content).__name__} without arrays; save "
            "model.state_dict()",
            "FC-WEIGHTS-010",
        )
    tensors: dict[str, Tensor] = {}
    for name, value in _text_keys(state):
        if isinstance(value, Tensor):
            tensors[name] = value
        else:
            left_out[name] = f"not a tensor ({type(value).__name__})"
    return tensors, left_out, arch if isinstance(arch, str) else ""


def _loaded(path: Path) -> Any:
    """The content of the file, tensors mapped from it where its form allows that."""
    with path.open("rb") as file:
        mapped = file.read(2) == b"PK"
    with (
        parser_errors(path, "torch cannot read it", "FC-WEIGHTS-002"),
        torch.serialization.safe_globals([(Ignored, name) for name in STANDINS]),
    ):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _state(content: Any, left_out: dict[str, str], depth: int = 0) -> Mapping[Any, Any] | None:
    """The state dict in a checkpoint: itself, or under one of the usual names."""
    if not isinstance(content, Mapping) or depth > DEEPEST:
        return None
    for holder in HOLDERS:
        state = _state(content.get(holder), left_out, depth + 1)
        if state is not None:
            for name, _ in _text_keys(content):
                if name != holder:
                    left_out[name] = "the trainer's, beside the net"
            return state
    # A trainer's best score may be a tensor too, but one without dimensions.
    arrays = any(isinstance(value, Tensor) and value.ndim for value in content.values())
    return content if arrays else None


def _text_keys(content: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(name, bytes):
            name = name.decode("latin1")  # Python 2 wrote it
        if isinstance(name, str):
            yield name, value
