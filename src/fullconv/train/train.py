"""From a config to a finished run: check, say what will happen, train, in stages where asked."""

import logging
import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.rank_zero import rank_zero_only
from rich.progress import Progress as Bar

from fullconv.data import (
    Fault,
    Source,
    available_splits,
    check,
    class_weights,
    count_classes,
    kinds_shown,
    largest_photo,
    open_source,
    outputs_of,
)
from fullconv.device import forget_peak, pick_device, pick_precision
from fullconv.errors import UserError
from fullconv.files import write_atomically
from fullconv.inputs import kinds_of
from fullconv.nets import FCN, Preprocessing, build
from fullconv.predict.engine import TorchEngine
from fullconv.report import write_report
from fullconv.train import budget
from fullconv.train.clock import seconds_of
from fullconv.train.config import Config
from fullconv.train.configure import flat, make_config, read_config
from fullconv.train.defaults import settled_by_data
from fullconv.train.loop import Training, steps_of
from fullconv.train.loss import Criterion, make_criterion
from fullconv.train.memory import at_rest, estimate, memory_watched
from fullconv.train.optimiser import freeze
from fullconv.train.plan import say_memory, say_plan, size_of
from fullconv.train.run import Run
from fullconv.train.screen import Screen
from fullconv.train.time_budget import measured, settled_by_speed
from fullconv.train.update import Updater, mixed
from fullconv.weights import start_from
from fullconv.weights.pretrained import settled

SHOWN = 20  # faults of the data on screen
LOADED_LR = 0.3  # of a backbone's, times that of what begins fresh
TOO_LARGE = "the net does not fit into memory"
CHANGEABLE = ("length.", "machine.", "data.path", "data.workers", "data.check")


