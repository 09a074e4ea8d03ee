"""The changes of a config that a resume may make, and how the run stores them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullconv.errors import UserError
from fullconv.training.config.config import Change, Config
from fullconv.training.config.config_keys import flat
from fullconv.training.config.config_sources import config_at, with_change
from fullconv.training.parallel.processes import count_of
from fullconv.training.run.resume import check_steps

CHANGEABLE = (
    "schedule.",
    "compute.",
    "data.path",
    "data.workers",
    "data.check",
    "data.cache",
    "logging.",
)
"""The keys that a resume may change, by their beginnings."""


PROCESSES = ("compute.devices", "compute.nodes")
BATCH = {"schedule.batch_size", "schedule.accumulate"}
PLACES = ("data.", "logging.", "schedule.save_minutes", *PROCESSES)
"""Those of these keys that do not affect the result: stored as if they had always been so."""


def check_changes(before: Config, config: Config, out: Path, step: int) -> None:
    """UserError for what no resume can change, after ``step`` steps."""
    differing = _differing(before, config)
    fixed = [key for key in differing if not key.startswith(CHANGEABLE)]
    if fixed:
        raise UserError(
            f"{', '.join(fixed)} cannot be changed by a resume (only "
            f"{', '.join(CHANGEABLE)}); start a new run, --weights {out} begins with its net",
            "FC-TRAIN-009",
        )
    check_steps(out, step, config.schedule.steps)
    if config.schedule.time is not None:
        raise UserError(
            "schedule.time plans a run from its first step: to resume one, give steps or epochs",
            "FC-TRAIN-009",
        )


def on_other_processes(saved: Config, overrides: Mapping[str, Any]) -> Config:
    """The config of a run for another number of processes, with the same photos in each step.

    The batch of a process, and how many are accumulated, then follow, at all steps, unless they are
    ``overrides``. UserError where the photos of a step cannot be shared out evenly.
    """
    numbers = {
        key: int(overrides[key]) for key in PROCESSES if str(overrides.get(key, "")).isdecimal()
    }
    if not numbers:
        return saved
    changed = with_change(saved, 0, numbers)
    if BATCH & overrides.keys() or count_of(changed.compute) == count_of(saved.compute):
        return changed
    changes = []
    for change in saved.changes:
        shared = _shared_out(config_at(saved, change.step), changed)
        both = change.set | (shared if BATCH & change.set.keys() else {})
        changes.append(Change(step=change.step, set=both))
    changed = changed.model_copy(update={"changes": tuple(changes)})
    return with_change(changed, 0, _shared_out(saved, changed))


def _shared_out(saved: Config, changed: Config) -> dict[str, int]:
    """Batch and accumulation of each process of ``changed`` for the photos of a step of ``saved``.

    No more photos go through the net together than did.
    """
    batch, processes = saved.schedule.batch_size, count_of(changed.compute)
    photos = batch * saved.schedule.accumulate * count_of(saved.compute)
    if photos % processes:
        raise UserError(
            f"compute.devices: {processes} processes cannot share out the {photos} photos of a "
            "step evenly; use a number that divides them, or give schedule.batch_size",
            "FC-TRAIN-009",
        )
    own = photos // processes
    size = max(n for n in range(1, min(batch, own) + 1) if own % n == 0)
    return {"schedule.batch_size": size, "schedule.accumulate": own // size}


def _differing(before: Config, config: Config) -> dict[str, Any]:
    """The new values of keys that differ; None where one is unset."""
    old, new = flat(before), flat(config)
    return {key: new.get(key) for key in old | new if old.get(key) != new.get(key)}


def with_recorded_changes(saved: Config, step: int, before: Config, config: Config) -> Config:
    """The saved config with the changes of a resume at ``step``.

    What decides the numbers of the run is kept as a change; places and what only costs time are
    written as if they had been so from the beginning.
    """
    differing = _differing(before, config)
    places = {key: value for key, value in differing.items() if key.startswith(PLACES)}
    decisive = {key: value for key, value in differing.items() if key not in places}
    moved = with_change(saved, 0, places) if places else saved
    return with_change(moved, step, decisive) if decisive else moved
