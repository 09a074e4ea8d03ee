"""A training that ends at a given time: measured on this machine first, then planned."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from fullconv.data import Source, Transform, loader
from fullconv.errors import UserError
from fullconv.training.config.config import Config
from fullconv.training.config.data_defaults import epochs_for, workers_of

WARM_STEPS, MEASURED_STEPS = 2, 5
VALIDATIONS = (3, 10)
"""The fewest and the most of a run."""
VALIDATED = 0.08
"""The share of the time for validations, unless they are the fewest possible."""
SAFETY = 0.97
"""The share of the time that is planned: validations also write pictures and pages."""
ENOUGH = 4.0
"""Times the usual epochs beyond which a run of that time ends early."""


@dataclass(frozen=True)
class Speed:
    """Seconds of this machine: a step on whole crops, one on half-size crops, a validation.

    A step lasts from one to the next: with the wait for its photos.
    """

    step: float
    half_size_step: float
    validation: float

    def validations_in(self, seconds: float) -> int:
        """How many there are in a run of that time."""
        fewest, most = VALIDATIONS
        affordable = VALIDATED * seconds / self.validation if self.validation else most
        return max(fewest, min(most, int(affordable)))

    def steps_in(self, seconds: float, half_size: float, every: int = 0) -> int:
        """Steps that fit, with their validations, where the share ``half_size`` is at half size.

        There is a validation ``every`` so many steps; 0: as many as ``validations_in`` says.
        """
        mean = half_size * self.half_size_step + (1 - half_size) * self.step
        if every:
            return int(SAFETY * seconds / (mean + self.validation / every))
        left = SAFETY * seconds - self.validations_in(seconds) * self.validation
        return int(left / mean)


def with_steps_for_time(config: Config, speed: Speed, photos: int, seconds: float) -> Config:
    """The config with as many steps as fit into ``seconds``, for so many ``photos``.

    Not over four times the usual epochs: more would only learn the photos by heart. Raises
    UserError where not a step fits.
    """
    every, batch = config.schedule.validate_every, config.schedule.photos_per_step()
    steps = speed.steps_in(seconds, config.schedule.half_size, every)
    if steps < 1:
        raise UserError(
            f"schedule.time: {config.schedule.time} is too short: on this machine a step takes "
            f"{speed.step:.1f} s and a validation {speed.validation:.0f} s; give more time, or a "
            "smaller net",
            "FC-CONFIG-011",
        )
    steps = min(steps, max(1, round(ENOUGH * epochs_for(photos) * photos / batch)))
    settled: dict[str, Any] = {"steps": steps, "epochs": None, "time": None}
    settled["validate_every"] = every or -(-steps // speed.validations_in(seconds))
    schedule = config.schedule.model_copy(update=settled)
    return config.model_copy(update={"schedule": schedule})


def measured(
    config: Config,
    source: Source,
    step: Callable,
    validation: Callable[[], float],
    augment: Transform | None = None,
) -> Speed:
    """The speed of ``step``, which takes a batch of the ``source``, at both sizes of crops.

    With an ``augment`` of the user's own there is one size.
    """
    whole = _seconds(config, source, step, augment, half_size=False)
    half = _seconds(config, source, step, None, half_size=True) if augment is None else whole
    return Speed(step=whole, half_size_step=half, validation=validation())


def _seconds(
    config: Config, source: Source, step: Callable, augment: Transform | None, half_size: bool
) -> float:
    """The median of some steps, after those that warm up: other programs may disturb one."""
    schedule, count = config.schedule, WARM_STEPS + MEASURED_STEPS
    batches = loader(
        source,
        batch_size=schedule.batch_size * schedule.accumulate,
        augmentation=augment or config.augment.build(),
        seed=config.seed,
        stop_step=count,
        coarse_steps=count if half_size else 0,
        workers=workers_of(config),
    )
    ends = []
    for batch in batches:
        step(batch)
        ends.append(time.perf_counter())
    return median(end - start for start, end in pairwise(ends[WARM_STEPS - 1 :]))
