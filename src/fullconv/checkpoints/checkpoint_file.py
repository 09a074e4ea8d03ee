"""The file format of checkpoints and resume states: safetensors with a JSON header and a checksum.

A file is written one array at a time. The library's own writers first copy all arrays to memory as
bytes, which for the state of a VGG16 doubles the memory of its training. The format: the length of
a JSON header in 8 bytes, the header, the arrays one after the other (huggingface/safetensors,
README). The header's metadata has this project's JSON under ``fullconv`` and the CRC-32 of all
bytes after the header under ``crc32``, which `read_arrays` verifies.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import safe_open
from torch import Tensor

from fullconv.errors import UserError, printable
from fullconv.files.atomic import write_atomically
from fullconv.parsing import json_object, parser_errors

FORMAT = 1
KEY = "fullconv"
CHECKSUM = "crc32"
CHUNK = 4 << 20  # bytes read at once for the checksum
NO_SAFETENSORS = "truncated, or not a safetensors file"

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]
) -> None:
    """Write ``tensors`` with ``metadata`` and a checksum, whole or not at all; OSError passes."""
    names = _in_order(tensors)
    header = _header(names, tensors, metadata | {CHECKSUM: checksum_of(tensors)})

    def content(file: IO[bytes]) -> None:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for name in names:
            file.write(_row_major_bytes(tensors[name]))

    write_atomically(path, content)


def _in_order(tensors: Mapping[str, Tensor]) -> list[str]:
    """The widest types first, so that every array lies at a multiple of its element's size."""
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def checksum_of(tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of the bytes of all arrays, in the order in which they are written."""
    checksum = 0
    for name in _in_order(tensors):
        checksum = zlib.crc32(_row_major_bytes(tensors[name]), checksum)
    return f"{checksum:08x}"


def checksum_error(path: Path) -> UserError:
    """The error for a file whose weights differ from the checksum that was written with them."""
    return UserError(
        f"{path}: its weights are not those that were saved (the checksum differs), so the "
        "file is damaged; copy it again",
        "FC-WEIGHTS-006",
    )


def _row_major_bytes(tensor: Tensor) -> memoryview:
    """The bytes of an array in row-major order."""
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _header(names: list[str], tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": metadata}
    start = 0
    for name in names:
        tensor = tensors[name]
        stop = start + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, stop],
        }
        start = stop
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def is_checkpoint_file(path: Path) -> bool:
    """Whether a file was written by `write_tensors`: its header has this project's JSON."""
    try:
        with safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except Exception:  # whatever the parser raises for a damaged file: it is no checkpoint
        return False


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header (this project's JSON) and the arrays of a file.

    Raises UserError as `read_header` and `read_arrays` do.
    """
    header, _ = read_header(path)
    return header, read_arrays(path)


def read_header(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header of a file, and its arrays without values, on the `meta` device.

    Raises UserError for a file that is damaged, not of this project, or of another format version.
    """
    with parser_errors(path, NO_SAFETENSORS, "FC-WEIGHTS-002"):
        _refuse_pickle(path)
        with safe_open(path, framework="pt") as file:
            header = _own_header(path, file.metadata() or {})
            return header, {name: _meta_tensor(file.get_slice(name)) for name in file.keys()}  # noqa: SIM118


def read_arrays(path: Path) -> dict[str, Tensor]:
    """The arrays of a file, memory-mapped; UserError where its checksum differs."""
    with parser_errors(path, NO_SAFETENSORS, "FC-WEIGHTS-002"), safe_open(path, "pt") as file:
        _verify_checksum(path, (file.metadata() or {}).get(CHECKSUM))
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _own_header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if KEY not in metadata:
        raise UserError(
            f"{path}: a safetensors file, but not fullconv's (no header {KEY!r})", "FC-WEIGHTS-002"
        )
    with parser_errors(path, "its header is damaged", "FC-WEIGHTS-003"):
        header = json_object(metadata[KEY])
    check_format(path, header)
    return header


def check_format(path: Path, header: Mapping[str, Any]) -> None:
    """UserError unless a header has the format number that this version reads."""
    if header.get("format") != FORMAT:
        written = printable(repr(header.get("format")), 80)
        raise UserError(
            f"{path}: format {written}, this fullconv reads {FORMAT}; "
            "use the version that wrote it, or a newer one",
            "FC-WEIGHTS-004",
        )


def _meta_tensor(part: Any) -> Tensor:
    """An array's shape and type without its values, on the `meta` device."""
    types = {name: dtype for dtype, name in DTYPES.items()}
    return torch.empty(part.get_shape(), dtype=types[part.get_dtype()], device="meta")


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(2) in (b"PK", b"\x80\x02"):  # torch.save, new and old
            raise UserError(
                f"{path}: a pickle, as torch.save writes it; pickles can run code and are not read",
                "FC-WEIGHTS-007",
            )


def _verify_checksum(path: Path, expected: str | None) -> None:
    """UserError unless the bytes after the header have this checksum; files without one pass."""
    if expected is None:
        return
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        checksum = 0
        while part := file.read(CHUNK):
            checksum = zlib.crc32(part, checksum)
    if f"{checksum:08x}" != expected:
        raise checksum_error(path)
