"""The scores of a net in training on the validation split, with photos to show them.

Of several processes each scores its part of the photos; the first one puts the counts together and
tells the others the scores, which are those of one process.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data import Source
from fullconv.data.splits.subset import Subset
from fullconv.evaluation import MultilabelTally, Tally, join_tallies, tally_of
from fullconv.inference.engines.torch_engine import TorchEngine
from fullconv.inference.photo_engine import with_tiles
from fullconv.metrics import Scores
from fullconv.training.parallel.processes import gathered
from fullconv.training.run.console import Screen
from fullconv.training.run.signals import Stop, StopRequested
from fullconv.training.step import Updater
from fullconv.visualize import as_photo, flattened

if TYPE_CHECKING:
    from fullconv.report import BestAndWorst

SAMPLES = 6  # photos on a sample sheet
Row = tuple[Any, Any, Any]  # photo, truth, prediction


@dataclass
class Validation:
    """The result of a validation: the ``scores``, photos for the sheet, the best and worst.

    All processes have the scores, the first one the rest.
    """

    scores: Scores
    rows: list[Row] = field(default_factory=list)
    best_and_worst: "BestAndWorst | None" = None


@dataclass
class _Seen:
    """The part of a process; ``tally`` is None where a signal ended it before its last photo.

    ``rows`` are by the photo's place in the split.
    """

    tally: Tally | MultilabelTally | None = None
    rows: dict[int, list[Row]] = field(default_factory=dict)
    best_and_worst: "BestAndWorst | None" = None


def run_validation(
    updater: Updater,
    val: Source,
    classes: ClassSet,
    screen: Screen,
    step: int,
    *,
    tile: int | None,
    stop: Stop,
    best_and_worst: "BestAndWorst | None" = None,
) -> Validation:
    """Scores of the net (the averaged one where there is one) on ``val``.

    ``tile`` is the longest side of the tiles in which photos are predicted; None: whole. Some
    photos, spread over the split, are kept as rows (photo, truth, prediction); the best and worst
    are put into ``best_and_worst``. A signal ends it by raising `signals.StopRequested`, in all
    processes.
    """
    fabric = updater.fabric
    updater.optimizer.zero_grad()  # frees the gradients' memory for the maps
    updater.share_statistics()
    seen = _Seen(best_and_worst=best_and_worst)
    part = Subset(val, val.split, tuple(range(fabric.global_rank, len(val), fabric.world_size)))
    is_alone = fabric.world_size == 1
    try:
        with stop.interruptible() if is_alone else nullcontext():
            seen.tally = _scored(updater, val, part, classes, screen, step, tile, stop, seen)
    except StopRequested:
        if is_alone:
            raise
    return _joined(updater, val, seen)


def _scored(
    updater: Updater,
    val: Source,
    part: Subset,
    classes: ClassSet,
    screen: Screen,
    step: int,
    tile: int | None,
    stop: Stop,
    seen: _Seen,
) -> Tally | MultilabelTally:
    """The counts of one process's ``part``; what is to be shown of it goes into ``seen``."""
    # Not the first ones: neighbours in a list are often frames of one film.
    shown = {round(share * (len(val) - 1)) for share in np.linspace(0, 1, SAMPLES)}
    fabric, precision = updater.fabric, updater.config.compute.precision
    net = updater.eval_net, updater.preprocessing
    engine = TorchEngine(net, fabric.device, precision, classes)
    places = count(fabric.global_rank, fabric.world_size)

    def keep(sample: Any, prediction: Any, matrix: Any) -> None:
        if seen.best_and_worst is not None:
            seen.best_and_worst.add(sample, prediction, matrix)
        place = next(places)
        if place in shown:
            photo = as_photo(sample.image)
            maps = (flattened(mask, classes) for mask in (sample.mask, prediction))
            pairs = zip(*maps, strict=True)
            seen.rows[place] = [(photo, truth, predicted) for truth, predicted in pairs]
        if stop and fabric.world_size > 1:
            raise StopRequested

    def progress(done: int, _: int) -> None:
        screen.show_validation(step, min(done * fabric.world_size, len(val)), len(val))

    return tally_of(with_tiles(engine, updater.net.spec, tile), part, progress, keep)


def _joined(updater: Updater, val: Source, seen: _Seen) -> Validation:
    """The results of all processes together; StopRequested where one of them was ended."""
    fabric = updater.fabric
    parts: list[_Seen] | None = gathered(fabric, seen)
    scores: Scores | None = None
    if parts is not None:
        tallies = [part.tally for part in parts if part.tally is not None]
        scores = join_tallies(tallies).scores() if len(tallies) == len(parts) else None
        seen.rows = {place: rows for part in parts for place, rows in part.rows.items()}
        if seen.best_and_worst is not None:
            others = [part.best_and_worst for part in parts[1:] if part.best_and_worst is not None]
            seen.best_and_worst.join(others)
    scores = fabric.broadcast(scores)
    if scores is None:
        raise StopRequested
    rows = [row for place in sorted(seen.rows) for row in seen.rows[place]]
    return Validation(scores, rows, seen.best_and_worst)


def metrics_of(scores: Scores) -> dict[str, float]:
    """The four metrics of a validation, by the names that loggers get."""
    return {
        "val/pixel_accuracy": scores.pixel_accuracy,
        "val/mean_accuracy": scores.mean_accuracy,
        "val/mean_iu": scores.mean_iu,
        "val/fw_iu": scores.fw_iu,
    }
