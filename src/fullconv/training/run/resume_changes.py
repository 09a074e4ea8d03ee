"""What a resume may change in the config of a run, and how the run keeps it."""

from pathlib import Path
from typing import Any

from fullconv.errors import UserError
from fullconv.training.config.config import Config
from fullconv.training.config.config_keys import flat
from fullconv.training.config.config_sources import with_change
from fullconv.training.run.resume import check_steps

CHANGEABLE = (
    "schedule.",
    "machine.",
    "data.path",
    "data.workers",
    "data.check",
    "data.cache",
    "logging.",
)
"""What a resume may change, by the beginnings of keys."""


PLACES = ("data.", "logging.", "schedule.save_minutes")
"""Of these, what decides no number of the run: not kept as a change, but as if it had been so."""


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
