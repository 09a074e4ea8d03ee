"""The records of a running training: rows of log.csv, loggers, the status line, warnings."""

from collections.abc import Sequence

from fullconv.classes import ClassSet
from fullconv.device import peak_mib
from fullconv.metrics import Scores
from fullconv.training.config.config import Config
from fullconv.training.config.config_keys import flat
from fullconv.training.loggers import LoggedRun, Logger, Loggers
from fullconv.training.loggers.csv_log import CSVLogger
from fullconv.training.loggers.logger import RunStatus
from fullconv.training.run.clock import Clock
from fullconv.training.run.console import Screen, Status
from fullconv.training.run.diagnostics import Diagnostics
from fullconv.training.run.resume import Progress
from fullconv.training.run.run_folder import Run
from fullconv.training.step import Updater
from fullconv.training.validation import SAMPLES, Validation, metrics_of
from fullconv.visualize import sheet

LOGGED = 200  # pixels of a photo for loggers: they keep every picture


class RunLog:
    """The log of one run; only the first of several processes writes rows.

    ``photos`` is how many there are to train on. ``diagnostics`` are the warnings in words; those
    given already are kept in the run's `Progress`.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        updater: Updater,
        screen: Screen,
        loggers: Sequence[Logger],
        classes: ClassSet,
        photos: int,
    ) -> None:
        self.run, self.config, self.updater, self.screen = run, config, updater, screen
        self.classes, self.photos = classes, photos
        self.csv = CSVLogger(run)
        self.loggers = Loggers(loggers, screen.warn)
        counts = [len(output.classes) for output in classes.outputs]
        self.diagnostics = Diagnostics(counts, [], bool(config.net.sources))
        self.last_scores = ""

    def start(self, progress: Progress) -> None:
        """Cut log.csv back to the saved state, warn where rows are lost, and start the loggers."""
        logged_run = LoggedRun(self.run.folder, flat(self.config), progress.step)
        last, damaged = self.run.log.keep(progress.step)
        if damaged:
            self.screen.warn(f"{self.run.log.path}: {damaged} damaged lines were removed")
        if last < progress.logged:
            self.screen.warn(
                f"{self.run.log.path}: its last row is that of step {last}, the saved state has "
                f"logged step {progress.logged}: the rows between are lost, the training is not"
            )
        self.csv.start(logged_run)
        self.loggers.start(logged_run)

    def finish(self, status: RunStatus) -> None:
        """Tell the loggers how the training ended."""
        self.loggers.finish(status)

    def write_row(self, progress: Progress, scores: Scores | None, clock: Clock) -> None:
        """The mean losses since the last row, the scores and the timing, to all logs.

        Sets the sums of ``progress`` back to zero.
        """
        loss, loss_per_pixel = self._mean_losses(progress)
        warning = self.diagnostics.loss(progress.step, loss_per_pixel)
        if warning:
            self.screen.warn(warning)
        progress.loss_sum, progress.plain_sum, progress.summed_steps = 0.0, 0.0, 0
        progress.logged = progress.step
        if not self.updater.fabric.is_global_zero:
            return
        train = {
            "epoch": self._epoch(progress.step),
            "lr": self.updater.lr(progress.step - 1),
            "loss": loss,
            "loss_per_pixel": loss_per_pixel,
        }
        time = {**clock.row(), "memory_mib": self._peak_mib()}
        values = {f"train/{name}": value for name, value in train.items()}
        values |= metrics_of(scores) if scores else {}
        values |= {f"time/{name}": value for name, value in time.items()}
        self.csv.metrics(progress.step, values)
        self.loggers.metrics(progress.step, values)

    def show_status(self, progress: Progress, clock: Clock) -> None:
        """The status line on the screen, after a step."""
        loss, loss_per_pixel = self._mean_losses(progress)
        speed = clock.row()
        status = Status(
            step=progress.step,
            steps=self.updater.steps,
            epoch=self._epoch(progress.step),
            lr=self.updater.lr(progress.step - 1),
            loss=loss,
            per_pixel=loss_per_pixel,
            images_per_second=speed["images_per_second"],
            seconds_left=clock.seconds_left(self.updater.steps),
            data_wait=speed["data_wait"],
            memory_mib=self._peak_mib(),
            validation=self.last_scores,
        )
        self.screen.show(status, due=progress.row_due)

    def show_validation(self, progress: Progress, validation: Validation, is_best: bool) -> None:
        """The sample sheet, the scores on the screen, and warnings about them."""
        step, scores = progress.step, validation.scores
        self.run.write_samples(validation.rows, self.classes.flat, step)
        small_sheet = sheet(validation.rows[:SAMPLES], self.classes.flat, cell=LOGGED)
        self.loggers.images(step, {"val/samples": small_sheet})
        self.last_scores = f"val mIU {scores.mean_iu:.4f}"
        self.screen.say(
            f"step {step}: val pixel accuracy {scores.pixel_accuracy:.4f}, mean IU "
            f"{scores.mean_iu:.4f}" + (" (best)" if is_best else "")
        )
        for warning in self.diagnostics.scores(step, self.updater.steps, scores, progress.start):
            self.screen.warn(warning)

    def _mean_losses(self, progress: Progress) -> tuple[float, float]:
        """The trained loss and the loss per pixel, means over the steps since the last row."""
        steps = progress.summed_steps
        return progress.loss_sum / steps, progress.plain_sum / steps

    def _epoch(self, step: int) -> float:
        """Passes through the data so far."""
        photos_per_step = self.config.schedule.photos_per_step(self.updater.fabric.world_size)
        return step * photos_per_step / self.photos

    def _peak_mib(self) -> int:
        return peak_mib(self.updater.fabric.device)
