"""New MATLAB files (version 7.3), which are HDF5: every axis stands the other way round in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

LONGEST = 2**20  # letters of a text, cells of a cell array


@contextmanager
def variable(file: Path, path: str) -> Iterator[Any]:
    """The h5py object of a variable, or of a struct's field ('GTcls.Segmentation').

    Raises KeyError where it is not there. Links that lead out of the file are not followed.
    """
    import h5py

    with h5py.File(file, "r") as opened:
        node: Any = opened
        for part in path.split("."):
            group = isinstance(node, h5py.Group)
            link = node.get(part, getlink=True) if group else None
            if not isinstance(link, h5py.HardLink):
                known = ", ".join(k for k in node if not k.startswith("#")) if group else "none"
                raise KeyError(f"no variable {path!r}; it has {known}")
            node = node[part]
        yield node


def shape(file: Path, path: str) -> tuple[int, ...]:
    """The size of an array along MATLAB's axes."""
    with variable(file, path) as node:
        return tuple(reversed(_plain(node).shape))


def read(file: Path, path: str, index: int | None, most: int) -> Any:
    """An array along MATLAB's axes, or entry ``index`` of its last axis; texts for a cell array.

    Raises KeyError and ValueError as ``matlab5.read`` does.
    """
    with variable(file, path) as node:
        stored = _plain(node)
        if stored.attrs.get("MATLAB_empty", 0):
            return np.zeros((0, 0))
        if stored.dtype.kind == "O":
            return _texts(stored)
        shown = stored.shape if index is None else stored.shape[1:]
        size = max(prod(shown), prod(stored.chunks or ())) * stored.dtype.itemsize
        if size > most:
            raise ValueError(f"declares {size} bytes for {path}")
        if index is not None and not (stored.shape and 0 <= index < stored.shape[0]):
            raise ValueError(f"{path} has no entry {index}")
        return np.asarray(stored[() if index is None else index]).T


def _plain(node: Any) -> Any:
    """``node`` if it is an array whose bytes lie in the file itself."""
    import h5py

    if not isinstance(node, h5py.Dataset):
        raise ValueError(f"{node.name} is a struct, not an array")
    if node.is_virtual or node.external:
        raise ValueError(f"{node.name} lies in other files")
    return node


def _texts(stored: Any) -> Any:
    """The texts that a cell array's references lead to, in MATLAB's order of the cells."""
    import h5py

    if h5py.check_ref_dtype(stored.dtype) is not h5py.Reference or stored.size > LONGEST:
        raise ValueError(f"{stored.name} is no cell array of texts")
    cells = (_plain(stored.file[reference]) for reference in stored[()].ravel())
    return np.array([_text(cell) for cell in cells], object)


def _text(cell: Any) -> str:
    if cell.dtype.kind != "u" or cell.size > LONGEST:
        raise ValueError(f"{cell.name} is no text")
    empty = cell.attrs.get("MATLAB_empty", 0)
    return "" if empty else "".join(map(chr, np.asarray(cell[()]).ravel().tolist()))
