"""The time that is left, when the first steps are the cheap ones."""

import pytest

from fullconv.training.run import clock as module
from fullconv.training.run.clock import Clock


@pytest.mark.parametrize(
    ("start", "step", "left"),
    [
        (0, 4, 10 * (4 / 4 + 8) / (4 / 4)),  # a coarse step: a quarter of a whole one
        (0, 8, 10 * 8 / (8 / 4)),
        (0, 12, 10 * 4 / (8 / 4 + 4)),
        (8, 12, 10 * 4 / 4),  # a run that goes on counts what it did itself
        (0, 0, 0.0),
    ],
)
def test_seconds_left(monkeypatch, start, step, left):
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)
    clock = Clock(start, photos_per_step=2, coarse_steps=8)
    monkeypatch.setattr(module.time, "monotonic", lambda: 110.0)
    assert clock.seconds_left(step, steps=16) == pytest.approx(left)