def train(
    data: str | Path | None = None,
    out: str | Path = "runs/run",
    *,
    recipe: str = "default",
    overrides: Mapping[str, Any] | None = None,
    config: Config | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Train a net; the folder of the run.

    ``data`` is what `fullconv.data.open_source` opens; ``overrides`` change keys of the recipe, as
    ``{"net.name": "fcn8s-vgg16", "length.epochs": 50}``; a whole ``config`` replaces both.
    ``resume`` goes on with the run in ``out`` (only how long it is, where its data
    lies and how it computes may be changed then).
    Raises UserError for faults of the config or the data, before the first step.
    """
    out = Path(out)
    given = dict(overrides or {})
    if data is not None:
        given["data.path"] = str(data)
    if resume:
        config = _resumed(out, given)
    else:
        if rank() == 0:
            Run(out).check_free(overwrite)  # before downloads and measurements
        config = make_config(recipe, given) if config is None else config
        config = _settled(config, Screen(quiet or rank() > 0))
    if config.stages:
        _train_stages(config, out, resume, overwrite, quiet)
    else:
        _train_one(config, out, [] if resume else [(Run(out), config)], overwrite, quiet)
    Screen(quiet).say(f"next: fullconv predict {out} PHOTO --out pictures/")
    return out


def _resumed(out: Path, given: Mapping[str, Any]) -> Config:
    """The config of the run in ``out`` with its changes, saved with them; UserError for others."""
    path = out / "config.toml"
    saved, config = read_config(path), read_config(path, given)
    before, after = flat(saved), flat(config)
    changed = [key for key in before if before[key] != after[key]]
    fixed = [key for key in changed if not key.startswith(CHANGEABLE)]
    if fixed:
        raise UserError(
            f"{', '.join(fixed)} cannot be changed in a run that goes on (only "
            f"{', '.join(CHANGEABLE)}); start a new run, --weights {out} begins with its net"
        )
    if config.length.time is not None:
        raise UserError(
            "length.time plans a run from its first step: to go on with one, give steps or epochs"
        )
    Run(out).tidy()
    if changed:
        config = _settled(config, Screen(quiet=True))
        write_atomically(path, config.to_toml())
    return config


def _settled(config: Config, screen: Screen) -> Config:
    """With all that is left to choose here chosen, so that the saved config decides the run."""
    if not config.data.path:
        raise UserError(
            "no data is named: fullconv train FOLDER, or, to try it, fullconv train shapes"
        )
    config = _with_weights(_with_precision(config), screen)
    is_open = config.augment.crop == "auto" or config.length.steps is config.length.epochs is None
    if config.machine.memory is None and not is_open:
        return config
    source, val = _open(config, Screen(quiet=True))
    config = settled_by_data(config, len(source), largest_photo(source))
    finest = _stage(config, -1, config.net.weights) if config.stages else config
    spec = finest.spec(len(source.classes))
    config = budget.within(config, spec, size_of(config, source))
    if config.length.time is None:
        return config
    return _timed(config, source, val, screen)


def _timed(config: Config, source: Source, val: Source | None, screen: Screen) -> Config:
    """With the steps that fit into ``length.time``, as measured with a net that is thrown away."""
    began, wanted = time.monotonic(), seconds_of(config.length.time or "")
    if config.stages or config.machine.devices * config.machine.nodes > 1:
        raise UserError("length.time plans one training on one device: give steps or epochs here")
    screen.say(f"time: measuring the speed of this machine, to end in {config.length.time}")
    at_rest(config.machine.device)  # before this training, which the estimate is not to count
    budget.enforce(config, config.spec(len(source.classes)), size_of(config, source))
    fabric = _fabric(config)
    net, preprocessing, _ = _net(config, source, Screen(quiet=True))
    outputs = tuple(output.channels for output in source.classes.outputs)
    criterion = make_criterion(
        config.loss.model_copy(update={"weigh_by": "factor"}),
        None,
        source.classes.ignore,
        fabric.device,
        outputs,
    )
    with memory_watched(config, TOO_LARGE):
        updater = Updater(config, fabric, net, preprocessing, criterion, steps=1000)
        speed = measured(config, source, updater.step, partial(_validation, config, updater, val))
    forget_peak(fabric.device)
    left = wanted - (time.monotonic() - began)
    settled = settled_by_speed(config, speed, len(source), left)
    screen.say(
        f"time: {speed.step:.2f} s a step, {speed.coarse_step:.2f} at half size, "
        f"{speed.validation:.0f} s a validation: {settled.length.steps} steps, "
        f"{settled.length.coarse:.0%} of them at half size"
    )
    return settled


def _validation(config: Config, updater: Updater, val: Source | None) -> float:
    """About the seconds of a validation: of the second photo, times the photos."""
    if val is None:
        return 0.0
    pair = (updater.net, updater.preprocessing)
    engine = TorchEngine(pair, updater.fabric.device, config.machine.precision, val.classes)
    before = 0.0
    for _ in range(2):
        before = time.monotonic()
        engine.class_map(val[0].image)
    return (time.monotonic() - before) * len(val)


def _with_weights(config: Config, screen: Screen) -> Config:
    """With the name of the weights that it starts from in place of 'auto' and 'imagenet'."""
    weights, line = settled(config.net.weights, config.spec(2))
    if line:
        screen.say(f"weights: {line}")
    net = config.net.model_copy(update={"weights": weights})
    optimiser, is_loaded = config.optimiser, bool(net.sources)
    if net.freeze_batch_norm == "auto":
        net = net.model_copy(update={"freeze_batch_norm": is_loaded})
    if optimiser.backbone_lr == "auto":
        lr = LOADED_LR if is_loaded else 1.0
        optimiser = optimiser.model_copy(update={"backbone_lr": lr})
    return config.model_copy(update={"net": net, "optimiser": optimiser})


def rank() -> int:
    """The number of this process among those that train together, also before they have met."""
    return getattr(rank_zero_only, "rank", 0)


def _train_stages(config: Config, out: Path, resume: bool, overwrite: bool, quiet: bool) -> Path:
    """One run for each stride of ``stages``, each starting from the one before.

    The stages lie in ``out/stage-32s`` and so on; ``out`` has the last one's model.
    """
    weights, folder = config.net.weights, out
    for number, stride in enumerate(config.stages):
        folder = out / f"stage-{stride}s"
        stage = _stage(config, number, weights)
        new = [] if resume and Run(folder).config.is_file() else [(Run(folder), stage)]
        if number == 0 and not resume:
            new.insert(0, (Run(out), config))
        _train_one(stage, folder, new, overwrite, quiet)
        weights = str(folder)
    for name in ("model.safetensors", "scores.json"):
        if (folder / name).is_file():
            write_atomically(out / name, (folder / name).read_bytes())
    return out


def _stage(config: Config, number: int, weights: str | tuple[str, ...]) -> Config:
    """The config of one stage: its stride, its rate, and the net that it starts from."""
    name = f"fcn{config.stages[number]}s-{config.spec(2).backbone}"
    factor = config.stage_rates[number] if config.stage_rates else 1.0
    return config.model_copy(
        update={
            "stages": (),
            "stage_rates": (),
            "net": config.net.model_copy(update={"name": name, "weights": weights}),
            "optimiser": config.optimiser.model_copy(
                update={"rate": config.optimiser.rate * factor}
            ),
        }
    )


def _train_one(
    config: Config, out: Path, new: list[tuple[Run, Config]], overwrite: bool, quiet: bool
) -> Path:
    """One run: a resume, or with the folders that are ``new``, made when all is sure to start."""
    fabric = _fabric(config)
    config = fabric.broadcast(config)  # processes may differ in what they chose
    run, screen = Run(out), Screen(quiet or not fabric.is_global_zero)
    new_here = new if fabric.is_global_zero else []
    for each, _ in new_here:
        each.check_free(overwrite)
    source, val = _open(config, screen)
    if config.data.check and new:
        _check_data(source, val, screen)
    spec, size = config.spec(len(source.classes)), size_of(config, source)
    need = estimate(config, spec, size)
    budget.enforce(config, spec, size)
    with memory_watched(config, TOO_LARGE):
        # A resume puts its state over these weights: nothing to say about them.
        net, preprocessing, origins = _net(config, source, screen if new else Screen(quiet=True))
    steps = steps_of(config, len(source), fabric.world_size)
    say_plan(config, net, (steps, len(source)), size, fabric, screen)
    say_memory(config, spec, size, need, screen)
    criterion = _criterion(config, source, fabric, screen)
    with memory_watched(config, TOO_LARGE):
        updater = Updater(config, fabric, net, preprocessing, criterion, steps)
    for each, its_config in new_here:
        each.create(its_config, overwrite)
    fabric.barrier()
    piece = None if val is None else budget.longest_piece(config, spec, need, largest_photo(val))
    training = Training(run, config, fabric, updater, source, val, screen, piece, origins)
    if not new:
        training.resume()
        screen.say(f"going on at step {training.progress.step} of {steps}")
    with screen:
        training.fit()
    if fabric.is_global_zero:
        page = write_report(out)
        screen.say(f"done: {run.model} and {page}")
    return out


def _with_precision(config: Config) -> Config:
    """With 'auto' replaced by what it means here, so that the saved config decides the run.

    Depthwise convolutions move much memory for little arithmetic: on a CPU a step of
    EfficientNet-Lite0 takes 1.4 times as long in bf16 (docs/results.md).
    """
    device = pick_device(config.machine.device)
    precision = pick_precision(config.machine.precision, device)
    if config.machine.precision == "auto" and device.type == "cpu":
        precision = "fp32" if config.spec(2).definition.is_depthwise else precision
    machine = config.machine.model_copy(update={"precision": precision})
    return config.model_copy(update={"machine": machine})


def _fabric(config: Config) -> Fabric:
    machine = config.machine
    # Its hints are about things decided here.
    warnings.filterwarnings("ignore", module="lightning_fabric")
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device, _, index = machine.device.partition(":")
    fabric = Fabric(
        accelerator={"auto": "auto", "cpu": "cpu"}.get(device, device),
        devices=[int(index)] if index else machine.devices,
        num_nodes=machine.nodes,
        precision="bf16-mixed" if machine.precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


def _open(config: Config, screen: Screen) -> tuple[Source, Source | None]:
    data = config.data
    classes = None if data.classes is None else Path(data.classes)
    shown = kinds_of(data.inputs), data.outputs
    source = open_source(data.path, data.split, classes, *shown)
    if data.val in available_splits(data.path):
        return source, open_source(data.path, data.val, classes, *shown)
    screen.say(
        f"warning: there is no split {data.val!r} to validate on; the last weights will be kept, "
        "and no score will tell whether they are good",
        "yellow",
    )
    return source, None


def _check_data(source: Source, val: Source | None, screen: Screen) -> None:
    """Read all of the data once; UserError when anything in it cannot be used."""
    splits = {source.split: source} | ({val.split: val} if val else {})
    with Bar(console=screen.console, transient=True) as bar:
        task = bar.add_task("checking the data", total=None)
        faults = check(splits, lambda done, total: bar.update(task, completed=done, total=total))
    photos = ", ".join(f"{len(s)} {name}" for name, s in splits.items())
    screen.say(f"data: {photos} photos, {len(source.classes)} classes, {len(faults)} faults")
    for fault in faults[:SHOWN]:
        screen.say(f"{fault.severity}: {fault}", _style(fault))
    if len(faults) > SHOWN:
        screen.say(f"... and {len(faults) - SHOWN} more: fullconv check lists them all")
    errors = [fault for fault in faults if fault.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
        raise UserError(f"the data cannot be used: {errors[0]}{more}")


def _style(fault: Fault) -> str:
    return "red" if fault.severity == "error" else "yellow"


def _net(
    config: Config, source: Source, screen: Screen
) -> tuple[FCN, Preprocessing, list[dict[str, Any]]]:
    """The net at its start, and whose weights those are; what begins fresh is said."""
    torch.manual_seed(mixed(config.seed, 0, 0))
    spec = config.spec(len(source.classes))
    net = build(spec)
    preprocessing = spec.definition.preprocessing
    others: tuple[Preprocessing, ...] = ()
    origins: list[dict[str, Any]] = []
    if not config.net.sources:
        screen.say("weights: all layers start at random (He), scores at zero, nothing is loaded")
        for key in ("freeze_backbone", "freeze_batch_norm"):
            if getattr(config.net, key) is True:
                raise UserError(f"net.{key} would keep what is random: name net.weights")
    else:
        report = start_from(net, config.net.sources, source.classes)
        preprocessing, others = report.preprocessing or preprocessing, report.others
        origins = report.origins
        for line in report.lines():
            screen.say(f"weights: {line}")
    if config.net.freeze_backbone:
        freeze(net)
        screen.say("weights: the backbone stays as it is")
    return net, preprocessing.of_inputs(kinds_shown(source), *others), origins


def _criterion(config: Config, source: Source, fabric: Fabric, screen: Screen) -> Criterion:
    wanted, classes = config.loss.class_weights, source.classes
    weights = None
    if isinstance(wanted, tuple):
        if len(wanted) != len(classes):
            raise UserError(f"loss.class_weights: {len(wanted)} values for {len(classes)} classes")
        weights = torch.tensor(wanted, dtype=torch.float32)
    elif wanted != "none":
        counts = [count_classes(each, most=500) for each in outputs_of(source)]
        weights = torch.from_numpy(np.concatenate([class_weights(c, wanted) for c in counts]))
    if weights is not None:
        pairs = zip(classes.names, weights.tolist(), strict=True)
        screen.say("class weights: " + ", ".join(f"{name} {w:.2f}" for name, w in pairs))
    outputs = tuple(output.channels for output in classes.outputs)
    return make_criterion(config.loss, weights, classes.ignore, fabric.device, outputs)
