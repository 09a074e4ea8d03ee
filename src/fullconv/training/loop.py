"""The training loop: visible, one step after the other, exact to resume.

Everything random follows from the seed and the step: order and augmentation of the photos (the
loader), and dropout (torch's generator is seeded anew at each step). A run that was killed resumes
from its last saved state and ends in the same bits as one that was not.
"""

import math
import signal
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import torch

from fullconv.classes import ClassSet
from fullconv.data import Augmentation, Batch, Source, Transform, loader
from fullconv.errors import UserError
from fullconv.metrics import Scores
from fullconv.training.config.config import Config
from fullconv.training.config.data_defaults import workers_of
from fullconv.training.loggers import Logger
from fullconv.training.memory.memory_budget import norms_see_parts
from fullconv.training.memory.step_memory import memory_watched
from fullconv.training.parallel import peers
from fullconv.training.parallel.processes import Processes
from fullconv.training.run.best_model import BestModel
from fullconv.training.run.clock import Clock
from fullconv.training.run.console import Screen
from fullconv.training.run.resume import Progress, check_steps, load_state, save_state
from fullconv.training.run.run_folder import Run
from fullconv.training.run.run_log import RunLog
from fullconv.training.run.signals import Interrupted, Stop, StopRequested, stop_on_signals
from fullconv.training.step import Updater
from fullconv.training.validation import Validation, run_validation

if TYPE_CHECKING:
    from fullconv.report import BestAndWorst


