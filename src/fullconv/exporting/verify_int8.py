"""Is int8 near enough to the net? Both run on photos that were held out of the calibration."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.exporting.calibration_photos import Calibration
from fullconv.exporting.torch_graph import Array, UnsavedGraph
from fullconv.inference.engines.graph_engine import GraphEngine
from fullconv.inference.export_metadata import Description
from fullconv.metrics import MultilabelScores, Scores, confusion, plane_counts

# With masks the score decides, which is what the net was trained for.
MOST_DROP = 0.5  # points of mean IU
# Without masks, the share of pixels that must keep their class. Trained nets keep 98 % and more:
# what changes are pixels at the edges of things, where two scores are nearly equal.
LEAST_SAME = 0.95


@dataclass(frozen=True)
class Int8Check:
    """The effect of int8 on ``photos`` held-out photos, after ``shown`` photos set the ranges.

    ``same`` is the share of equal classes; ``mean_iu`` (of fp32, of int8) over the photos that have
    masks with classes, None where none has; ``seconds`` (fp32, int8) the medians of one photo on
    this machine, and ``bytes`` the sizes of the files.
    """

    shown: int
    photos: int
    same: float
    mean_iu: tuple[float, float] | None
    seconds: tuple[float, float]
    bytes: tuple[int, int]

    @property
    def drop(self) -> float | None:
        """Points of mean IU that int8 costs; None without masks."""
        return None if self.mean_iu is None else 100 * (self.mean_iu[0] - self.mean_iu[1])

    @property
    def error(self) -> str:
        """Why int8 is too far from the net, in words; empty where it is near."""
        if self.drop is not None:
            if self.drop <= MOST_DROP:  # not >: a NaN must not pass
                return ""
            return f"costs {self.drop:.2f} points of mean IU, and {MOST_DROP} are allowed"
        if self.same >= LEAST_SAME:
            return ""
        return f"changes the class of {1 - self.same:.1%} of the pixels, {1 - LEAST_SAME:.0%} may"


class UnsavedGraphEngine(GraphEngine):
    """A graph that is not a file yet, as an engine."""

    def __init__(self, unsaved: UnsavedGraph, description: Description) -> None:
        super().__init__(Path("the graph"), replace(description, golden=None))
        self.unsaved = unsaved

    def run(self, batch: Array) -> list[Array]:
        return [self.unsaved.run(batch)]


def check_int8(
    fp32: UnsavedGraph,
    int8: UnsavedGraph,
    calibration: Calibration,
    description: Description,
    on_photo: Callable[[], object],
) -> Int8Check:
    """Compare the two; ``on_photo`` is called for each photo."""
    engines = UnsavedGraphEngine(fp32, description), UnsavedGraphEngine(int8, description)
    classes, same, masks = calibration.classes, [], 0
    seconds: tuple[list[float], list[float]] = [], []
    is_overlapping, count = classes.is_overlapping, len(classes)
    totals = np.zeros((2, count, 2, 2) if is_overlapping else (2, count, count), np.int64)
    for sample in calibration.held_out:
        drops = []
        for engine, times in zip(engines, seconds, strict=True):
            start = time.perf_counter()
            drops.append(engine.class_map(sample.image))
            times.append(time.perf_counter() - start)
        same.append(float((drops[0] == drops[1]).mean()))
        if sample.mask is not None and (sample.mask != classes.ignore).any():
            masks += 1
            for total, maps in zip(totals, drops, strict=True):
                if is_overlapping:
                    total += plane_counts(sample.mask, maps)
                else:
                    total += confusion(sample.mask, maps, count, classes.ignore)
        on_photo()
    scores = [_mean_iu(total, classes) for total in totals] if masks else None
    return Int8Check(
        len(calibration.shown),
        len(same),
        statistics.fmean(same),
        (scores[0], scores[1]) if scores else None,
        (statistics.median(seconds[0]), statistics.median(seconds[1])),
        (fp32.bytes, int8.bytes),
    )


def _mean_iu(total: Array, classes: ClassSet) -> float:
    if classes.is_overlapping:
        return MultilabelScores.of_planes(total, classes.names, classes.thresholds).mean_iu
    return Scores.from_confusion(total).mean_iu


def refuse(check: Int8Check) -> None:
    """UserError where int8 is too far from the net."""
    if check.error:
        raise UserError(
            f"int8 {check.error}: on {check.photos} held-out photos, after {check.shown} others. "
            "Calibrate on more photos like those it will see, train longer, or stay with fp32; "
            "--accept-drop writes it as it is",
            "FC-EXPORT-005",
        )
