"""TensorBoard's event files, in the folder of the run."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from torch.utils.tensorboard import SummaryWriter

from fullconv.training.loggers.logger import LoggedRun, RunStatus

FLUSH = 10  # seconds until TensorBoard sees a value


class TensorBoardLogger:
    """Curves and samples for ``tensorboard --logdir runs``; a resume hides what it repeats."""

    writer: SummaryWriter

    def start(self, run: LoggedRun) -> None:
        """Open an event file in the folder of the run."""
        self.writer = SummaryWriter(str(run.folder), purge_step=run.step, flush_secs=FLUSH)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A curve for each."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def images(self, step: int, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """A slider over the steps for each."""
        for name, image in images.items():
            self.writer.add_image(name, image, step, dataformats="HWC")
        self.writer.flush()

    def finish(self, status: RunStatus) -> None:
        """Write what is left."""
        self.writer.close()
