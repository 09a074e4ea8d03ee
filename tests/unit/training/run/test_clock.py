"""The time that is left, when the first steps are the cheap ones."""

import pytest

from fullconv.training.run import clock as module
from fullconv.training.run.clock import Clock


@pytest.mark.parametrize(
    ("start", "step", "left"),
    [
        (0, 4, 10 * (4 / 4 + 8) / (4 / 4)),  # a step at half size: a quarter of the work
        (0, 8, 10 * 8 / (8 / 4)),
        (0, 12, 10 * 4 / (8 / 4 + 4)),
        (8, 12, 10 * 4 / 4),  # a resumed run counts its own steps
        (0, 0, 0.0),
    ],
)
def test_seconds_left(monkeypatch, start, step, left):
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)
    clock = Clock(start, photos_per_step=2, half_size_steps=8)
    monkeypatch.setattr(module.time, "monotonic", lambda: 110.0)
    assert clock.seconds_left(step, steps=16) == pytest.approx(left)
