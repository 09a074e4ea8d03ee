"""The training loop: visible, one step after the other, exact to resume.

Everything random follows from the seed and the step: the order of photos and their changes (the
loader), and dropout (torch's generator is seeded anew at each step). A run that was killed goes on
from its last saved state and ends in the same bits as one that was not.
"""

import copy
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.utils.tensorboard import SummaryWriter

from fullconv.classes import ClassSet
from fullconv.data import Batch, Source, loader
from fullconv.errors import UserError
from fullconv.evaluate import evaluate
from fullconv.metrics import Scores
from fullconv.nets import FCN, Preprocessing
from fullconv.predict.engine import TorchEngine
from fullconv.report import write_report
from fullconv.train.config import Config
from fullconv.train.loss import Criterion
from fullconv.train.memory import advice, is_out_of_memory, peak_mib
from fullconv.train.optimiser import hold_frozen, make_optimiser, rate_at, set_rate
from fullconv.train.run import Run
from fullconv.train.screen import Screen, Status
from fullconv.train.state import Progress, load_state, save_state
from fullconv.train.watch import Watch
from fullconv.weights import Checkpoint, save

SAMPLES = 6  # photos on a sample sheet


class Interrupted(Exception):
    """Ctrl-C: the step was finished and the state saved."""


class Training:
    """The state of one run, and its loop."""

    def __init__(
        self,
        run: Run,
        config: Config,
        fabric: Fabric,
        net: FCN,
        preprocessing: Preprocessing,
        source: Source,
        val: Source | None,
        criterion: Criterion,
        screen: Screen,
    ) -> None:
        self.run, self.config, self.fabric, self.screen = run, config, fabric, screen
        self.source, self.val, self.criterion = source, val, criterion
        self.preprocessing = preprocessing
        self.net = net.to(
            fabric.device,
            memory_format=torch.channels_last if config.machine.channels_last else None,
        )  # pyright: ignore[reportCallIssue]
        self.averaged = copy.deepcopy(self.net) if config.optimiser.ema else None
        self.model, self.optimiser = fabric.setup(self.net, make_optimiser(net, config.optimiser))
        self.progress = Progress()
        self.watch = Watch(len(source.classes), [], config.net.weights is not None)
        self.steps = steps_of(config, len(source), fabric.world_size)
        self.validate_every = config.length.validate_every or max(1, math.ceil(self.steps / 10))
        self.validation = ""

    @property
    def classes(self) -> ClassSet:
        """The classes of the data."""
        return self.source.classes

    def resume(self) -> None:
        """Go on where the saved state is; from the beginning when there is none."""
        found = load_state(self.run.folder, self.net, self.averaged, self.optimiser)
        self.progress = found or Progress()
        self.watch.said = self.progress.seen_warnings

    def fit(self) -> None:
        """Train from the current state to the last step."""
        p, config = self.progress, self.config
        self.watch.said = p.seen_warnings
        if self.fabric.is_global_zero:
            self.run.log.start(p.log_bytes)
            self.run.timing.start()
        writer = SummaryWriter(str(self.run.folder), purge_step=p.step)
        if p.step == 0 and config.net.weights is not None:
            self.first_validation()
        clock = Clock(p.step, self.photos_per_step)
        with interrupts() as interrupted:
            for batch in clock.waiting(self.batches()):
                rate = rate_at(p.step, self.steps, config.optimiser)
                set_rate(self.optimiser, rate)
                loss, plain = self.guarded_step(batch)
                p.step += 1
                p.loss_sum, p.plain_sum = p.loss_sum + loss, p.plain_sum + plain
                p.summed_steps += 1
                validating = p.step % self.validate_every == 0 or p.step == self.steps
                logging = p.step % config.length.log_every == 0 or validating
                self.screen.show(self.status(clock, rate), due=logging)
                if logging:
                    scores = self.validate(writer) if validating else None
                    self.write_row(rate, scores, writer, clock)
                if validating or clock.save_due(config.length.save_minutes) or interrupted:
                    self.save()
                if validating and self.fabric.is_global_zero:
                    write_report(self.run.folder)
                if interrupted:
                    raise Interrupted
        writer.close()

    def batches(self) -> Iterator[Batch]:
        """The batches from the current step on."""
        length, data = self.config.length, self.config.data
        return loader(
            self.source,
            batch_size=length.batch * length.accumulate,
            augmentation=self.config.augment.build(),
            seed=self.config.seed,
            start_step=self.progress.step,
            stop_step=self.steps,
            workers=default_workers() if data.workers is None else data.workers,
            fill=fill_of(self.preprocessing),
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            pin_memory=self.fabric.device.type == "cuda",
        )

    @property
    def photos_per_step(self) -> int:
        """Photos in one update, over all processes."""
        length = self.config.length
        return length.batch * length.accumulate * self.fabric.world_size

    def guarded_step(self, batch: Batch) -> tuple[float, float]:
        """One step; its faults as messages to the user."""
        try:
            loss, plain = self.step(batch)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"out of memory at step {batch.step + 1} on {self.fabric.device}; "
                + advice(self.config)
            ) from error
        return loss, plain

    def step(self, batch: Batch) -> tuple[float, float]:
        """One update: (trained loss, loss per labelled pixel), both before the update.

        Raises UserError, before any weight changes, when the loss is not finite.
        """
        torch.manual_seed(mixed(self.config.seed, batch.step, self.fabric.global_rank))
        self.model.train()
        hold_frozen(self.net)
        masks = batch.masks.to(self.fabric.device, non_blocking=True)
        images = batch.images.to(self.fabric.device, non_blocking=True)
        world, size = self.fabric.world_size, self.config.length.batch
        normaliser = self.summed(self.criterion.normaliser(masks))
        labelled = self.summed((masks != self.classes.ignore).sum().double()).clamp(min=1)
        self.optimiser.zero_grad()
        total, plain = 0.0, 0.0
        parts = list(zip(images.split(size), masks.split(size), strict=True))
        for number, (photos, labels) in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.model, enabled=number < len(parts)):
                scores = self.model(self.preprocessing(photos))  # N,K,H,W
                loss, unweighted = self.criterion(scores, labels)
                # Gradients of several processes are averaged, hence times world.
                self.fabric.backward(loss * (world / normaliser).to(loss.dtype))
            total += loss.detach().double() / normaliser
            plain += unweighted / labelled
        both = self.summed(torch.stack([torch.as_tensor(total), torch.as_tensor(plain)]))
        trained, per_pixel = both.tolist()
        if not math.isfinite(trained):
            raise UserError(
                f"the loss is {trained} at step {batch.step + 1} (photos {', '.join(batch.names)}); "
                "lower optimiser.rate, or set optimiser.clip; the last good state is kept"
            )
        if self.config.optimiser.clip:
            self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=self.config.optimiser.clip
            )
        self.optimiser.step()
        self.average()
        return trained, per_pixel

    def summed(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.fabric.world_size == 1:
            return value
        result = self.fabric.all_reduce(value, reduce_op="sum")
        assert isinstance(result, torch.Tensor)
        return result

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged weights (and norms) towards the current ones."""
        decay = self.config.optimiser.ema
        if self.averaged is None or decay is None:
            return
        decay = min(decay, (self.progress.step + 1) / (self.progress.step + 10))
        current = self.net.state_dict()
        for name, mean in self.averaged.state_dict().items():
            if mean.dtype.is_floating_point:
                mean.lerp_(current[name], 1 - decay)
            else:
                mean.copy_(current[name])

    @property
    def best_net(self) -> FCN:
        """The net that is validated and saved: the averaged one where there is one."""
        return self.averaged if self.averaged is not None else self.net

    def first_validation(self) -> None:
        """The score before the first step of a fine-tuning, to warn when it is lost."""
        scores = self.scores([])
        if scores:
            self.progress.start = scores.mean_iu
            self.screen.say(f"before training: val mean IU {scores.mean_iu:.4f}")

    def scores(self, rows: list[Any]) -> Scores | None:
        """Scores on the validation split; its first photos are put into ``rows``."""
        if self.val is None:
            return None
        engine = TorchEngine(
            (self.best_net, self.preprocessing), self.fabric.device, self.config.machine.precision
        )

        def keep(sample: Any, prediction: Any, _: Any) -> None:
            if len(rows) < SAMPLES:
                rows.append((sample.image, sample.mask, prediction))

        return evaluate(engine, self.val, each=keep)

    def validate(self, writer: SummaryWriter) -> Scores | None:
        """Score, warn, write samples, and keep the weights if they are the best so far."""
        rows: list[Any] = []
        p, scores = self.progress, self.scores(rows)
        mean_iu = scores.mean_iu if scores else math.inf
        if self.fabric.is_global_zero:
            if scores:
                self.run.write_samples(rows, self.classes, p.step)
                self.validation = f"val mIU {scores.mean_iu:.4f}"
                self.screen.say(
                    f"step {p.step}: val pixel accuracy {scores.pixel_accuracy:.4f}, mean IU "
                    f"{scores.mean_iu:.4f}" + (" (best)" if mean_iu > p.best else "")
                )
                warning = self.watch.scores(p.step, scores, p.start)
                if warning:
                    self.screen.say(f"warning: {warning}", "yellow")
                for name, value in row_of(scores).items():
                    writer.add_scalar(name.replace("val_", "val/"), value, p.step)
            if mean_iu > p.best or scores is None:
                self.write_model(scores)
        p.best = max(p.best, mean_iu if scores else p.best)
        return scores

    def write_model(self, scores: Scores | None) -> None:
        """Write the checkpoint, with where it comes from."""
        origin = {
            "recipe": self.config.recipe,
            "data": self.config.data.path,
            "step": self.progress.step,
            "val_mean_iu": scores.mean_iu if scores else None,
        }
        save(self.run.model, Checkpoint(self.best_net, self.classes, self.preprocessing, origin))
        if scores:
            self.run.write_scores(scores, self.progress.step)

    def write_row(
        self, rate: float, scores: Scores | None, writer: SummaryWriter, clock: "Clock"
    ) -> None:
        """One row of the log with the means since the last one; the timing goes beside it."""
        p = self.progress
        loss, plain = p.loss_sum / p.summed_steps, p.plain_sum / p.summed_steps
        warning = self.watch.loss(p.step, plain)
        if warning:
            self.screen.say(f"warning: {warning}", "yellow")
        p.loss_sum, p.plain_sum, p.summed_steps = 0.0, 0.0, 0
        if not self.fabric.is_global_zero:
            return
        row = {"step": p.step, "epoch": self.epoch, "rate": rate, "loss": loss}
        row |= {"loss_per_pixel": plain} | (row_of(scores) if scores else {})
        p.log_bytes = self.run.log.add(row)
        self.run.timing.add({"step": p.step, **clock.row(), "memory_mib": self.peak()})
        for name in ("rate", "loss", "loss_per_pixel"):
            writer.add_scalar(f"train/{name}", row[name], p.step)

    @property
    def epoch(self) -> float:
        """Passes through the data so far."""
        return self.progress.step * self.photos_per_step / len(self.source)

    def peak(self) -> int:
        """Most memory so far, MiB."""
        return peak_mib(self.fabric.device)

    def status(self, clock: "Clock", rate: float) -> Status:
        """The numbers for the screen."""
        p, speed = self.progress, clock.row()
        return Status(
            step=p.step,
            steps=self.steps,
            epoch=self.epoch,
            rate=rate,
            loss=p.loss_sum / p.summed_steps,
            per_pixel=p.plain_sum / p.summed_steps,
            images_per_second=speed["images_per_second"],
            seconds_left=(self.steps - p.step) * clock.seconds_per_step(),
            data_wait=speed["data_wait"],
            memory_mib=self.peak(),
            validation=self.validation,
        )

    def save(self) -> None:
        """Save the complete state (one process does)."""
        self.progress.seen_warnings = self.watch.said
        if self.fabric.is_global_zero:
            save_state(self.run.folder, self.net, self.averaged, self.optimiser, self.progress)
        self.fabric.barrier()


class Clock:
    """Where the time goes: steps and waiting for data, since the start and without validations."""

    def __init__(self, step: int, photos_per_step: int) -> None:
        self.begin = self.saved = time.monotonic()
        self.photos_per_step = photos_per_step
        self.steps, self.busy, self.wait = 0, 0.0, 0.0

    def waiting(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass batches on, and measure how long each was waited for and worked on."""
        while True:
            before = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                return
            ready = time.monotonic()
            yield batch
            if self.steps:  # the first step warms up, and its batch waits for the workers' start
                self.wait += ready - before
                self.busy += time.monotonic() - before
            self.steps += 1

    def seconds_per_step(self) -> float:
        """Mean of a whole step, its share of validations included."""
        return (time.monotonic() - self.begin) / max(self.steps, 1)

    def row(self) -> dict[str, float]:
        """Seconds since the start, photos a second, share of time spent waiting for data."""
        seconds = time.monotonic() - self.begin
        done = max(self.steps - 1, 0)
        return {
            "seconds": round(seconds, 2),
            "images_per_second": done * self.photos_per_step / self.busy if self.busy else 0.0,
            "data_wait": self.wait / self.busy if self.busy else 0.0,
        }

    def save_due(self, minutes: float) -> bool:
        """True when the last save is that long ago."""
        if time.monotonic() - self.saved < minutes * 60:
            return False
        self.saved = time.monotonic()
        return True


class Flag:
    """False until set."""

    def __init__(self) -> None:
        self.up = False

    def __bool__(self) -> bool:
        return self.up


@contextmanager
def interrupts() -> Iterator[Flag]:
    """Ctrl-C raises the flag, a second one stops at once."""
    flag = Flag()

    def note(*_: object) -> None:
        if flag.up:
            raise KeyboardInterrupt
        flag.up = True

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: then nobody sends it here
        yield flag
        return
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)


def row_of(scores: Scores) -> dict[str, float]:
    """The four scores as columns of the log."""
    return {
        "val_pixel_accuracy": scores.pixel_accuracy,
        "val_mean_accuracy": scores.mean_accuracy,
        "val_mean_iu": scores.mean_iu,
        "val_fw_iu": scores.fw_iu,
    }


def steps_of(config: Config, photos: int, world: int) -> int:
    """Updates of the whole run."""
    length = config.length
    if length.steps is not None:
        return length.steps
    assert length.epochs is not None
    return max(1, math.ceil(length.epochs * photos / (length.batch * length.accumulate * world)))


def default_workers() -> int:
    """Loader processes: one on two cores, more on larger machines."""
    import os

    return min(8, max(1, (os.cpu_count() or 1) // 2))


def fill_of(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """What surrounds a photo that is smaller than the crop: what the net sees as zero."""
    color = preprocessing.mean_color()
    return (color[0], color[1], color[2])


def mixed(seed: int, step: int, rank: int) -> int:
    """One number from three, far apart for neighbours (for torch's generator)."""
    return (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) % (
        2**63
    )


__all__ = ["Interrupted", "Training", "steps_of"]
