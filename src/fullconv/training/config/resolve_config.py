"""The open keys of a config, resolved before the first step: the saved config decides the run.

Precision, pretrained weights and what depends on them, epochs and crop by the data
(`defaults`), the way to keep within a limit of memory (`budget`), steps for a given time
(`time_budget`).
"""

import time
from collections.abc import Set
from functools import partial

from fullconv.checkpoints import pretrained
from fullconv.data import Source, by_split, largest_photo, own_options, with_measured_range
from fullconv.device import forget_peak, pick_device, pick_precision
from fullconv.duration import seconds_of
from fullconv.errors import UserError
from fullconv.inference.engines.torch_engine import TorchEngine
from fullconv.modalities import ReadOptions
from fullconv.training.config.config import Config
from fullconv.training.config.data_defaults import with_data_defaults, with_scale_until
from fullconv.training.config.sections_and_defaults import LOADED_LR, Data
from fullconv.training.config.time_budget import measured, with_steps_for_time
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.memory import memory_budget as budget
from fullconv.training.memory.step_memory import TOO_LARGE, at_rest, memory_watched
from fullconv.training.net_choice import check_checkpointing
from fullconv.training.parallel.processes import processes_of
from fullconv.training.python_objects import NO_OBJECTS, PythonObjects
from fullconv.training.run.announce import size_of
from fullconv.training.run.console import Screen
from fullconv.training.setup import net_of, open_data
from fullconv.training.step import Updater
from fullconv.training.task import with_task

LOADED_BACKBONE_LR = 0.3
"""The learning rate of a backbone with loaded weights, times that of what begins fresh."""
RANDOM_LR = 6e-3
"""AdamW's learning rate for a batch-normalised net without loaded weights (docs/results.md)."""


def resolve_config(
    config: Config,
    screen: Screen,
    objects: PythonObjects = NO_OBJECTS,
    named: Set[str] = frozenset(),
) -> Config:
    """The config with all open keys resolved, so that the saved config decides the run.

    Of ``objects`` it keeps what can be written down. ``named`` are the keys that the user has set.
    """
    config = objects.recorded(config, screen)
    if not config.data.path and objects.data is None:
        raise UserError(
            "no data is named: fullconv train FOLDER, or, to try it, fullconv train shapes",
            "FC-CONFIG-010",
        )
    check_checkpointing(config)
    config = _with_read_options(config, screen, objects)
    config = _with_task(config, screen, objects, named)
    config = _with_weights(_with_precision(config), screen)
    is_open = (
        "auto" in (config.augment.crop, config.augment.scale_until)
        or config.schedule.steps is config.schedule.epochs is None
    )
    if config.compute.memory is None and not is_open and objects.augment is None:
        return config
    source, val = open_data(config, Screen(quiet=True), objects)
    config = objects.sized(config, source)
    config = with_data_defaults(config, len(source), largest_photo(source))
    finest = config.stage(-1, config.net.weights) if config.stages else config
    spec = finest.spec(len(source.classes))
    config = budget.within(config, spec, size_of(config, source))
    if config.schedule.time is not None:
        config = _timed(config, source, val, screen, objects)
    compute = config.compute
    return with_scale_until(config, len(source), compute.devices * compute.nodes)


def _with_task(config: Config, screen: Screen, objects: PythonObjects, named: Set[str]) -> Config:
    """The config with the task of the masks, and the loss for it."""
    source, _ = open_data(config, Screen(quiet=True), objects)
    config, line = with_task(config, source.classes, named)
    if line:
        screen.say(f"task: {line}")
    return config


def _with_read_options(config: Config, screen: Screen, objects: PythonObjects) -> Config:
    """The config with bands and range by the data's class file or its photos."""
    if objects.data is not None:
        return config
    data = config.data
    read = data.read_options.over(own_options(data.path, data.classes, data.cache_options))
    config = _reading(config, read)
    if read.range is not None:
        return config
    source, val = open_data(config, Screen(quiet=True), objects)
    _, read, line = with_measured_range(by_split(source, val))
    if line:
        screen.say(f"data: {line}")
    return _reading(config, read)


