"""A graph that is made but not yet a file: first it is run and compared, then written."""

import io
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt
import torch

from fullconv.atomic import write_atomically
from fullconv.inference.engines.graph_engine import KEY
from fullconv.inference.export_metadata import Description

Array = npt.NDArray[Any]


class UnsavedGraph(Protocol):
    """What is to be written, as the runtime has read it back."""

    @property
    def bytes(self) -> int:
        """Size of the graph and its weights, without the checksum that is written behind them."""
        ...

    def run(self, batch: Array) -> Array:
        """What goes into the graph (`Description.shape`) to what comes out (`shape_out`)."""
        ...

    def write(self, path: Path) -> list[Path]:
        """Write the file, whole or not at all; the paths written."""
        ...


class TorchGraph:
    """A program of torch.export, in the bytes of its ``.pt2`` file."""

    def __init__(self, program: torch.export.ExportedProgram, description: Description) -> None:
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={KEY: description.to_json()})
        self.content = file.getvalue()
        self.module = torch.export.load(io.BytesIO(self.content)).module()  # what was just written

    @property
    def bytes(self) -> int:
        return len(self.content)

    def run(self, batch: Array) -> Array:
        with torch.no_grad():
            return self.module(torch.from_numpy(batch)).numpy()

    def write(self, path: Path) -> list[Path]:
        write_atomically(path, self.content)
        return [path]
