"""One update of the weights: forward, loss, backward, clipping, optimizer, EMA of the weights."""

import copy
import gc
import math
from functools import partial

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from fullconv.data import Batch
from fullconv.device import LARGEST_KEPT, is_out_of_memory, return_kept_memory
from fullconv.errors import UserError
from fullconv.models import FCN, Preprocessing
from fullconv.training.config.config import Config
from fullconv.training.eager_optimizers import InPlaceSGD
from fullconv.training.losses.banded import banded_loss, can_be_banded, is_worth_it
from fullconv.training.losses.criterion import Criterion
from fullconv.training.net_choice import batch_norm_error
from fullconv.training.optimizer import (
    averaging_decay,
    hold_frozen,
    lr_at,
    make_optimizer,
    set_lr,
    updates_in_backward,
)
from fullconv.training.parallel.processes import Processes
from fullconv.training.parallel.sync_batch_norm import is_synchronised, synchronise


class Updater:
    """The net, its EMA copy and the optimizer, and the step that changes them.

    ``micro_batch`` is how many photos go through the net together: those of
    ``schedule.batch_size``, or fewer since a step ran out of memory.
    """

    def __init__(
        self,
        config: Config,
        fabric: Processes,
        net: FCN,
        preprocessing: Preprocessing,
        criterion: Criterion,
        steps: int,
    ) -> None:
        self.config, self.fabric, self.criterion = config, fabric, criterion
        self.preprocessing, self.steps = preprocessing, steps
        self.micro_batch = config.schedule.batch_size
        layout = torch.channels_last if config.compute.channels_last else torch.contiguous_format
        self.net = net.to(fabric.device, memory_format=layout)  # pyright: ignore[reportCallIssue]
        if is_synchronised(config, fabric.world_size):
            synchronise(self.net)
        self.ema_net = copy.deepcopy(self.net) if config.optimizer.ema else None
        self.net.recompute(config.compute.activation_checkpointing)
        self.net.use_cpu_kernels(config.compute.cpu_kernels == "auto")
        optimizer = make_optimizer(net, config.optimizer)
        self.updating_in_backward: InPlaceSGD | None = None  # applies gradients as they come
        if isinstance(optimizer, InPlaceSGD) and updates_in_backward(config):
            self.updating_in_backward = optimizer
        # A gradient as large comes from the system; what was freed before cannot hold it.
        sizes = (p.numel() * p.element_size() for p in net.parameters() if p.requires_grad)
        self.has_large_gradients = fabric.device.type == "cpu" and max(sizes) > LARGEST_KEPT
        self.model, self.optimizer = fabric.setup(self.net, optimizer)
        if self.model is not self.net:
            self.model.mark_forward_method("maps")

    @property
    def eval_net(self) -> FCN:
        """The net that is validated and saved: the EMA of the weights where there is one."""
        return self.ema_net if self.ema_net is not None else self.net

    def lr(self, step: int) -> float:
        """The learning rate of ``step``, from 0."""
        return lr_at(step, self.steps, self.config.optimizer)

    def step(self, batch: Batch) -> tuple[float, float]:
        """One update: (trained loss, loss per labelled pixel), summed over outputs, before it.

        Raises UserError when loss or gradient is not finite: before any weight changes, or, where
        gradients are applied in the backward pass, before the weight of that gradient does.
        """
        set_lr(self.optimizer, self.lr(batch.step))
        self.model.train()
        hold_frozen(self.net, self.config.net.freeze_batch_norm is True)
        losses = self.gradients_within_memory(batch)
        if not self.updating_in_backward:
            parameters, clip = list(self.model.parameters()), self.config.optimizer.clip
            norm = get_total_norm(p.grad for p in parameters if p.grad is not None)
            if clip is not None:
                clip_grads_with_norm_(parameters, clip, norm)
            self.check(batch, "loss", losses[0])
            self.check(batch, "gradient", norm)
            self.optimizer.step()
        self.average(batch.step)
        return losses

    def gradients_within_memory(self, batch: Batch) -> tuple[float, float]:
        """The gradients, in smaller parts where they run out of memory; the losses as ``step``.

        More accumulation gives the same gradient. What the failed attempt has changed, the running
        statistics of batch norms and torch's generator, is put back first.
        """
        buffers = {name: buffer.clone() for name, buffer in self.net.named_buffers()}
        while True:
            torch.manual_seed(step_seed(self.config.seed, batch.step, self.fabric.global_rank))
            self.optimizer.zero_grad()
            try:
                return (
                    self.gradients_applied_in_backward(batch)
                    if self.updating_in_backward
                    else self.gradients(batch)
                )
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or not self.can_be_split:
                    raise
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):
                    raise
                raise batch_norm_error(*batch.masks.shape[1:3]) from error
            for name, buffer in self.net.named_buffers():
                buffer.copy_(buffers[name])
            self.micro_batch, self.updating_in_backward = -(-self.micro_batch // 2), None
            self.free_memory()

    @property
    def can_be_split(self) -> bool:
        """Whether a step that ran out of memory can be tried in smaller parts.

        Not once weights have changed, and not in several processes, which would wait for this one.
        """
        is_changed = self.updating_in_backward is not None and self.updating_in_backward.updates > 0
        return self.micro_batch > 1 and self.fabric.world_size == 1 and not is_changed

    def free_memory(self) -> None:
        """Return what the failed attempt leaves behind."""
        self.optimizer.zero_grad()
        gc.collect()  # the error's frames hold the activations, in a cycle
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        else:
            return_kept_memory()

    def gradients_applied_in_backward(self, batch: Batch) -> tuple[float, float]:
        """Apply each gradient in the backward pass and free it; the losses as ``step``."""
        assert self.updating_in_backward is not None
        check = partial(self.check, batch, "gradient")
        with self.updating_in_backward.steps_in_backward(check):
            return self.gradients(batch)

    def check(self, batch: Batch, name: str, value: torch.Tensor | float) -> None:
        """UserError where a number, or the norm of many, is not finite."""
        norm = float(value.norm() if isinstance(value, torch.Tensor) else value)
        if not math.isfinite(norm):
            raise UserError(
                f"the {name} is {norm} at step {batch.step + 1} (photos "
                f"{', '.join(batch.names)}); lower optimizer.lr, or set optimizer.clip; "
                "the last good state is kept",
                "FC-TRAIN-001",
            )

    def gradients(self, batch: Batch) -> tuple[float, float]:
        """Add the gradients of the effective batch, part by part; the losses as ``step``."""
        masks = batch.masks.to(self.fabric.device, non_blocking=True)  # N,H,W
        masks = self.criterion.sampled(masks)
        images = batch.images.to(self.fabric.device, non_blocking=True)  # N,H,W,3
        world, size = self.fabric.world_size, self.micro_batch
        normaliser = self.summed(self.criterion.normaliser(masks))  # one for each output
        labelled = self.summed(self.criterion.labelled(masks)).clamp(min=1)
        losses = torch.zeros(2, dtype=torch.float64, device=masks.device)
        parts = list(zip(images.split(size), masks.split(size), strict=True))
        for number, (photos, labels) in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.model, enabled=number < len(parts)):
                loss, plain = self.loss(self.preprocessing(photos), labels)
                if self.updating_in_backward:  # afterwards weights have changed
                    self.check(batch, "loss", loss.detach())
                if self.has_large_gradients:
                    return_kept_memory()
                # Gradients of several processes are averaged, hence times world.
                self.fabric.backward((loss * (world / normaliser).to(loss.dtype)).sum())
            trained = (loss.detach().double() / normaliser).sum()
            losses += torch.stack([trained, (plain / labelled).sum()])
        trained, per_pixel = self.summed(losses).tolist()
        return trained, per_pixel

    def loss(self, images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The criterion's losses of N,C,H,W images; large logits are not kept where it can be.

        One term that needs the whole logits, and they are made for all.
        """
        spec, size = self.net.spec, (masks.shape[1], masks.shape[2])
        in_bands = self.criterion.can_be_banded and can_be_banded(spec)
        if in_bands and is_worth_it(spec, len(masks), size):
            with self.fabric.autocast():
                maps = self.model.maps(images)
            return banded_loss(self.net, self.criterion, maps, masks)
        with self.fabric.autocast():
            logits = self.model(images)
        return self.criterion(logits.to(torch.promote_types(logits.dtype, torch.float32)), masks)

    def share_statistics(self) -> None:
        """Give all processes the running statistics of the first one's batch norms.

        Each has its own between two steps; of those that are synchronised they are equal.
        """
        if self.fabric.world_size == 1:
            return
        for net in (self.net, self.ema_net):
            buffers = [] if net is None else [b for b in net.buffers() if b.is_floating_point()]
            if buffers:
                joined = torch.cat([buffer.reshape(-1).float() for buffer in buffers])
                torch.distributed.broadcast(joined, src=0)
                parts = joined.split([buffer.numel() for buffer in buffers])
                for buffer, part in zip(buffers, parts, strict=True):
                    buffer.copy_(part.view_as(buffer))

    def summed(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.fabric.world_size == 1:
            return value
        result = self.fabric.all_reduce(value, reduce_op="sum")
        assert isinstance(result, torch.Tensor)
        return result

    @torch.no_grad()
    def average(self, step: int) -> None:
        """Move the EMA of the weights (and of the norms) towards the current ones."""
        decay = averaging_decay(self.steps, self.config.optimizer)
        if self.ema_net is None or decay is None:
            return
        decay = min(decay, (step + 1) / (step + 10))
        current = self.net.state_dict()
        for name, mean in self.ema_net.state_dict().items():
            if mean.dtype.is_floating_point:
                mean.lerp_(current[name], 1 - decay)
            else:
                mean.copy_(current[name])


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of torch's generator in a step of a process; neighbours get distant numbers."""
    return (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) % (
        2**63
    )