def _reading(config: Config, read: ReadOptions) -> Config:
    values = {**config.data.model_dump(), "bands": read.bands, "range": read.range}
    return config.model_copy(update={"data": Data.model_validate(values)})


def _with_precision(config: Config) -> Config:
    """The config with 'auto' replaced by its value here, so that the saved config decides the run.

    Depthwise convolutions move much memory for little arithmetic: on a CPU a step of
    EfficientNet-Lite0 takes 1.4 times as long in bf16 (docs/results.md).
    """
    device = pick_device(config.compute.device)
    precision = pick_precision(config.compute.precision, device)
    if config.compute.precision == "auto" and device.type == "cpu":
        precision = "fp32" if config.spec(2).definition.is_depthwise else precision
    compute = config.compute.model_copy(update={"precision": precision})
    return config.model_copy(update={"compute": compute})


def _with_weights(config: Config, screen: Screen) -> Config:
    """The config with the name of the pretrained weights in place of 'auto' and 'imagenet'."""
    weights, line = pretrained.resolve_weights(config.net.weights, config.spec(2))
    if line:
        screen.say(f"weights: {line}")
    net = config.net.model_copy(update={"weights": weights})
    optimizer, is_loaded = config.optimizer, bool(net.sources)
    if net.freeze_batch_norm == "auto":
        net = net.model_copy(update={"freeze_batch_norm": is_loaded})
    if optimizer.backbone_lr == "auto":
        lr = LOADED_BACKBONE_LR if is_loaded else 1.0
        optimizer = optimizer.model_copy(update={"backbone_lr": lr})
    if optimizer.lr == "auto":
        is_steady = optimizer.kind == "adamw" and config.spec(2).definition.has_batch_norms
        lr = RANDOM_LR if is_steady and not is_loaded else LOADED_LR
        optimizer = optimizer.model_copy(update={"lr": lr})
    return config.model_copy(update={"net": net, "optimizer": optimizer})


def _timed(
    config: Config, source: Source, val: Source | None, screen: Screen, objects: PythonObjects
) -> Config:
    """The config with the steps that fit into ``schedule.time``, measured with a temporary net."""
    began, wanted = time.monotonic(), seconds_of(config.schedule.time or "")
    if config.stages or config.compute.devices * config.compute.nodes > 1:
        raise UserError(
            "schedule.time plans one training on one device: give steps or epochs here",
            "FC-CONFIG-011",
        )
    screen.say(f"time: measuring the speed of this machine, to end in {config.schedule.time}")
    at_rest(config.compute.device)  # before this training, which the estimate is not to count
    budget.enforce(config)
    fabric = processes_of(config)
    net, preprocessing, _ = net_of(config, source, Screen(quiet=True))
    outputs = tuple(output.channels for output in source.classes.outputs)
    ignore = source.classes.ignore
    losses = objects.losses, source.classes.is_overlapping
    criterion = make_criterion(config.loss, None, ignore, fabric.device, outputs, *losses)
    with memory_watched(config, TOO_LARGE):
        updater = Updater(config, fabric, net, preprocessing, criterion, steps=1000)
        validation = partial(_validation, config, updater, val)
        speed = measured(config, source, updater.step, validation, objects.augment)
    forget_peak(fabric.device)
    left = wanted - (time.monotonic() - began)
    planned = with_steps_for_time(config, speed, len(source), left)
    screen.say(
        f"time: {speed.step:.2f} s a step, {speed.half_size_step:.2f} at half size, "
        f"{speed.validation:.0f} s a validation: {planned.schedule.steps} steps, "
        f"{planned.schedule.half_size:.0%} of them at half size"
    )
    return planned


def _validation(config: Config, updater: Updater, val: Source | None) -> float:
    """About the seconds of a validation: those of its first photo, once warm, times the photos."""
    if val is None or not len(val):
        return 0.0
    pair = (updater.net, updater.preprocessing)
    engine = TorchEngine(pair, updater.fabric.device, config.compute.precision, val.classes)
    before = 0.0
    for _ in range(2):
        before = time.monotonic()
        engine.class_map(val[0].image)
    return (time.monotonic() - before) * len(val)
