"""Open anything that can predict: a run, a checkpoint, foreign weights, an exported file.

A loaded net is verified first: it predicts a built-in picture, whose result is in its file.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import Any

from fullconv.checkpoints.golden import Agreement, Array, Golden, picture
from fullconv.checkpoints.temperature import Calibration
from fullconv.classes import ClassSet
from fullconv.device import Precision
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes, Decision, classes_of
from fullconv.inference.engines.engine import Engine
from fullconv.inference.engines.registry import AUTO, Say, engine_for, exported_graph, is_exported
from fullconv.models import NetSpec, Preprocessing
from fullconv.python_arguments import as_path


@dataclass(frozen=True, eq=False)
class OpenedNet:
    """An engine and what its net's file says: structure, classes, preprocessing, origin.

    ``has_scores`` is False for a graph that gives classes alone; ``calibration`` is None for a net
    that was never calibrated.
    """

    engine: Engine
    spec: NetSpec
    classes: ClassSet
    preprocessing: Preprocessing
    origin: dict[str, Any]
    has_scores: bool = True
    calibration: Calibration | None = None

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
                "FC-PREDICT-019",
            )
        if not self.has_scores:
            raise UserError(
                "threshold: this file has classes as its output, by the threshold of its export: "
                "export without --output classes",
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
    """Open ``path``: a run, a checkpoint or other weights (`checkpoints.load`), an exported file.

    ``engine`` is a name of `engines.registry`, or 'auto': torch for a run, its own runtime for an
    exported file. For an engine that runs graphs a run is exported once, and ``say`` is called.
    Raises UserError for a file that is missing or damaged, and for an engine that cannot run it or
    is not installed.
    """
    path = as_path(path, "the run")
    entry = engine_for(path, engine)
    if is_exported(path) and not path.is_file():
        raise UserError(f"{path}: no such file", "FC-FILE-003")
    if entry.form is not None and not is_exported(path):
        path = exported_graph(path, entry, say)
    return entry.open(path, device, precision)


class DisagreementWarning(UserWarning):
    """An engine's result differs from that of the net when it was saved; one line."""


@dataclass(frozen=True, eq=False)
class GoldenCheck:
    """Verify once that an engine gives the stored result of the built-in picture, ``golden``.

    ``kinds`` are the inputs of the net, ``decision`` how classes follow from its logits; ``exact``
    says whether the engine computes in fp32 throughout; ``name`` is used in the warning.
    """

    golden: Golden
    kinds: tuple[str, ...]
    decision: Decision
    exact: bool
    name: str

    def __call__(
        self, scores: Callable[[Array], Array] | None, class_map: Callable[[Array], Classes]
    ) -> Agreement:
        """Run the engine on the picture; DisagreementWarning where the result differs."""
        agreement = self.compared(scores, class_map)
        if not self.golden.holds(agreement, self.exact):
            warnings.warn(self.line(agreement), DisagreementWarning, stacklevel=2)
        return agreement

    def compared(
        self, scores: Callable[[Array], Array] | None, class_map: Callable[[Array], Classes]
    ) -> Agreement:
        """Run the engine on the picture.

        By ``scores`` (K, H, W), or, None where it has none, by its ``class_map`` alone.
        """
        image = picture(self.kinds, self.golden.size)
        logits = scores(image) if scores else None
        classes = class_map(image) if logits is None else classes_of(logits, self.decision)
        return self.golden.compare(classes, logits)

    def line(self, agreement: Agreement) -> str:
        """The warning."""
        logits = ""
        if not isnan(agreement.difference):
            difference, largest = agreement.difference, agreement.largest
            logits = f", logits differ by up to {difference:.3g} of {largest:.3g}"
        return (
            f"{self.name} does not compute what the net did when it was saved: on its test picture "
            f"{1 - agreement.same:.1%} of the pixels get another class{logits}; copy the file "
            "again, update the runtime, or use another engine or device"
        )
