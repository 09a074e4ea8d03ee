"""One way to whatever can predict: a run, a checkpoint, foreign weights, an exported file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fullconv.classes import ClassSet
from fullconv.device import Precision
from fullconv.errors import UserError
from fullconv.inference.engines.engine import Engine
from fullconv.inference.engines.registry import AUTO, EXPORTER, Say, chosen, is_exported, named
from fullconv.models import NetSpec, Preprocessing


@dataclass(frozen=True, eq=False)
class OpenedNet:
    """An engine and what its net's file says: structure, classes, preprocessing, origin.

    ``has_scores`` is False for a graph that gives classes alone.
    """

    engine: Engine
    spec: NetSpec
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any]
    has_scores: bool = True

    def with_thresholds(self, thresholds: Sequence[float] | None) -> "OpenedNet":
        """The same with other thresholds: one for all classes, or one for each; None: its own.

        Raises UserError where classes exclude each other, and for a graph that has decided already.
        """
        if thresholds is None:
            return self
        if not self.classes.is_overlapping:
            raise UserError(
                f"threshold: {self.spec.name} gives each pixel the class of the highest "
                "probability, without a threshold: leave it out",
                "FC-PREDICT-018",
            )
        if not self.has_scores:
            raise UserError(
                "threshold: this file gives classes alone, by the threshold that it was exported "
                "with: export without --output classes",
                "FC-PREDICT-016",
            )
        values = thresholds[0] if len(thresholds) == 1 else thresholds
        classes = self.classes.overlapping(values)
        self.engine.decide(classes)
        return replace(self, classes=classes)


def quiet(line: str) -> None:
    """Say nothing."""


def open_engine(
    path: str | Path,
    device: str = "auto",
    precision: Precision = "fp32",
    engine: str = AUTO,
    say: Say = quiet,
) -> OpenedNet:
    """Open what ``path`` names: all that ``checkpoints.load`` takes, and exported files.

    ``engine`` is a name of `engines.registry`, or 'auto': torch for a run, its own runtime for an
    exported file. For an engine that runs graphs a run is exported first, once; ``say`` is told.
    Raises UserError when there is none, when it is damaged, and for an engine that does not run it
    or is not installed.
    """
    path = Path(path)
    by = chosen(path, engine)
    if is_exported(path) and not path.is_file():
        raise UserError(f"{path}: no such file", "FC-FILE-003")
    if by.form is not None and not is_exported(path):
        path = named(EXPORTER)(path, by, say)
    return by.open(path, device, precision)
