"""The keys that a recipe leaves open, chosen by the size of the data: epochs, crop, scales."""

import os

from fullconv.training.config.config import Config
from fullconv.training.config.sections_and_defaults import GRID

EPOCHS_OF_TEN = 160
"""Epochs for ten photos."""
EPOCHS_POWER = -0.4
"""Ten times the photos take 0.4 times the epochs: 4 times the steps."""
CROP_SHARE = 0.75  # of a photo's height and width
CROP_SIDES = (64, 512)  # the shortest and the longest side of a crop
SHORT = 0.5  # times the usual epochs, below which a run is short
SCALE_UNTIL = 0.65
"""The share of a short run with random scales: it has too few steps to learn all sizes as well."""


def with_data_defaults(config: Config, photos: int, size: tuple[int, int]) -> Config:
    """The config with its epochs and its crop chosen where they are open.

    ``photos`` is their number, ``size`` their (H, W). Epochs are open where neither steps nor
    epochs nor a time are given, the crop where it is 'auto'.
    """
    schedule, augment = config.schedule, config.augment
    if schedule.steps is None and schedule.epochs is None and schedule.time is None:
        schedule = schedule.model_copy(update={"epochs": epochs_for(photos)})
    if augment.crop == "auto":
        augment = augment.model_copy(update={"crop": crop_for(size)})
    return config.model_copy(update={"schedule": schedule, "augment": augment})


def with_scale_until(config: Config, photos: int, processes: int) -> Config:
    """The config with ``augment.scale_until`` chosen where it is 'auto'; its length is settled."""
    schedule = config.schedule
    if config.augment.scale_until != "auto":
        return config
    seen = schedule.steps_for(photos, processes) * schedule.photos_per_step(processes)
    until = SCALE_UNTIL if seen < SHORT * epochs_for(photos) * photos else 1.0
    augment = config.augment.model_copy(update={"scale_until": until})
    return config.model_copy(update={"augment": augment})


def epochs_for(photos: int) -> float:
    """Passes through so many photos: 160 for 10, 64 for 100, 25 for 1,000, 10 for 10,000.

    More photos need more steps, but fewer passes: each photo then has others like it.
    """
    return max(1, round(EPOCHS_OF_TEN * (photos / 10) ** EPOCHS_POWER))


def crop_for(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a crop of photos of ``size``: three quarters of each, on the grid."""
    return _side(size[0]), _side(size[1])


def workers_of(config: Config) -> int:
    """Loader processes: those that are given, else one on two cores, more on larger machines."""
    if config.data.workers is not None:
        return config.data.workers
    return min(8, max(1, (os.cpu_count() or 1) // 2))


def _side(pixels: int) -> int:
    shortest, longest = CROP_SIDES
    return min(longest, max(shortest, round(CROP_SHARE * pixels / GRID) * GRID))
