"""The torch form of ``fullconv export``, read as a checkpoint: arrays and JSON, nothing else.

A ``.pt2`` is a zip file. ``torch.export.load`` evaluates expressions and may run pickles that are
in it; this reader takes the description and the arrays, and the net is built as for any checkpoint.
"""

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullconv.checkpoints.checkpoint import FORMAT, KEY, Checkpoint, assembled
from fullconv.errors import UserError

NET = "net."
"""What the exported program calls the net: its arrays are ``net.backbone...``."""

_EXTRA, _WEIGHTS = f"extra/{KEY}", "data/weights/"
_CONFIG = f"{_WEIGHTS}model_weights_config.json"
_TYPES = {7: torch.float32, 5: torch.int64}  # ScalarType of torch/_export/serde/schema.py


def looks_like(path: Path) -> bool:
    """Whether a file is an exported program with this project's description."""
    if path.suffix != ".pt2":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(f"/{_EXTRA}") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def load(path: Path) -> Checkpoint:
    """The net of an exported program, in evaluation mode; UserError when it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(n for n in archive.namelist() if n.endswith(_EXTRA)).removesuffix(_EXTRA)
            header = json.loads(archive.read(root + _EXTRA))
            config = json.loads(archive.read(root + _CONFIG))["config"]
            if header.get("format") != FORMAT:
                raise UserError(
                    f"{path}: format {header.get('format')!r}, this fullconv reads {FORMAT}; "
                    "use the version that wrote it, or a newer one"
                )
            tensors = {
                name.removeprefix(NET): _array(archive, root, entry)
                for name, entry in config.items()
                if name.startswith(NET)
            }
    except (KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile, OSError) as error:
        raise UserError(
            f"{path}: its arrays cannot be read ({error}); predict with the run that it is from"
        ) from error
    return assembled(path, header, tensors)


def _array(archive: zipfile.ZipFile, root: str, entry: dict[str, Any]) -> Tensor:
    """One array: raw bytes in row-major order."""
    meta = entry["tensor_meta"]
    if entry["use_pickle"]:
        raise ValueError("an array is a pickle")
    sizes = [int(size["as_int"]) for size in meta["sizes"]]
    strides = [int(stride["as_int"]) for stride in meta["strides"]]
    dtype = _TYPES[meta["dtype"]]
    content = bytearray(archive.read(root + _WEIGHTS + entry["path_name"]))
    if int(meta["storage_offset"]["as_int"]) or not _row_major(sizes, strides):
        raise ValueError("an array is not in row-major order")
    if len(content) != math.prod(sizes) * dtype.itemsize:
        raise ValueError("an array has the wrong length")
    return torch.frombuffer(content, dtype=dtype).reshape(sizes)


def _row_major(sizes: list[int], strides: list[int]) -> bool:
    step = 1
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True
