"""A NumPy .npz file taken apart without NumPy's loader, which can run code from object arrays.

The format: a zip whose members are .npy files, each a header (type, order, shape) and the bytes
(NumPy's NEP 1). No size that the file declares is used before it is compared with a bound.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from fullconv.checkpoints.foreign.foreign_arrays import Array, Shape
from fullconv.parsing import parser_errors

TOTAL = 3 << 29  # bytes of all arrays of a net; VGG16 with its classifier has 1.1 GB as float64
READ = 8 << 20  # bytes in one go; more is only asked for by a forged table of contents
CHUNK = 1 << 20
LONGEST = 500  # letters of a name
MAGIC = b"\x93NUMPY\x01\x00"
# Python 2 wrote long numbers with an L. Records have a list for a type, and are not read.
HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[a-zA-Z]\d*)', 'fortran_order': (True|False), "
    rb"'shape': \(([\dL, ]{0,200})\), \}\s*"
)


@dataclass(frozen=True)
class Header:
    """The header of a .npy. ``kind`` is NumPy's code, as ``<f4``; ``start`` in bytes."""

    kind: str
    fortran: bool
    shape: Shape
    start: int

    @property
    def is_object(self) -> bool:
        """Whether it holds a pickle."""
        return "O" in self.kind

    @property
    def is_float(self) -> bool:
        """Whether it can hold weights."""
        return re.fullmatch("[<>]f[248]", self.kind) is not None


class Npz:
    """An open .npz; made by ``open_npz``."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
        if len(self._members) < len(archive.infolist()):
            raise ValueError("a name appears twice")
        for name, member in self._members.items():
            if len(name) > LONGEST or not name.isprintable():
                raise ValueError("a name that no array has")
            # Other methods of packing know no bound for what they unpack at once.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{name} is packed in an unknown way")

    @property
    def names(self) -> list[str]:
        """The names of the arrays, without ``.npy``, in the file's order."""
        return list(self._members)

    def size(self, names: Iterable[str]) -> int:
        """The bytes that these arrays take unpacked, as the file declares."""
        return sum(self._members[name].file_size for name in names)

    def header(self, name: str) -> Header:
        """The header of an array; ValueError when it is none."""
        with self._archive.open(self._members[name]) as file:
            start = file.read(len(MAGIC) + 2)
            if not start.startswith(MAGIC) or len(start) < len(MAGIC) + 2:
                raise ValueError(f"{name} is no .npy of version 1.0")
            length = int.from_bytes(start[-2:], "little")
            match = HEADER.fullmatch(file.read(length))
        if not match:
            raise ValueError(f"{name} has a header that is not that of a plain array")
        shape = tuple(
            int(n.rstrip("L")) for n in match[3].decode().replace(" ", "").split(",") if n
        )
        return Header(match[1].decode(), match[2] == b"True", shape, len(start) + length)

    def array(self, name: str) -> Array:
        """An array of floats as float32 in C order; ValueError when it is not whole."""
        header = self.header(name)
        kind = np.dtype(header.kind)
        size, member = prod(header.shape) * kind.itemsize, self._members[name]
        if header.start + size != member.file_size or size > TOTAL:
            raise ValueError(f"{name} has {member.file_size} bytes, not those of {header.shape}")
        data = np.empty(size, np.uint8)
        with self._archive.open(member) as file:
            file.read(header.start)
            for at in range(0, size, CHUNK):
                part = file.read(min(CHUNK, size - at))
                if len(part) < min(CHUNK, size - at):
                    raise ValueError(f"{name} ends early")
                data[at : at + len(part)] = np.frombuffer(part, np.uint8)
            file.read(1)  # at the end the checksum is compared
        order = "F" if header.fortran else "C"
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite
            array = (
                data.view(kind).reshape(header.shape, order=order).astype(np.float32, copy=False)
            )
        return np.ascontiguousarray(array).reshape(header.shape)


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """The file, opened; what is wrong with it becomes a UserError, here and in the block."""
    with (
        parser_errors(path, "truncated or damaged", "FC-WEIGHTS-002"),
        _Careful(path) as file,
        zipfile.ZipFile(file) as archive,
    ):
        yield Npz(archive)


class _Careful(io.FileIO):
    """A file that is not read in larger parts than any honest .npz asks for."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > READ:
            raise ValueError(f"its table of contents has {size} bytes")
        return super().read(-1 if size is None else size) or b""
