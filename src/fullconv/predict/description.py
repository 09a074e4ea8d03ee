"""What an exported file says of itself, so that it can be run like a run folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.nets import NetSpec, Preprocessing
from fullconv.nets.fcn import mapped
from fullconv.weights import Checkpoint
from fullconv.weights.checkpoint import FORMAT, described, header_of

INPUT, OUTPUT = "image", "scores"
"""What the graph calls what goes in and what comes out."""


def map_names(spec: NetSpec) -> dict[int, str]:
    """Names for the maps of a net in its graph; none where the kernels that enlarge them learn.

    For those are in the graph, and whoever cuts it off has to know what follows.
    """
    return {} if spec.learns_upsampling else {s: f"score_{s}" for s in mapped(spec)}


@dataclass(frozen=True)
class Description:
    """A checkpoint's header, and what the graph takes.

    ``size`` is the one (H, W) that a fixed graph takes, with a batch of 1; None: any size and
    batch. ``preprocess``: the graph takes the photo itself, N,H,W,C (`dtype`), and prepares it;
    otherwise what `Preprocessing` makes of it, float32 N,C,H,W. ``smallest`` is the least height
    and width that its runtime takes. ``maps`` names the tensors of the graph that are the score
    maps before their enlargement (`FCN.maps`), by stride: all that is needed of it for a class map.
    With ``precision`` int8 the graph multiplies 8-bit numbers before its score.
    """

    spec: NetSpec
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any]
    size: tuple[int, int] | None
    preprocess: bool
    smallest: int = 1
    maps: dict[int, str] = field(default_factory=dict)
    precision: Literal["fp32", "int8"] = "fp32"

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        size: tuple[int, int] | None = None,
        preprocess: bool = True,
        smallest: int = 1,
        maps: dict[int, str] | None = None,
    ) -> "Description":
        """The description of a checkpoint's graph."""
        said = checkpoint.classes, checkpoint.preprocessing, checkpoint.origin
        return cls(checkpoint.net.spec, *said, size, preprocess, smallest, maps or {})

    @property
    def channels(self) -> int:
        """Channels of what goes in."""
        return self.spec.in_channels

    @property
    def dtype(self) -> str:
        """``uint8`` for a photo alone, ``float32`` with other inputs or prepared."""
        return "uint8" if self.preprocess and self.channels == 3 else "float32"

    @property
    def shape(self) -> tuple[str | int, ...]:
        """Shape of what goes in, as ('N', 'H', 'W', 3)."""
        batch, (height, width) = (1, self.size) if self.size else ("N", ("H", "W"))
        if self.preprocess:
            return batch, height, width, self.channels
        return batch, self.channels, height, width

    def to_json(self) -> str:
        """The text that is stored under the key ``fullconv``."""
        header = header_of(self.spec, self.classes, self.preprocessing, self.origin)
        graph = {
            "input": INPUT,
            "output": OUTPUT,
            "size": self.size,
            "preprocess": self.preprocess,
            "smallest": self.smallest,
            "maps": self.maps,
            "shape": self.shape,
            "dtype": self.dtype,
            "precision": self.precision,
        }
        return json.dumps({**header, "graph": graph})

    @classmethod
    def from_json(cls, path: Path, text: str) -> "Description":
        """The inverse of ``to_json``; UserError naming ``path`` when it is not usable."""
        try:
            header = json.loads(text)
            graph = header["graph"]
            size, preprocess = graph["size"], graph["preprocess"]
            size = None if size is None else (int(size[0]), int(size[1]))
            smallest = int(graph["smallest"])
            maps = {int(stride): str(name) for stride, name in graph.get("maps", {}).items()}
            precision = "int8" if graph.get("precision") == "int8" else "fp32"
        except (
            KeyError,
            AttributeError,
            TypeError,
            ValueError,
            IndexError,
            RecursionError,
        ) as error:
            raise UserError(
                f"{path}: its description is damaged ({error}); export it again"
            ) from error
        if header.get("format") != FORMAT:
            raise UserError(
                f"{path}: format {header.get('format')!r}, this fullconv reads {FORMAT}; "
                "use the version that wrote it, or a newer one"
            )
        origin = header.get("origin") or {}
        said = described(path, header)
        return cls(*said, origin, size, preprocess is True, smallest, maps, precision)
