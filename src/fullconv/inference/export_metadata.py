"""The description in an exported file, with which it runs like a run folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fullconv.checkpoints import Checkpoint
from fullconv.checkpoints.checkpoint import described, header_of
from fullconv.checkpoints.checkpoint_file import check_format
from fullconv.checkpoints.golden import Golden, golden_of
from fullconv.checkpoints.temperature import Calibration
from fullconv.classes import ClassSet
from fullconv.models import NetSpec, Preprocessing
from fullconv.models.fcn import mapped, tile_geometry
from fullconv.parsing import json_object, parser_errors

INPUT, SCORES, CLASSES = "image", "scores", "classes"
"""The names of the graph's input and outputs: scores, or the class of each pixel."""

Output = Literal["scores", "classes"]
Precision = Literal["fp32", "fp16", "int8"]

MOST_CLASSES = 255
"""The most classes of a graph that gives classes: they are uint8, and 255 is 'ignore'."""


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
    With ``precision`` int8 the graph multiplies 8-bit numbers before its score, with fp16 its
    weights are of 16 bits. ``output`` is what it gives: scores, or classes. ``golden`` is what the
    net makes of the built-in picture in fp32; None in older files. ``calibration`` is the
    checkpoint's: the graph's scores are divided by its temperatures before the softmax.
    """

    spec: NetSpec
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any]
    size: tuple[int, int] | None
    preprocess: bool
    smallest: int = 1
    maps: dict[int, str] = field(default_factory=dict)
    precision: Precision = "fp32"
    output: Output = SCORES
    golden: Golden | None = None
    calibration: Calibration | None = None

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        size: tuple[int, int] | None = None,
        preprocess: bool = True,
        smallest: int = 1,
        maps: dict[int, str] | None = None,
        precision: Precision = "fp32",
        output: Output = SCORES,
    ) -> "Description":
        """The description of a checkpoint's graph.

        With the checkpoint's golden; made now where it has none, or not of the one ``size``.
        """
        known, golden = (checkpoint.classes, checkpoint.preprocessing), checkpoint.golden
        if golden is None or (size and golden.size != size):
            golden = golden_of(checkpoint.net, *known, *([size] if size else []))
        graph = size, preprocess, smallest, maps or {}, precision, output, golden
        graph = *graph, checkpoint.calibration
        return cls(checkpoint.net.spec, *known, checkpoint.origin, *graph)

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

    @property
    def shape_out(self) -> tuple[str | int, ...]:
        """Shape of what comes out: N,K,H,W; of classes N,H,W, or N,H,W,outputs."""
        batch, size = (1, self.size) if self.size else ("N", ("H", "W"))
        if self.output == SCORES:
            return batch, self.spec.classes, *size
        outputs = len(self.classes.outputs)
        return (batch, *size) if outputs == 1 else (batch, *size, outputs)

    @property
    def dtype_out(self) -> str:
        """``float32`` scores or ``uint8`` classes."""
        return "float32" if self.output == SCORES else "uint8"

    def to_json(self) -> str:
        """The text that is stored under the key ``fullconv``."""
        description = self.classes, self.preprocessing, self.origin, self.golden, self.calibration
        header, geometry = header_of(self.spec, *description), tile_geometry(self.spec)
        behind, before = geometry.halo
        graph = {
            "input": INPUT,
            "output": self.output,
            "size": self.size,
            "preprocess": self.preprocess,
            "smallest": self.smallest,
            "maps": self.maps,
            "shape": self.shape,
            "dtype": self.dtype,
            "precision": self.precision,
            "shape_out": self.shape_out,
            "dtype_out": self.dtype_out,
            "tiling": {
                "grid": geometry.grid,
                "halo": {"behind": behind, "before": before},
                "exact": not geometry.has_global_field,
                "receptive_field": None if geometry.has_global_field else geometry.field,
                "whole_multiples": geometry.resizes_scores,
            },
        }
        return json.dumps({**header, "graph": graph})

    @classmethod
    def from_json(cls, path: Path, text: str) -> "Description":
        """The inverse of ``to_json``; UserError naming ``path`` when it is not usable."""
        with parser_errors(path, "its description is damaged", "FC-EXPORT-013", "export it again"):
            header = json_object(text)
            graph = header["graph"]
            size, preprocess = graph["size"], graph["preprocess"]
            size = None if size is None else (int(size[0]), int(size[1]))
            smallest = int(graph["smallest"])
            if min([smallest, *(size or ())]) < 1:
                raise ValueError("a size below 1")
            maps = {int(stride): str(name) for stride, name in graph.get("maps", {}).items()}
            precision = graph.get("precision")
            precision = precision if precision in ("int8", "fp16") else "fp32"
            output = CLASSES if graph.get("output") == CLASSES else SCORES
        check_format(path, header)
        golden = Golden.from_header(path, header)
        description = described(path, header)
        origin = header.get("origin") or {}
        graph = size, preprocess is True, smallest, maps, precision, output
        calibration = Calibration.from_header(header, len(description[1].outputs))
        return cls(*description, origin, *graph, golden, calibration)
