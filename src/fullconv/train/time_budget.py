"""A training that ends at a given time: measured on this machine first, then planned."""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from fullconv.data import Source, loader
from fullconv.train.config import GRID, Config
from fullconv.train.defaults import epochs_for

WARM_STEPS, MEASURED_STEPS = 1, 4
VALIDATIONS = (3, 10)
"""The fewest and the most of a run."""
VALIDATED = 0.08
"""Of the time, what validations may take where they are not the fewest."""
SAFETY = 0.97
"""Of the time, what is planned for: validations write pictures and pages too."""
ENOUGH = 4.0
"""Times the usual epochs beyond which a run of that time ends early."""


@dataclass(frozen=True)
class Speed:
    """Seconds of this machine: a step on whole crops, one on half-size crops, a validation."""

    step: float
    coarse_step: float
    validation: float

    def validations_in(self, seconds: float) -> int:
        """How many there are in a run of that time."""
        fewest, most = VALIDATIONS
        affordable = VALIDATED * seconds / self.validation if self.validation else most
        return max(fewest, min(most, int(affordable)))

    def steps_in(self, seconds: float, coarse: float) -> int:
        """Steps that fit, with their validations, where the share ``coarse`` is at half size."""
        each = coarse * self.coarse_step + (1 - coarse) * self.step
        left = SAFETY * seconds - self.validations_in(seconds) * self.validation
        return max(1, int(left / each))


def settled_by_speed(config: Config, speed: Speed, photos: int, seconds: float) -> Config:
    """The config with as many steps as fit into ``seconds``, for so many ``photos``.

    Where they are less than half of the usual epochs, more of them are taken at half size, and
    where that is not enough, on smaller crops. Not over four times the usual epochs: more would
    only learn the photos by heart.
    """
    usual, batch = epochs_for(photos), config.length.batch * config.length.accumulate
    coarse, augment = config.length.coarse, config.augment

    def epochs(at: Speed) -> float:
        return at.steps_in(seconds, coarse) * batch / photos

    if epochs(speed) < usual / 2:
        coarse = max(coarse, 0.5)
    if epochs(speed) < usual / 2 and isinstance(augment.crop, tuple):
        crop = tuple(max(GRID, round(0.75 * side / GRID) * GRID) for side in augment.crop)
        share = (crop[0] * crop[1]) / (augment.crop[0] * augment.crop[1])
        speed = Speed(speed.step * share, speed.coarse_step * share, speed.validation)
        augment = augment.model_copy(update={"crop": crop})
    steps = min(speed.steps_in(seconds, coarse), round(ENOUGH * usual * photos / batch))
    steps = max(1, steps)
    settled = {"steps": steps, "epochs": None, "time": None, "coarse": coarse}
    if not config.length.validate_every:
        settled["validate_every"] = -(-steps // speed.validations_in(seconds))
    length = config.length.model_copy(update=settled)
    return config.model_copy(update={"length": length, "augment": augment})


def measured(
    config: Config, source: Source, step: Callable, validation: Callable[[], float]
) -> Speed:
    """The speed of ``step``, which takes a batch of the ``source``, at both sizes of crops."""
    return Speed(
        step=_seconds(config, source, step, coarse=False),
        coarse_step=_seconds(config, source, step, coarse=True),
        validation=validation(),
    )


def _seconds(config: Config, source: Source, step: Callable, coarse: bool) -> float:
    """The median of some steps, after those that warm up."""
    length, count = config.length, WARM_STEPS + MEASURED_STEPS
    batches = loader(
        source,
        batch_size=length.batch * length.accumulate,
        augmentation=config.augment.build(),
        seed=config.seed,
        stop_step=count,
        coarse_steps=count if coarse else 0,
    )
    found = []
    for batch in itertools.islice(batches, count):
        before = time.perf_counter()
        step(batch)
        found.append(time.perf_counter() - before)
    return statistics.median(found[WARM_STEPS:])
