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

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import ClassSet
from fullconv.data import Augmentation, Batch, Source, Transform, by_split, loader
from fullconv.device import peak_mib
from fullconv.errors import UserError
from fullconv.metrics import Scores
from fullconv.training.config.config import Config
from fullconv.training.config.config_keys import flat
from fullconv.training.config.data_defaults import workers_of
from fullconv.training.loggers import LoggedRun, Logger, Loggers
from fullconv.training.loggers.csv_log import CSVLogger
from fullconv.training.memory.memory_budget import norms_see_parts
from fullconv.training.memory.step_memory import memory_watched
from fullconv.training.parallel import peers
from fullconv.training.parallel.processes import Processes
from fullconv.training.run.clock import Clock
from fullconv.training.run.console import Screen, Status
from fullconv.training.run.diagnostics import Watch
from fullconv.training.run.resume import Progress, check_steps, load_state, save_state
from fullconv.training.run.run_folder import Run
from fullconv.training.run.signals import Interrupted, Stop, Waiting, stop_on_signals
from fullconv.training.step import Updater
from fullconv.training.validation import SAMPLES, Validation, metrics_of, run_validation
from fullconv.visualize import sheet

if TYPE_CHECKING:
    from fullconv.report import BestAndWorst

LOGGED = 200  # pixels of a photo for loggers: they keep every picture


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
        piece: int | None = None,
        origins: Sequence[dict[str, Any]] = (),
        augmentation: Augmentation | Transform | None = None,
        loggers: Sequence[Logger] = (),
    ) -> None:
        """``piece`` is the longest side of pieces in which photos are validated; None: whole.

        ``origins`` say of the weights that the net started from what they are and whose.
        ``augmentation`` takes the place of the config's; ``loggers`` get what log.csv gets.
        """
        self.run, self.config, self.fabric, self.screen = run, config, fabric, screen
        self.updater, self.source, self.val = updater, source, val
        self.piece, self.origins, self.progress = piece, list(origins), Progress()
        self.augmentation = augmentation or config.augment.build()
        self.csv = CSVLogger(run)
        self.loggers = Loggers(loggers, screen.warn)
        self.coarse_steps = config.schedule.coarse_steps(updater.steps)
        counts = [len(output.classes) for output in source.classes.outputs]
        self.watch = Watch(counts, [], bool(config.net.sources))
        tenth = max(1, math.ceil(updater.steps / 10))
        self.validate_every = config.schedule.validate_every or tenth
        self.last_scores = ""

    @property
    def classes(self) -> ClassSet:
        """The classes of the data."""
        return self.source.classes

    def resume(self) -> None:
        """Continue from the saved state; from the beginning when there is none."""
        u = self.updater
        states = self.run.folder, u.net, u.averaged, u.optimizer
        self.progress = load_state(*states, self.screen.warn) or Progress()
        p = self.progress
        self.watch.said = p.seen_warnings
        u.part = min(u.part, p.part or u.part)
        check_steps(self.run.folder, p.step, self.updater.steps)
        if self.fabric.broadcast(p.step) != p.step:
            raise UserError(
                f"{self.run.folder}: process {self.fabric.global_rank} reads another state than "
                "process 0; all need the run folder on a file system that they share",
                "FC-TRAIN-016",
            )

    def fit(self, until: int | None = None) -> None:
        """Train from the current state to the last step, or ``until`` a step before it.

        Loggers are told how it ended. Raises Interrupted where a signal asked for the end.
        """
        if self.fabric.is_global_zero:
            self.start_logging()
        try:
            self.steps(until)
        except BaseException as error:
            is_stop = isinstance(error, Interrupted | KeyboardInterrupt)
            self.loggers.finish("interrupted" if is_stop else "failed")
            raise
        self.loggers.finish("finished")

    def start_logging(self) -> None:
        """Cut the log back to the state, with a word where it is shorter, and start the loggers."""
        p = self.progress
        logged = LoggedRun(self.run.folder, flat(self.config), p.step)
        last, damaged = self.run.log.keep(p.step)
        if damaged:
            self.screen.warn(f"{self.run.log.path}: {damaged} damaged lines were removed")
        if last < p.logged:
            self.screen.warn(
                f"{self.run.log.path}: its last row is that of step {last}, the state has logged "
                f"step {p.logged}: the rows between are lost, the training is not"
            )
        self.csv.start(logged)
        self.loggers.start(logged)

    def steps(self, until: int | None = None) -> None:
        """The loop."""
        p, u, config = self.progress, self.updater, self.config
        last = u.steps if until is None else min(until, u.steps)
        self.watch.said = p.seen_warnings
        clock = Clock(p.step, self.photos_per_step, self.coarse_steps)
        with stop_on_signals() as stop, closing(self.batches(last)) as batches:
            if others := peers.current():
                others.relay(stop)
            try:
                if p.step == 0 and config.net.sources and self.net_has_scores():
                    self.first_validation(stop)
                if p.row_due:
                    self.write_row(clock, stop)
                for batch in clock.waiting(batches, self.unless_shared(stop)):
                    with memory_watched(config, self.out_of_memory()):
                        losses = u.step(batch)
                    self.count(losses)
                    self.screen.show(self.status(clock), due=p.row_due)
                    if p.row_due:
                        self.write_row(clock, stop)
                    is_save_due, is_stopping = self.decided(clock, stop)
                    if is_save_due:
                        self.save()
                    if self.is_validation_due() and self.fabric.is_global_zero:
                        self.run.write_report()
                    if is_stopping:
                        raise Waiting
                    if self.has_stopped_early():
                        self.say_early_end()
                        break
            except Waiting:
                self.save()
                (number,) = self.highest(stop.number or 0)
                raise Interrupted(number or signal.SIGINT) from None
        if last < u.steps and not self.has_stopped_early():
            self.save()

    def batches(self, last: int) -> Generator[Batch, None, None]:
        """The batches from the current step on, to the step ``last``."""
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
                coarse_steps=self.coarse_steps,
                workers=workers_of(self.config),
                fill=self.updater.preprocessing.mean_color(),
                rank=self.fabric.global_rank,
                world=self.fabric.world_size,
                pin_memory=self.fabric.device.type == "cuda",
            )

    @property
    def photos_per_step(self) -> int:
        """Photos in one update, over all processes."""
        schedule = self.config.schedule
        return schedule.batch_size * schedule.accumulate * self.fabric.world_size

    def out_of_memory(self) -> str:
        """What to say when the memory does not suffice for the step to come."""
        return f"out of memory at step {self.progress.step + 1} on {self.fabric.device}"

    def count(self, losses: tuple[float, float]) -> None:
        """Note a finished step and its (trained, plain) losses."""
        p, u = self.progress, self.updater
        p.step += 1
        p.loss_sum, p.plain_sum = p.loss_sum + losses[0], p.plain_sum + losses[1]
        p.summed_steps += 1
        p.row_due = self.is_validation_due() or p.step % self.config.schedule.log_every == 0
        if u.part < (p.part or self.config.schedule.batch_size):
            self.say_parts()
        p.part = u.part if u.part < self.config.schedule.batch_size else None

    def say_parts(self) -> None:
        """That a step ran out of memory, and how the photos are taken from now on."""
        u = self.updater
        differs = norms_see_parts(self.config, u.net.spec)
        norms = " (batch norm takes its mean over each part)" if differs else ""
        self.screen.warn(
            f"out of memory at step {self.progress.step}: from here on {u.part} photos at a time, "
            f"accumulated to as many in a step as before, with the same result{norms}"
        )

    def is_validation_due(self) -> bool:
        """Whether the current step ends with a validation."""
        p = self.progress
        return p.step > 0 and (p.step % self.validate_every == 0 or p.step == self.updater.steps)

    def write_row(self, clock: Clock, stop: Stop) -> None:
        """Validate where that is due, and write the row of the current step to the log.

        A signal ends the validation; the row is then due at the resume.
        """
        if self.fabric.is_global_zero:
            self.run.check_there()
        scores = self.validate(stop) if self.is_validation_due() else None
        self.log(scores, clock)
        self.progress.row_due = False

    def net_has_scores(self) -> bool:
        """Whether the score layers were loaded: fresh ones are zero, and score nothing."""
        return any(bool(p.any()) for p in self.updater.net.score.parameters())

    def first_validation(self, stop: Stop) -> None:
        """The score before the first step of a fine-tuning, to warn when it is lost."""
        if self.val is not None:
            start = self.validation(self.val, stop).scores.mean_iu
            self.progress.start = start
            self.screen.say(f"before training: val mean IU {start:.4f}")

    def validate(self, stop: Stop) -> Scores | None:
        """Score, warn, write samples, and keep the weights if they are the best so far."""
        p = self.progress
        if self.val is None:
            if self.fabric.is_global_zero:
                self.write_model(None)
            return None
        from fullconv.report import BestAndWorst

        seen = self.validation(self.val, stop, BestAndWorst(self.classes))
        scores, is_best = seen.scores, seen.scores.mean_iu > p.best
        if self.fabric.is_global_zero:
            self.show_validation(seen, is_best)
            if is_best:
                self.write_model(scores)
                assert seen.extremes is not None
                shown = self.classes.flat.outputs[0].classes
                seen.extremes.write(self.run.folder, shown, p.step)
        p.validations_since_best = 0 if is_best else p.validations_since_best + 1
        p.best = max(p.best, scores.mean_iu)
        return scores

    def validation(
        self, val: Source, stop: Stop, extremes: "BestAndWorst | None" = None
    ) -> Validation:
        """The net of this moment on ``val``; a signal ends it."""
        return run_validation(
            self.updater,
            val,
            self.classes,
            self.screen,
            self.progress.step,
            piece=self.piece,
            stop=stop,
            extremes=extremes,
        )

    def show_validation(self, seen: Validation, is_best: bool) -> None:
        """The sample sheet, the scores on the screen, and what they warn of."""
        p, scores = self.progress, seen.scores
        self.run.write_samples(seen.rows, self.classes.flat, p.step)
        sheet_of_six = sheet(seen.rows[:SAMPLES], self.classes.flat, cell=LOGGED)
        self.loggers.images(p.step, {"val/samples": sheet_of_six})
        self.last_scores = f"val mIU {scores.mean_iu:.4f}"
        self.screen.say(
            f"step {p.step}: val pixel accuracy {scores.pixel_accuracy:.4f}, mean IU "
            f"{scores.mean_iu:.4f}" + (" (best)" if is_best else "")
        )
        for warning in self.watch.scores(p.step, self.updater.steps, scores, p.start):
            self.screen.warn(warning)

    def write_model(self, scores: Scores | None) -> None:
        """Write the checkpoint, with where it comes from."""
        origin = {
            "recipe": self.config.recipe,
            "data": self.config.data.path or self.config.data.object,
            "photos": {name: len(split) for name, split in by_split(self.source, self.val).items()},
            "step": self.progress.step,
            "val_mean_iu": scores.mean_iu if scores else None,
            "weights": self.origins,
        }
        u = self.updater
        save(self.run.model, Checkpoint(u.best_net, self.classes, u.preprocessing, origin))
        if scores:
            self.run.write_scores(scores, self.progress.step)

    def has_stopped_early(self) -> bool:
        """Whether the last validations of a run with patience brought no better score."""
        patience = self.config.schedule.patience
        return patience is not None and self.progress.validations_since_best >= patience

    def say_early_end(self) -> None:
        """That no better score came for too long."""
        count = self.progress.validations_since_best
        self.screen.say(f"stopped early: no better score in {count} validations")

    def log(self, scores: Scores | None, clock: Clock) -> None:
        """The means since the last time, the scores and the timing, to log.csv and all loggers."""
        p = self.progress
        loss, plain = p.loss_sum / p.summed_steps, p.plain_sum / p.summed_steps
        warning = self.watch.loss(p.step, plain)
        if warning:
            self.screen.warn(warning)
        p.loss_sum, p.plain_sum, p.summed_steps, p.logged = 0.0, 0.0, 0, p.step
        if not self.fabric.is_global_zero:
            return
        lr = self.updater.lr(p.step - 1)
        values = {"epoch": self.epoch, "lr": lr, "loss": loss, "loss_per_pixel": plain}
        values = {f"train/{name}": value for name, value in values.items()}
        values |= metrics_of(scores) if scores else {}
        timing = {**clock.row(), "memory_mib": self.peak()}
        values |= {f"time/{name}": value for name, value in timing.items()}
        self.csv.metrics(p.step, values)
        self.loggers.metrics(p.step, values)

    @property
    def epoch(self) -> float:
        """Passes through the data so far."""
        return self.progress.step * self.photos_per_step / len(self.source)

    def peak(self) -> int:
        """Most memory so far, MiB."""
        return peak_mib(self.fabric.device)

    def status(self, clock: Clock) -> Status:
        """The numbers for the screen."""
        p, speed = self.progress, clock.row()
        return Status(
            step=p.step,
            steps=self.updater.steps,
            epoch=self.epoch,
            lr=self.updater.lr(p.step - 1),
            loss=p.loss_sum / p.summed_steps,
            per_pixel=p.plain_sum / p.summed_steps,
            images_per_second=speed["images_per_second"],
            seconds_left=clock.seconds_left(p.step, self.updater.steps),
            data_wait=speed["data_wait"],
            memory_mib=self.peak(),
            validation=self.last_scores,
        )

    def save(self) -> None:
        """Save the complete state (one process does)."""
        self.progress.seen_warnings = self.watch.said
        if self.fabric.is_global_zero:
            self.run.check_there()
            u = self.updater
            save_state(self.run.folder, u.net, u.averaged, u.optimizer, self.progress)
        self.fabric.barrier()

    def unless_shared(self, stop: Stop) -> Stop | None:
        """``stop`` where this process is alone; several end together, after a step."""
        return stop if self.fabric.world_size == 1 else None

    def decided(self, clock: Clock, stop: Stop) -> tuple[bool, bool]:
        """Whether the state is to be saved after this step, and whether the training is to stop.

        All processes decide alike: to save by the first one's clock, to stop where a signal has
        reached any of them.
        """
        is_first = self.fabric.is_global_zero
        is_save_due = self.is_validation_due()
        is_save_due |= is_first and clock.save_due(self.config.schedule.save_minutes)
        save, is_stopping = self.highest(is_save_due, bool(stop))
        return bool(save), bool(is_stopping)

    def highest(self, *numbers: int) -> list[int]:
        """Of each number the highest that a process hands in."""
        if self.fabric.world_size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.int64, device=self.fabric.device)
        values = self.fabric.all_reduce(values, reduce_op="max")
        assert isinstance(values, torch.Tensor)
        return values.tolist()
