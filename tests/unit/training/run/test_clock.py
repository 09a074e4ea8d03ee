"""The times of a training, when the first steps are the cheap ones and validations lie between."""

import pytest

from fullconv.training.run import clock as module
from fullconv.training.run.clock import HALF_TO_WHOLE, Clock


class Time:
    """Seconds that pass only when told."""

    now = 100.0

    def monotonic(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


@pytest.fixture
def time(monkeypatch):
    made = Time()
    monkeypatch.setattr(module, "time", made)
    return made


def clock_after(time, steps, start=0, between=0.0, wait=0.0):
    """A clock after steps of 1 s at half size and then 3 s, but the first of each takes 9 s."""

    def batches():
        while True:
            time.passes(wait)
            yield "batch"

    clock = Clock(start, photos_per_step=2, half_size_steps=8)
    passed_on = clock.timed(batches())
    for step in range(start, start + steps):
        next(passed_on)
        time.passes(9 if step in (start, 8) else 1 if step < 8 else 3)
        clock.end_step()
        time.passes(between)
    return clock


@pytest.mark.parametrize(
    ("start", "steps", "left"),
    [
        (0, 0, 0.0),
        (0, 1, 7 * 9 + 8 * 9 / HALF_TO_WHOLE),  # nothing else is known yet
        (0, 4, 4 * 1 + 8 * 1 / HALF_TO_WHOLE),
        (0, 8, 8 * 1 / HALF_TO_WHOLE),
        (0, 12, 4 * 3),  # both are measured
        (8, 4, 4 * 3),  # a resumed run counts its own steps
        (0, 16, 0.0),
    ],
)
def test_seconds_left(time, start, steps, left):
    assert clock_after(time, steps, start).seconds_left(16) == pytest.approx(left)


def test_time_between_steps_is_left_too(time):
    clock = clock_after(time, 12, between=0.5)
    assert clock.seconds_left(16) == pytest.approx(4 * (3 + 0.5))


def test_speed_is_of_the_steps_of_this_size_without_what_is_between(time):
    row = clock_after(time, 8, between=5, wait=0.25).row()
    assert row["images_per_second"] == pytest.approx(2 / 1.25)
    assert row["data_wait"] == pytest.approx(0.25 / 1.25)
    row = clock_after(time, 12, between=5, wait=0.25).row()
    assert row["images_per_second"] == pytest.approx(2 / 3.25)
    assert row["data_wait"] == pytest.approx(0.25 / 3.25)
    assert row["seconds"] == pytest.approx(12 * 5.25 + 9 + 7 + 9 + 3 * 3)
