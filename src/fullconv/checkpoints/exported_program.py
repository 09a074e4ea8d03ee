"""The torch form of ``fullconv export``, read as a checkpoint: arrays and JSON, nothing else.

A ``.pt2`` is a zip file. ``torch.export.load`` evaluates expressions and may run pickles that are
in it; this reader takes the description and the arrays, and the net is built as for any checkpoint.
What a member unpacks to is bounded before it is read, and its CRC-32 is verified by `zipfile`. The
description has checksums of itself and of the net's arrays: a program that changes them and packs
the file again makes its CRCs right, but not these.
"""

import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullconv.checkpoints.checkpoint import Checkpoint, assembled, fitting_net
from fullconv.checkpoints.checkpoint_file import (
    KEY,
    check_format,
    checksum_error,
    checksum_of,
)
from fullconv.checkpoints.golden import SAVE_AGAIN
from fullconv.errors import UserError
from fullconv.parsing import MOST_JSON, json_object, parser_errors

NET = "net."
"""The name of the net in the exported program: its arrays are ``net.backbone...``."""
CHECKSUMS = "checksums"
"""The key of the CRC-32 of the description without it, and of the arrays; not in older files."""

_EXTRA, _WEIGHTS = f"extra/{KEY}", "data/weights/"
_CONFIG = f"{_WEIGHTS}model_weights_config.json"
_TYPES = {7: torch.float32, 5: torch.int64}  # ScalarType of torch/_export/serde/schema.py


def with_checksums(description: str, arrays: Mapping[str, Tensor]) -> str:
    """The ``description`` of an exported program, JSON, with its checksum and that of its net.

    ``arrays`` are the program's; those of the net are called net.NAME.
    """
    weights = {name.removeprefix(NET): a for name, a in arrays.items() if name.startswith(NET)}
    checksums = {"description": _crc(description), "weights": checksum_of(weights)}
    return json.dumps({**json.loads(description), CHECKSUMS: checksums})


def looks_like(path: Path) -> bool:
    """Whether a file is an exported program with this project's description."""
    if path.suffix != ".pt2":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(f"/{_EXTRA}") for name in archive.namelist())
    except Exception:  # whatever a damaged file makes of the parser: then it is none
        return False


def load(path: Path) -> Checkpoint:
    """The net of an exported program, in evaluation mode; UserError when it is damaged."""
    with (
        parser_errors(path, "its arrays cannot be read", "FC-WEIGHTS-002", "export it again"),
        zipfile.ZipFile(path) as archive,
    ):
        root = next(n for n in archive.namelist() if n.endswith(_EXTRA)).removesuffix(_EXTRA)
        header = _json(archive, root + _EXTRA)
        check_format(path, header)
        entries = {
            name.removeprefix(NET): entry
            for name, entry in _json(archive, root + _CONFIG)["config"].items()
            if name.startswith(NET)
        }
        net = fitting_net(path, header, {name: _shape(entry) for name, entry in entries.items()})
        tensors = {name: _array(archive, root, entry) for name, entry in entries.items()}
    _verify(path, header, tensors)
    return assembled(path, header, tensors, net)


def _verify(path: Path, header: dict[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """UserError unless description and arrays are those that were exported."""
    if CHECKSUMS not in header:
        return
    with parser_errors(path, "its header is damaged", "FC-WEIGHTS-003", SAVE_AGAIN):
        description, weights = (header[CHECKSUMS][part] for part in ("description", "weights"))
        text = json.dumps({key: value for key, value in header.items() if key != CHECKSUMS})
    if _crc(text) != description:
        raise UserError(
            f"{path}: its header is damaged (the checksum differs); {SAVE_AGAIN}", "FC-WEIGHTS-003"
        )
    if checksum_of(tensors) != weights:
        raise checksum_error(path)


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    return json_object(_read(archive, name, MOST_JSON))


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """The unpacked bytes of a member; ValueError where they are more than ``most``."""
    member = archive.getinfo(name)
    if member.file_size > most:
        raise ValueError(f"{name} unpacks to {member.file_size} bytes, {most} at most")
    return archive.read(member)


def _shape(entry: Mapping[str, Any]) -> Tensor:
    """The shape and type of an array, on the `meta` device."""
    meta = entry["tensor_meta"]
    sizes = [int(size["as_int"]) for size in meta["sizes"]]
    return torch.empty(sizes, dtype=_TYPES[meta["dtype"]], device="meta")


def _array(archive: zipfile.ZipFile, root: str, entry: Mapping[str, Any]) -> Tensor:
    """One array: raw bytes in row-major order."""
    meta, like = entry["tensor_meta"], _shape(entry)
    sizes, length = list(like.shape), math.prod(like.shape) * like.itemsize
    strides = [int(stride["as_int"]) for stride in meta["strides"]]
    if entry["use_pickle"]:
        raise ValueError("an array is a pickle")
    if int(meta["storage_offset"]["as_int"]) or not _row_major(sizes, strides):
        raise ValueError("an array is not in row-major order")
    content = bytearray(_read(archive, root + _WEIGHTS + entry["path_name"], length))
    if len(content) != length:
        raise ValueError("an array has the wrong length")
    return torch.frombuffer(content, dtype=like.dtype).reshape(sizes)


def _row_major(sizes: list[int], strides: list[int]) -> bool:
    step = 1
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True
