"""Old MATLAB files (version 5): one variable read, everything else left alone.

The format is MathWorks' "MAT-File Format": elements of a type, a size and so many bytes, matrices
holding further elements. No size is believed before the bytes behind it are there, which is why
this is not SciPy's reader: damaged files end that one, and the process with it, with a crash.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER = 128
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, TEXT = 1, 2, 4
NUMBERS = range(6, 16)  # double to uint64
COMPLEX = 0x800
MOST_DENSE = 1100  # bytes that deflate can make out of one, rounded up from 1032
STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
LETTERS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}

Element = tuple[int, memoryview]
"""Type and bytes."""


def read(content: bytes, path: str, most: int) -> npt.NDArray[Any]:
    """A variable, or the field of a struct ('GTcls.Segmentation'), of a version 5 file.

    Numbers come in the type they are stored in, their axes as MATLAB shows them; a table of letters
    and a cell array of texts as an array of str. Raises KeyError where there is no such variable
    and ValueError for a file that is cut off or damaged, declares more than it holds, inflates
    to more than ``most`` bytes, or has something else under the name.
    """
    order = ">" if content[HEADER - 2 : HEADER] == b"MI" else "<"
    name, *fields = path.split(".")
    body = _variable(memoryview(content), order, name, most)
    for field in fields:
        body = _field(body, order, field, path)
    form, sizes, rest = _matrix(body, order)
    if form in NUMBERS:
        return _numbers(sizes, rest, order)
    if form == TEXT:
        return np.array(_rows(sizes, rest, order), object)
    if form == CELL and len(rest) == prod(sizes) and all(kind == MATRIX for kind, _ in rest):
        return np.array([_text(cell, order) for _, cell in rest], object)
    raise ValueError(f"it holds neither numbers nor texts (MATLAB class {form})")


def _variable(content: memoryview, order: str, name: str, most: int) -> memoryview:
    """The bytes of the matrix called ``name``, inflated."""
    place, known = HEADER, []
    while place < len(content):
        kind, start, size, after = _place(content, place, order)
        body = _bytes(content, start, size)
        packed, inner = None, size
        if kind == COMPRESSED:
            head = memoryview(_inflated(body, 4096))
            kind, _, inner, _ = _place(head, 0, order)
            packed, body, after = body, head[8:], start + size  # has no padding
        if kind == MATRIX:
            known.append(_name(body, order))
            if known[-1] == name:
                return body if packed is None else _whole(packed, inner, most)
        place = after
    raise KeyError(f"no variable {name!r}; it has {', '.join(filter(None, known)) or 'none'}")


def _whole(packed: memoryview, size: int, most: int) -> memoryview:
    if size > most or size > MOST_DENSE * len(packed):
        raise ValueError(f"declares {size} bytes in {len(packed)} compressed ones")
    return _bytes(memoryview(_inflated(packed, 8 + size)), 8, size)


def _inflated(packed: memoryview, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error as error:
        raise ValueError(f"its compressed part is damaged ({error})") from None


def _place(data: memoryview, place: int, order: str) -> tuple[int, int, int, int]:
    """Type, first byte and size of the element at ``place``, and where the next one starts."""
    if place + 8 > len(data):
        raise ValueError(f"cut off at byte {place}")
    kind, size = struct.unpack_from(f"{order}II", data, place)
    if not kind >> 16:
        return kind, place + 8, size, place + 8 + size + -size % 8
    if kind >> 16 > 4:  # up to four bytes lie in the tag itself
        raise ValueError(f"the element at byte {place} is damaged")
    return kind & 0xFFFF, place + 4, kind >> 16, place + 8


def _bytes(data: memoryview, start: int, size: int) -> memoryview:
    if start + size > len(data):
        raise ValueError(
            f"cut off: {size} bytes declared at byte {start}, {len(data) - start} found"
        )
    return data[start : start + size]


def _elements(body: memoryview, order: str) -> Iterator[Element]:
    place = 0
    while place < len(body):
        kind, start, size, place = _place(body, place, order)
        yield kind, _bytes(body, start, size)


def _name(body: memoryview, order: str) -> str:
    """A matrix's name: its third element, after flags and sizes."""
    elements = _elements(body, order)
    for _ in range(2):
        next(elements, None)
    return bytes(next(elements, (0, b""))[1]).decode("latin-1")