class Training:
    """The state of one run, and its loop."""

    def __init__(
        self,
        run: Run,
        config: Config,
        fabric: Processes,
        updater: Updater,
        source: Source,
        val: Source | None,
        screen: Screen,
        tile: int | None = None,
        origins: Sequence[dict[str, Any]] = (),
        augmentation: Augmentation | Transform | None = None,
        loggers: Sequence[Logger] = (),
    ) -> None:
        """``tile`` is the longest side of the tiles in which photos are validated; None: whole.

        ``origins`` describe the weights that the net started from. ``augmentation`` takes the place
        of the config's; ``loggers`` get what log.csv gets.
        """
        self.run, self.config, self.fabric, self.screen = run, config, fabric, screen
        self.updater, self.source, self.val, self.tile = updater, source, val, tile
        self.progress = Progress()
        self.augmentation = augmentation or config.augment.build()
        self.log = RunLog(run, config, updater, screen, loggers, source.classes, len(source))
        self.best_model = BestModel(run, config, updater, source, val, origins)
        self.half_size_steps = config.schedule.half_size_steps(updater.steps)
        tenth = max(1, math.ceil(updater.steps / 10))
        self.validate_every = config.schedule.validate_every or tenth

    @property
    def classes(self) -> ClassSet:
        """The classes of the data."""
        return self.source.classes

    def resume(self) -> None:
        """Continue from the saved state; from the beginning when there is none."""
        updater, folder = self.updater, self.run.folder
        states = folder, updater.net, updater.ema_net, updater.optimizer
        self.progress = load_state(*states, self.screen.warn) or Progress()
        updater.micro_batch = min(
            updater.micro_batch, self.progress.micro_batch or updater.micro_batch
        )
        check_steps(folder, self.progress.step, updater.steps)
        if self.fabric.broadcast(self.progress.step) != self.progress.step:
            raise UserError(
                f"{folder}: process {self.fabric.global_rank} reads another state than "
                "process 0; all need the run folder on a file system that they share",
                "FC-TRAIN-016",
            )

    def fit(self, until: int | None = None) -> None:
        """Train from the current state to the last step, or to the step ``until`` before it.

        Loggers are told how it ended. Raises Interrupted where a signal asked for the end.
        """
        if self.fabric.is_global_zero:
            self.log.start(self.progress)
        try:
            self.run_steps(until)
        except BaseException as error:
            is_stop = isinstance(error, Interrupted | KeyboardInterrupt)
            self.log.finish("interrupted" if is_stop else "failed")
            raise
        self.log.finish("finished")

    def run_steps(self, until: int | None = None) -> None:
        """The loop."""
        progress, updater, config = self.progress, self.updater, self.config
        last = updater.steps if until is None else min(until, updater.steps)
        self.log.diagnostics.warned = progress.seen_warnings
        clock = Clock(progress.step, self.photos_per_step, self.half_size_steps)
        with stop_on_signals() as stop, closing(self.batches(last)) as batches:
            if others := peers.current():
                others.relay(stop)
            # Several processes stop together after a step; one alone need not wait for its batch.
            stop_while_waiting = stop if self.fabric.world_size == 1 else None
            try:
                if progress.step == 0 and config.net.sources and self.score_layers_are_loaded():
                    self.score_before_training(stop)
                if progress.row_due:
                    self.validate_and_log(clock, stop)
                for batch in clock.timed(batches, stop_while_waiting):
                    with memory_watched(config, self.out_of_memory()):
                        losses = updater.step(batch)
                    clock.end_step()
                    self.count_step(losses)
                    self.log.show_status(progress, clock)
                    if progress.row_due:
                        self.validate_and_log(clock, stop)
                    is_save_due, is_stopping = self.agree_to_save_or_stop(clock, stop)
                    if is_save_due:
                        self.save()
                    if self.is_validation_due() and self.fabric.is_global_zero:
                        self.run.write_report()
                    if is_stopping:
                        raise StopRequested
                    if self.has_stopped_early():
                        count = progress.validations_since_best
                        self.screen.say(f"stopped early: no better score in {count} validations")
                        break
            except StopRequested:
                self.save()
                (number,) = self.largest_of_processes(stop.number or 0)
                raise Interrupted(number or signal.SIGINT) from None
        if last < updater.steps and not self.has_stopped_early():
            self.save()

    def batches(self, last: int) -> Generator[Batch, None, None]:
        """The batches from the current step to the step ``last``."""
        if self.has_stopped_early():
            return
        schedule = self.config.schedule
        with memory_watched(self.config, self.out_of_memory()):
            yield from loader(
                self.source,
                batch_size=schedule.batch_size * schedule.accumulate,
                augmentation=self.augmentation,
                seed=self.config.seed,
                start_step=self.progress.step,
                stop_step=last,
                coarse_steps=self.half_size_steps,
                scaled_steps=self.config.augment.scaled_steps(self.updater.steps),
                workers=workers_of(self.config),
                fill=self.updater.preprocessing.mean_color(),
                rank=self.fabric.global_rank,
                world=self.fabric.world_size,
                pin_memory=self.fabric.device.type == "cuda",
            )

    @property
    def photos_per_step(self) -> int:
        """Photos in one update, over all processes."""
        return self.config.schedule.photos_per_step(self.fabric.world_size)

    def out_of_memory(self) -> str:
        """The message where the next step runs out of memory."""
        return f"out of memory at step {self.progress.step + 1} on {self.fabric.device}"

    def count_step(self, losses: tuple[float, float]) -> None:
        """Count a finished step and its losses: the trained one, and the loss per pixel."""
        progress, updater, schedule = self.progress, self.updater, self.config.schedule
        progress.step += 1
        progress.loss_sum += losses[0]
        progress.plain_sum += losses[1]
        progress.summed_steps += 1
        progress.row_due = self.is_validation_due() or progress.step % schedule.log_every == 0
        if updater.micro_batch < (progress.micro_batch or schedule.batch_size):
            self.warn_of_smaller_parts()
        progress.micro_batch = (
            updater.micro_batch if updater.micro_batch < schedule.batch_size else None
        )

    def warn_of_smaller_parts(self) -> None:
        """Say that a step ran out of memory, and how many photos are taken at a time from now."""
        updater = self.updater
        differs = norms_see_parts(self.config, updater.net.spec)
        norms = " (batch norm takes its mean over each part)" if differs else ""
        self.screen.warn(
            f"out of memory at step {self.progress.step}: from here on {updater.micro_batch} "
            "photos at a time, accumulated to as many in a step as before, with the same "
            f"result{norms}"
        )

    def is_validation_due(self) -> bool:
        """Whether the current step ends with a validation."""
        step = self.progress.step
        return step > 0 and (step % self.validate_every == 0 or step == self.updater.steps)

    def validate_and_log(self, clock: Clock, stop: Stop) -> None:
        """Validate where that is due, and write the row of the current step to the log.

        A signal ends the validation; a resume then begins with this row.
        """
        if self.fabric.is_global_zero:
            self.run.check_there()
        scores = self.validate(stop) if self.is_validation_due() else None
        self.log.write_row(self.progress, scores, clock)
        self.progress.row_due = False

    def validate(self, stop: Stop) -> Scores | None:
        """Score the net, show the scores, and keep the checkpoint if it is the best so far."""
        progress = self.progress
        if self.val is None:
            if self.fabric.is_global_zero:
                self.best_model.write(progress.step, None)
            return None
        from fullconv.report import BestAndWorst

        validation = self.validation(self.val, stop, BestAndWorst(self.classes))
        scores = validation.scores
        is_best = scores.mean_iu > progress.best
        if self.fabric.is_global_zero:
            self.log.show_validation(progress, validation, is_best)
            if is_best:
                self.best_model.write(progress.step, validation)
        progress.validations_since_best = 0 if is_best else progress.validations_since_best + 1
        progress.best = max(progress.best, scores.mean_iu)
        return scores

    def validation(
        self, val: Source, stop: Stop, best_and_worst: "BestAndWorst | None" = None
    ) -> Validation:
        """The scores of the current net on ``val``; a signal ends it."""
        return run_validation(
            self.updater,
            val,
            self.classes,
            self.screen,
            self.progress.step,
            tile=self.tile,
            stop=stop,
            best_and_worst=best_and_worst,
        )

    def score_layers_are_loaded(self) -> bool:
        """Whether the score layers were loaded: new ones are zero, and need no score."""
        return any(bool(p.any()) for p in self.updater.net.score.parameters())

    def score_before_training(self, stop: Stop) -> None:
        """The score before the first step of a fine-tuning, to warn when training loses it."""
        if self.val is not None:
            start = self.validation(self.val, stop).scores.mean_iu
            self.progress.start = start
            self.screen.say(f"before training: val mean IU {start:.4f}")

    def has_stopped_early(self) -> bool:
        """Whether the last validations of a run with patience brought no better score."""
        patience = self.config.schedule.patience
        return patience is not None and self.progress.validations_since_best >= patience

    def save(self) -> None:
        """Save the complete state (one process does)."""
        if self.fabric.is_global_zero:
            self.run.check_there()
            updater = self.updater
            states = updater.net, updater.ema_net, updater.optimizer
            save_state(self.run.folder, *states, self.progress)
        self.fabric.barrier()

    def agree_to_save_or_stop(self, clock: Clock, stop: Stop) -> tuple[bool, bool]:
        """Whether to save the state after this step, and whether to stop.

        All processes decide alike: to save by the first one's clock, to stop where a signal has
        reached any of them.
        """
        is_first = self.fabric.is_global_zero
        is_save_due = self.is_validation_due()
        is_save_due |= is_first and clock.save_due(self.config.schedule.save_minutes)
        save, is_stopping = self.largest_of_processes(is_save_due, bool(stop))
        return bool(save), bool(is_stopping)

    def largest_of_processes(self, *numbers: int) -> list[int]:
        """Each of ``numbers`` at its largest over all processes (an all-reduce by max)."""
        if self.fabric.world_size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.int64, device=self.fabric.device)
        values = self.fabric.all_reduce(values, reduce_op="max")
        assert isinstance(values, torch.Tensor)
        return values.tolist()
