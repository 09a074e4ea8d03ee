"""The times of a training: steps, waiting for data, time left."""

import time
from collections.abc import Iterator
from contextlib import nullcontext

from fullconv.data import Batch
from fullconv.training.run.signals import Stop


class Clock:
    """The times of a training since its start, without validations: steps, waiting for data."""

    def __init__(self, step: int, photos_per_step: int, half_size_steps: int = 0) -> None:
        self.begin = self.saved = time.monotonic()
        self.start, self.half_size_steps = step, half_size_steps
        self.photos_per_step = photos_per_step
        self.steps, self.busy, self.wait = 0, 0.0, 0.0

    def timed(self, batches: Iterator[Batch], stop: Stop | None = None) -> Iterator[Batch]:
        """Pass batches on, and measure how long each was waited for and worked on.

        ``stop`` ends the wait by raising `signals.StopRequested`.
        """
        while True:
            before = time.monotonic()
            with stop.interruptible() if stop else nullcontext():
                batch = next(batches, None)
            if batch is None:
                return
            ready = time.monotonic()
            yield batch
            if self.steps:  # the first step warms up, and its batch waits for the workers' start
                self.wait += ready - before
                self.busy += time.monotonic() - before
            self.steps += 1

    def seconds_left(self, step: int, steps: int) -> float:
        """From ``step`` to ``steps`` at the mean speed so far, with validations.

        A step at half size has a quarter of the pixels, and so of the work.
        """
        done = self._work(step) - self._work(self.start)
        seconds = time.monotonic() - self.begin
        return seconds * (self._work(steps) - self._work(step)) / done if done else 0.0

    def _work(self, step: int) -> float:
        """The work of the steps before ``step``, in steps at full size."""
        return step - 0.75 * min(step, self.half_size_steps)

    def row(self) -> dict[str, float]:
        """Seconds since the start, photos a second, share of time spent waiting for data."""
        seconds = time.monotonic() - self.begin
        done = max(self.steps - 1, 0)
        return {
            "seconds": round(seconds, 2),
            "images_per_second": done * self.photos_per_step / self.busy if self.busy else 0.0,
            "data_wait": self.wait / self.busy if self.busy else 0.0,
        }

    def save_due(self, minutes: float) -> bool:
        """True when the last save is that long ago."""
        if time.monotonic() - self.saved < minutes * 60:
            return False
        self.saved = time.monotonic()
        return True
