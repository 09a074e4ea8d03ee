"""Weights & Biases: a run in the project ``fullconv``; WANDB_MODE=offline keeps it local."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically
from fullconv.training.loggers.logger import LoggedRun, RunStatus

PROJECT = "fullconv"
ID_FILE = "wandb_run.txt"
EXIT_CODES = {"finished": 0, "interrupted": 255, "failed": 1}


class WandbLogger:
    """Config, metrics and pictures of a run. WANDB_PROJECT names another project.

    A resumed run continues its W&B run, whose id lies in the folder (wandb_run.txt).
    """

    run: Any

    def start(self, run: LoggedRun) -> None:
        """Find or make the W&B run; UserError where the service refuses or does not answer."""
        id_file = run.folder / ID_FILE
        known = id_file.read_text("utf-8").strip() if run.step and id_file.is_file() else None
        try:
            self.run = wandb.init(
                project=os.environ.get("WANDB_PROJECT") or PROJECT,
                name=run.name,
                dir=str(run.folder),
                config=dict(run.config),
                id=known,
                resume="allow" if known else None,
                reinit="create_new",
            )
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"wandb: {reason} (WANDB_MODE=offline needs no service)", "FC-TRAIN-013"
            ) from error
        write_atomically(id_file, f"{self.run.id}\n")
        # A step of its own: W&B's counts upward only, and a resume may repeat some.
        self.run.define_metric("step", hidden=True)
        self.run.define_metric("*", step_metric="step")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A curve over ``step`` for each."""
        self.run.log({"step": step, **values})

    def images(self, step: int, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """A slider over ``step`` for each."""
        shown = {name: wandb.Image(image) for name, image in images.items()}
        self.run.log({"step": step, **shown})

    def finish(self, status: RunStatus) -> None:
        """Close the W&B run."""
        self.run.finish(exit_code=EXIT_CODES[status])
