"""The lines that a training prints before the first step: net, length, memory."""

from fullconv.data import Source, largest_photo
from fullconv.device import MIB, computes_bf16
from fullconv.models import FCN, NetSpec
from fullconv.training.config.config import Config
from fullconv.training.memory import memory_budget as budget
from fullconv.training.memory.step_memory import Estimate, advice
from fullconv.training.optimizer import warmup_steps
from fullconv.training.parallel.processes import Processes
from fullconv.training.run.console import Screen


def size_of(config: Config, source: Source) -> tuple[int, int]:
    """Height and width of what is trained on; the largest where nothing is cut."""
    if isinstance(config.augment.crop, tuple):
        return config.augment.crop
    height, width = largest_photo(source)
    return round(height * config.augment.scale[1]), round(width * config.augment.scale[1])


def announce_plan(
    config: Config,
    net: FCN,
    steps_and_photos: tuple[int, int],
    size: tuple[int, int],
    fabric: Processes,
    screen: Screen,
) -> None:
    """Print the net and the length of the training: all steps, and the photos of the data."""
    if config.compute.precision == "bf16" and not computes_bf16(fabric.device):
        screen.say(
            f"warning: {fabric.device} has no bfloat16 and emulates it, about ten times slower "
            "than fp32: leave compute.precision at auto",
            "yellow",
        )
    steps, count = steps_and_photos
    photos = config.schedule.batch_size * config.schedule.accumulate * fabric.world_size
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    screen.say(
        f"net: {net.spec.name}, {millions:.1f} M parameters, padding {net.spec.padding}; "
        f"{config.compute.precision} on {fabric.device}"
    )
    warm, scaled = warmup_steps(steps, config.optimizer), config.augment.scaled_steps(steps)
    is_scaled = config.augment.scale[0] < config.augment.scale[1]
    screen.say(
        f"plan: {steps} steps of {photos} photos ({steps * photos / count:.1f} epochs), "
        f"{size[0]}x{size[1]} pixels; full learning rate {config.optimizer.full_lr:g} "
        + (f"from step {warm}" if warm else "from the start")
        + (f"; random scales until step {scaled}" if is_scaled and scaled < steps else "")
    )


def announce_memory(
    config: Config, spec: NetSpec, size: tuple[int, int], need: Estimate, screen: Screen
) -> None:
    """Print the memory estimate by use; with a limit, the settings that were chosen for it.

    With a verbose screen, all options that lower it.
    """
    if config.compute.memory is not None:
        screen.say(f"memory: {budget.summary(config, spec, size)}")
        return
    uses = {
        "process": need.process,
        "weights": need.weights + need.gradients,
        "optimizer": need.optimizer,
        "activations": need.activations,
        "temporary": need.working + need.head,
    }
    shares = ", ".join(f"{use} {part // MIB}" for use, part in uses.items())
    screen.say(f"memory: about {need.total // MIB} MiB: {shares}")
    screen.say(
        f"memory: {advice(config)}"
        if screen.verbose
        else "memory: to lower it: --memory SIZE, a smaller --crop or --batch-size; more: --verbose"
    )
