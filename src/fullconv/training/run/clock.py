"""The times of a training: steps, waiting for data, time left."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from fullconv.data import Batch
from fullconv.training.run.signals import Stop

HALF_TO_WHOLE = 0.45
"""Time of a step at half size by that of a whole one, until both are measured (docs/results.md)."""


@dataclass
class StepTimes:
    """The seconds of some steps, with and of waiting for their batches.

    The first step, which warms up, counts until there is a second.
    """

    steps: int = 0
    seconds: float = 0.0
    waiting: float = 0.0
    is_warm: bool = False

    def add(self, seconds: float, waiting: float) -> None:
        """One step more."""
        if self.steps == 1 and not self.is_warm:
            self.steps, self.seconds, self.waiting, self.is_warm = 0, 0.0, 0.0, True
        self.steps += 1
        self.seconds += seconds
        self.waiting += waiting

    @property
    def mean(self) -> float:
        """Seconds per step, 0 without any."""
        return self.seconds / self.steps if self.steps else 0.0


class Clock:
    """The times of a training since its start: steps, waiting for data, and what lies between.

    Steps at half size are measured by themselves. What is between steps (validations, reports,
    checkpoints) counts for the time left only.
    """

    def __init__(self, step: int, photos_per_step: int, half_size_steps: int = 0) -> None:
        self.begin = self.saved = self.ended = self.waited_from = self.ready = time.monotonic()
        self.start, self.half_size_steps = step, half_size_steps
        self.photos_per_step = photos_per_step
        self.steps, self.between = 0, 0.0
        self.half, self.whole = StepTimes(), StepTimes()

    def timed(self, batches: Iterator[Batch], stop: Stop | None = None) -> Iterator[Batch]:
        """Pass batches on, and measure how long each was waited for.

        ``stop`` ends the wait by raising `signals.StopRequested`.
        """
        while True:
            self.waited_from = time.monotonic()
            if self.steps:
                self.between += self.waited_from - self.ended
            with stop.interruptible() if stop else nullcontext():
                batch = next(batches, None)
            if batch is None:
                return
            self.ready = time.monotonic()
            yield batch

    def end_step(self) -> None:
        """The step of the batch that was passed on last is done."""
        self.ended = time.monotonic()
        is_half = self.start + self.steps < self.half_size_steps
        times = self.half if is_half else self.whole
        times.add(self.ended - self.waited_from, self.ready - self.waited_from)
        self.steps += 1

    def seconds_left(self, steps: int) -> float:
        """Until ``steps`` steps are done, with as much between them as so far."""
        if not self.steps:
            return 0.0
        whole = self.whole.mean or self.half.mean / HALF_TO_WHOLE
        half = self.half.mean or whole * HALF_TO_WHOLE
        between = self.between / max(1, self.steps - 1)
        done = self.start + self.steps
        of_half = max(0, min(steps, self.half_size_steps) - done)
        of_whole = max(0, steps - done) - of_half
        return of_half * (half + between) + of_whole * (whole + between)

    def row(self) -> dict[str, float]:
        """Seconds since the start; of steps of this size, photos a second and share of waiting."""
        times = self.whole if self.whole.steps else self.half
        return {
            "seconds": round(time.monotonic() - self.begin, 2),
            "images_per_second": self.photos_per_step / times.mean if times.mean else 0.0,
            "data_wait": times.waiting / times.seconds if times.seconds else 0.0,
        }

    def save_due(self, minutes: float) -> bool:
        """True when the last save is that long ago."""
        if time.monotonic() - self.saved < minutes * 60:
            return False
        self.saved = time.monotonic()
        return True