def _matrix(body: memoryview, order: str) -> tuple[int, tuple[int, ...], list[Element]]:
    """MATLAB class, sizes, and the elements after the name. An empty matrix has no bytes."""
    elements = list(_elements(body, order))
    if not elements:
        return NUMBERS[0], (0, 0), [(9, memoryview(b""))]
    if len(elements) < 3 or len(elements[0][1]) != 8 or len(elements[1][1]) % 4:
        raise ValueError("a matrix has no flags, sizes or name")
    (flags,) = struct.unpack_from(f"{order}I", elements[0][1])
    sizes = struct.unpack(f"{order}{len(elements[1][1]) // 4}i", elements[1][1])
    if min(sizes, default=-1) < 0:
        raise ValueError(f"a matrix has the sizes {sizes}")
    if flags & COMPLEX:
        raise ValueError("it holds complex numbers")
    return flags & 0xFF, sizes, elements[3:]


def _numbers(sizes: tuple[int, ...], rest: list[Element], order: str) -> npt.NDArray[Any]:
    kind, stored = rest[0] if rest else (9, memoryview(b""))
    if kind not in STORED:
        raise ValueError(f"numbers of an unknown type ({kind})")
    dtype = np.dtype(order + STORED[kind])
    if prod(sizes) * dtype.itemsize != len(stored):
        raise ValueError(f"{' x '.join(map(str, sizes))} numbers declared in {len(stored)} bytes")
    array = np.frombuffer(stored, dtype).reshape(sizes, order="F")
    return array.astype(dtype.newbyteorder("="))


def _rows(sizes: tuple[int, ...], rest: list[Element], order: str) -> list[str]:
    """The rows of a table of letters; letters are stored down the columns."""
    kind, stored = rest[0] if rest else (2, memoryview(b""))
    if kind not in LETTERS:
        raise ValueError(f"letters of an unknown type ({kind})")
    ends = {"<": "-le", ">": "-be"}[order] if LETTERS[kind] in ("utf-16", "utf-32") else ""
    letters = bytes(stored).decode(LETTERS[kind] + ends, "replace")
    if len(sizes) != 2 or prod(sizes) != len(letters):
        raise ValueError(f"{' x '.join(map(str, sizes))} letters declared, {len(letters)} found")
    rows = sizes[0] if letters else 0
    return [letters[row::rows] for row in range(rows)]


def _text(cell: memoryview, order: str) -> str:
    """The one row of letters in a cell; '' where it is empty."""
    form, sizes, rest = _matrix(cell, order)
    if form != TEXT and prod(sizes):
        raise ValueError(f"a cell holds no text (MATLAB class {form})")
    rows = _rows(sizes, rest, order) if prod(sizes) else [""]
    if len(rows) > 1:
        raise ValueError(f"a cell holds {len(rows)} rows of letters")
    return rows[0]


def _field(body: memoryview, order: str, field: str, path: str) -> memoryview:
    """The bytes of one field's matrix in a struct that is no array of structs."""
    form, sizes, rest = _matrix(body, order)
    if form != STRUCT or prod(sizes) != 1 or len(rest) < 2 or len(rest[0][1]) != 4:
        raise KeyError(f"no variable {path!r}; what comes before {field!r} is no struct")
    (length,) = struct.unpack(f"{order}i", rest[0][1])
    letters = bytes(rest[1][1])
    starts = range(0, len(letters), length) if length > 0 else ()
    names = [letters[s : s + length].split(b"\0")[0].decode("latin-1") for s in starts]
    cells = [cell for kind, cell in rest[2:] if kind == MATRIX]
    if field not in names or len(cells) != len(names):
        raise KeyError(f"no variable {path!r}; the struct has {', '.join(names) or 'no fields'}")
    return cells[names.index(field)]
