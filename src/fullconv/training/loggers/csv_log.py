"""The run's own record: log.csv, the same bits when a run is repeated, and timing.csv beside it."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fullconv.training.loggers.logger import LoggedRun, RunStatus
from fullconv.training.run.run_folder import Run

NAMES = {
    "train/epoch": "epoch",
    "train/lr": "lr",
    "train/loss": "loss",
    "train/loss_per_pixel": "loss_per_pixel",
}
"""Metrics whose column is not their name with '_' for '/'."""


class CSVLogger:
    """Writes the tables of a run folder; a resume continues after the rows up to its first step."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def start(self, run: LoggedRun) -> None:
        """Cut the tables back to the rows up to ``run.step``, or begin them."""
        self.run.log.keep(run.step)
        self.run.timing.keep(run.step)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """One row of each table."""
        columns = {NAMES.get(name, name.replace("val/", "val_")): v for name, v in values.items()}
        self.run.log.add({"step": step} | columns)
        timing = {name.removeprefix("time/"): value for name, value in values.items()}
        self.run.timing.add({"step": step} | timing)

    def images(self, step: int, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """Nothing: the sheets of samples are written at full size by the run."""

    def finish(self, status: RunStatus) -> None:
        """Nothing: each row is on the disk."""
