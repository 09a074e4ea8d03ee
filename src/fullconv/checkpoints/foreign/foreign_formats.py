"""The foreign formats: which one a file is in, told from its bytes, and the nets known in each.

A format is a module with ``looks_like(path, head)``, ``read(path)`` and ``LINEAGES``.
"""

from pathlib import Path
from types import ModuleType

from fullconv.checkpoints.foreign import caffe, chainer, keras, pytorch
from fullconv.checkpoints.foreign.foreign_arrays import ForeignFile, Lineage
from fullconv.errors import UserError
from fullconv.parser_errors import parser_errors

FORMATS: tuple[ModuleType, ...] = (caffe, chainer, pytorch, keras)
HEAD = 512  # bytes that tell a format


def format_of(path: Path) -> ModuleType | None:
    """The format of a file, or None; UserError when it cannot be read."""
    with parser_errors(path, "cannot be read", "FC-WEIGHTS-002"), path.open("rb") as file:
        head = file.read(HEAD)
    return next((module for module in FORMATS if module.looks_like(path, head)), None)


def read_foreign(path: Path) -> ForeignFile:
    """The arrays of a foreign file; UserError when it is in no known format or damaged."""
    module = format_of(path)
    if module:
        return module.read(path)
    raise UserError(
        f"{path}: no weights in a known format (Caffe .caffemodel, Chainer .npz, PyTorch .pth or "
        ".safetensors, Keras .h5)",
        "FC-WEIGHTS-010",
    )


def lineages() -> tuple[Lineage, ...]:
    """The known nets of all formats."""
    return tuple(lineage for module in FORMATS for lineage in module.LINEAGES)
