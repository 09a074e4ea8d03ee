"""The temperature of a net's softmax, as its checkpoint and its exports have it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from fullconv.checkpoints.checkpoint_file import KEY, read_tensors, write_tensors
from fullconv.errors import printable
from fullconv.files.file_errors import file_errors
from fullconv.metrics.reliability import Reliability

HEADER = "calibration"
"""The key in a header."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The result of `fullconv.calibrate`: one temperature for each output of the net.

    Probabilities are softmax(logits / temperature). ``before`` and ``after`` are the reliability at
    temperature 1 and at this one, over all labelled pixels of ``photos`` photos of a ``split`` of
    ``data``. ``outputs`` are the names of the outputs.
    """

    temperatures: tuple[float, ...]
    before: tuple[Reliability, ...] = ()
    after: tuple[Reliability, ...] = ()
    data: str = ""
    split: str = ""
    photos: int = 0
    outputs: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "temperatures": list(self.temperatures),
            "before": [reliability.to_dict() for reliability in self.before],
            "after": [reliability.to_dict() for reliability in self.after],
            "data": self.data,
            "split": self.split,
            "photos": self.photos,
            "outputs": list(self.outputs),
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any], outputs: int) -> "Calibration | None":
        """That of a header of a net with so many outputs; None where there is none.

        Raises ValueError, TypeError or KeyError where it is damaged.
        """
        values = header.get(HEADER)
        if values is None:
            return None
        temperatures = tuple(float(value) for value in values["temperatures"])
        if len(temperatures) != outputs:
            raise ValueError(f"{len(temperatures)} temperatures for {outputs} outputs")
        for value in temperatures:
            if not isfinite(value) or value <= 0:
                raise ValueError(f"temperature {printable(repr(value))} is not above 0")
        before, after = (
            tuple(Reliability.from_dict(reliability) for reliability in values.get(key, ()))
            for key in ("before", "after")
        )
        if not len(before) == len(after) or len(before) not in (0, outputs):
            raise ValueError("a calibration of other outputs")
        named = str(values.get("data", "")), str(values.get("split", ""))
        outputs_ = tuple(str(name) for name in values.get("outputs", ()))
        return cls(temperatures, before, after, *named, int(values.get("photos", 0)), outputs_)


def temperatures_of(calibration: Calibration | None, outputs: int) -> tuple[float, ...]:
    """One temperature for each output; 1 where a net was never calibrated."""
    return calibration.temperatures if calibration else (1.0,) * outputs


def store(file: Path, calibration: Calibration | None) -> None:
    """Write ``calibration`` (None: no more) into a checkpoint; its weights stay, bit for bit.

    The file is written anew and renamed, so a reader meets the old one or the new one. Raises
    UserError where it cannot be read or written.
    """
    header, arrays = read_tensors(file)
    header.pop(HEADER, None)
    if calibration:
        header[HEADER] = calibration.to_dict()
    with file_errors(file, writing=True):
        write_tensors(file, arrays, {KEY: json.dumps(header)})
