"""The scores of a net in training on the validation split, with photos to show them."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data import Source
from fullconv.evaluation import evaluate
from fullconv.inference.engines.torch_engine import TorchEngine
from fullconv.inference.photo_engine import with_tiles
from fullconv.metrics import Scores
from fullconv.training.run.console import Screen
from fullconv.training.step import Updater
from fullconv.visualize import as_photo, flattened

if TYPE_CHECKING:
    from fullconv.report import BestAndWorst

SAMPLES = 6  # photos on a sample sheet


@dataclass
class Validation:
    """What one validation has seen: the ``scores``, photos for the sheet, the best and worst."""

    scores: Scores
    rows: list[Any] = field(default_factory=list)
    extremes: "BestAndWorst | None" = None


def run_validation(
    updater: Updater,
    val: Source,
    classes: ClassSet,
    screen: Screen,
    step: int,
    *,
    piece: int | None,
    interruptible: AbstractContextManager[Any] | None = None,
    extremes: "BestAndWorst | None" = None,
) -> Validation:
    """Scores of the net (the averaged one where there is one) on ``val``.

    ``piece`` is the longest side of pieces in which photos are predicted; None: whole. Some photos,
    spread over the split, are kept as rows (photo, truth, prediction); the best and worst are put
    into ``extremes``. A signal ends it within ``interruptible``.
    """
    seen = count()
    # Not the first ones: neighbours in a list are often frames of one film.
    shown = {round(part * (len(val) - 1)) for part in np.linspace(0, 1, SAMPLES)}
    updater.optimizer.zero_grad()  # their memory is free for the maps
    fabric, precision = updater.fabric, updater.config.machine.precision
    net = updater.best_net, updater.preprocessing
    engine = with_tiles(
        TorchEngine(net, fabric.device, precision, classes), updater.net.spec, piece
    )
    rows: list[Any] = []

    def keep(sample: Any, prediction: Any, matrix: Any) -> None:
        if extremes is not None:
            extremes.add(sample, prediction, matrix)
        if next(seen) in shown:
            photo = as_photo(sample.image)
            maps = (flattened(mask, classes) for mask in (sample.mask, prediction))
            pairs = zip(*maps, strict=True)
            rows.extend((photo, truth, predicted) for truth, predicted in pairs)

    progress = partial(screen.show_validation, step)
    with interruptible or nullcontext():
        return Validation(evaluate(engine, val, each=keep, progress=progress), rows, extremes)


def metrics_of(scores: Scores) -> dict[str, float]:
    """The four metrics of a validation, by the names that loggers get."""
    return {
        "val/pixel_accuracy": scores.pixel_accuracy,
        "val/mean_accuracy": scores.mean_accuracy,
        "val/mean_iu": scores.mean_iu,
        "val/fw_iu": scores.fw_iu,
    }
