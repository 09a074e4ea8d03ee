"""Settings that follow from the data and from the time that there is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.data import open_source
from fullconv.duration import seconds_of
from fullconv.errors import UserError
from fullconv.training import make_config
from fullconv.training.config import time_budget
from fullconv.training.config.config import Config
from fullconv.training.config.data_defaults import (
    crop_for,
    epochs_for,
    with_data_defaults,
    with_scale_until,
)
from fullconv.training.config.time_budget import Speed, measured, with_steps_for_time

SPEED = Speed(step=0.8, half_size_step=0.25, validation=6.0)


def open_config(**changes) -> Config:
    return make_config("default", {"augment.crop": "auto"} | changes)


def timed(**changes) -> Config:
    return open_config(
        **{"schedule.time": "10m", "schedule.batch_size": 4, "augment.crop": [256, 352]} | changes
    )


@pytest.mark.parametrize(("photos", "epochs"), [(10, 160), (100, 64), (1000, 25), (10_000, 10)])
def test_epochs_by_the_number_of_photos(photos, epochs):
    assert epochs_for(photos) == epochs


@given(st.integers(1, 10**6), st.integers(1, 10**6))
@settings(max_examples=100, deadline=None)
def test_more_photos_never_get_more_epochs_nor_clearly_fewer_steps(one, other):
    few, many = sorted((one, other))
    assert epochs_for(few) >= epochs_for(many) >= 1
    # Epochs are whole: of few of them rounding takes a part.
    assert few * (epochs_for(few) - 0.5) <= many * (epochs_for(many) + 0.5)


@given(st.integers(1, 8000), st.integers(1, 8000))
@settings(max_examples=100, deadline=None)
def test_a_crop_lies_on_the_grid_and_within_its_limits(height, width):
    for side in crop_for((height, width)):
        assert side % 32 == 0
        assert 64 <= side <= 512


def test_the_crop_of_camvid_is_three_quarters_of_its_photos():
    assert crop_for((360, 480)) == (256, 352)


def test_what_is_given_stays():
    given = make_config("default", {"schedule.steps": 7, "augment.crop": [64, 96]})
    assert with_data_defaults(given, 100, (300, 400)) == given
    whole = make_config("default", {"schedule.epochs": 3, "augment.crop": None})
    assert with_data_defaults(whole, 100, (300, 400)) == whole


def test_what_is_open_is_settled_by_the_data():
    config = make_config("default", {"schedule.epochs": None, "augment.crop": "auto"})
    settled = with_data_defaults(config, 41, (360, 480))
    assert (settled.schedule.epochs, settled.augment.crop) == (epochs_for(41), (256, 352))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("1.5H", 5400)]
)
def test_a_time(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "h", "10", "ten minutes", "nanh", "infh", "-1h", "0s", "9e9h"]
)
def test_what_is_no_time_is_named(text):
    with pytest.raises(UserError, match="is no time: use seconds"):
        seconds_of(text)
    if text:
        with pytest.raises(UserError, match=r"schedule\.time"):
            make_config("default", {"schedule.time": text})


def test_time_steps_and_epochs_replace_one_another():
    schedule = make_config("default", {"schedule.time": "1h"}).schedule
    assert (schedule.steps, schedule.epochs, schedule.time) == (None, None, "1h")
    with pytest.raises(UserError, match="only one of steps, epochs and time"):
        make_config("default", {"schedule.time": "1h", "schedule.steps": 3})


@given(minutes=st.floats(2, 240), photos=st.integers(10, 20_000), coarse=st.floats(0, 0.9))
@settings(max_examples=200, deadline=None)
def test_the_steps_fit_into_the_time(minutes, photos, coarse):
    config = timed(**{"schedule.half_size": coarse})
    settled = with_steps_for_time(config, SPEED, photos, 60 * minutes)
    schedule = settled.schedule
    assert schedule.time is None and schedule.epochs is None and schedule.steps
    each = schedule.half_size * SPEED.half_size_step + (1 - schedule.half_size) * SPEED.step
    validations = -(-schedule.steps // schedule.validate_every)
    assert validations <= 10
    total = schedule.steps * each + validations * SPEED.validation
    assert total <= max(60 * minutes, each + validations * SPEED.validation)


@pytest.mark.parametrize(("seconds", "validations"), [(60, 3), (600, 8), (3600, 10)])
def test_short_runs_are_validated_less_often(seconds, validations):
    assert SPEED.validations_in(seconds) == validations
    assert Speed(0.8, 0.25, 0.0).validations_in(seconds) == 10


@pytest.mark.parametrize(
    ("length", "photos", "until"),
    [
        ({"schedule.epochs": epochs_for(100)}, 100, 1.0),
        ({"schedule.epochs": 0.5 * epochs_for(100)}, 100, 1.0),
        ({"schedule.epochs": 0.4 * epochs_for(100)}, 100, 0.65),
        ({"schedule.steps": 1850}, 367, 0.65),
        ({"schedule.steps": 1850, "schedule.accumulate": 2}, 367, 1.0),
        ({"schedule.steps": 10}, 367, 0.65),
        ({"schedule.steps": 10, "augment.scale_until": 0.9}, 367, 0.9),
    ],
)
def test_a_short_run_ends_without_random_scales(length, photos, until):
    config = with_scale_until(make_config("default", length), photos, 1)
    assert config.augment.scale_until == until
    assert config.augment.scaled_steps(1000) == 1000 * until


def test_processes_see_more_photos_in_a_step():
    config = make_config("default", {"schedule.steps": 1850})
    assert with_scale_until(config, 367, 2).augment.scale_until == 1.0


def test_a_step_that_is_disturbed_does_not_count(monkeypatch):
    changes = {"augment.crop": [32, 32], "data.workers": 0, "schedule.batch_size": 1}
    clock, taken = [0.0], iter([9, 9, 2, 2, 50, 2, 2] * 2)  # two steps warm up

    def step(batch):
        clock[0] += next(taken)

    monkeypatch.setattr(time_budget.time, "perf_counter", lambda: clock[0])
    scenes = open_source("shapes:48x64:n=8", "train")
    speed = measured(timed(**changes), scenes, step, lambda: 1.0)
    assert (speed.step, speed.half_size_step) == (2, 2)


def test_validations_that_are_asked_for_take_their_share():
    every = with_steps_for_time(timed(**{"schedule.validate_every": 20}), SPEED, 100, 3600).schedule
    assert every.validate_every == 20
    each = every.half_size * SPEED.half_size_step + (1 - every.half_size) * SPEED.step
    assert every.steps * (each + SPEED.validation / 20) <= 3600


def test_a_time_that_does_not_suffice_is_said():
    with pytest.raises(UserError, match=r"10m is too short: .* a step takes 0\.8 s"):
        with_steps_for_time(timed(), SPEED, 100, 15)


def test_a_long_time_for_few_photos_ends_early():
    schedule = with_steps_for_time(timed(), SPEED, 10, 10 * 3600).schedule
    assert schedule.steps == round(4 * epochs_for(10) * 10 / timed().schedule.batch_size)
