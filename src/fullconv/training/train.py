"""From a config to a finished run: check, say what will happen, train, in stages where asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only

from fullconv.atomic import write_atomically
from fullconv.data import Dataset, Source, Transform, largest_photo
from fullconv.data.subset import FOLDER, write_split
from fullconv.errors import UserError
from fullconv.report import write_report
from fullconv.training import memory_budget as budget
from fullconv.training.announce import say_memory, say_plan, size_of
from fullconv.training.config import Config
from fullconv.training.config_sources import flat, make_config, read_config, with_loss
from fullconv.training.console import Screen
from fullconv.training.data_splits import in_saved_order, is_split_by_seed, with_class_names
from fullconv.training.loggers import Logger, make_loggers
from fullconv.training.loop import Training, steps_of
from fullconv.training.losses import Given
from fullconv.training.memory import TOO_LARGE, estimate, memory_watched
from fullconv.training.objects import Objects
from fullconv.training.resolve_config import settled
from fullconv.training.run_folder import Run
from fullconv.training.setup import (
    check_data,
    criterion_of,
    fabric_of,
    net_of,
    open_data,
)
from fullconv.training.step import Updater

CHANGEABLE = ("schedule.", "machine.", "data.path", "data.workers", "data.check", "logging.")


def train(
    data: str | Path | Dataset | Source | None = None,
    out: str | Path = "runs/run",
    *,
    val: Dataset | Source | None = None,
    augment: Transform | None = None,
    loggers: Sequence[Logger] = (),
    recipe: str = "default",
    overrides: Mapping[str, Any] | None = None,
    config: Config | None = None,
    loss: Given | list[Given] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Train a net; the folder of the run.

    ``data`` is what `fullconv.data.open_source` opens, or a Dataset to train on; then ``val`` is
    one to validate on. ``augment`` takes the place of the built-in augmentation, and ``loggers``
    get the metrics beside those that ``logging.to`` names. ``overrides`` change keys of the recipe,
    as ``{"net.name": "fcn8s-vgg16", "schedule.epochs": 50}``; a whole ``config`` replaces both.
    ``loss`` replaces the terms of the loss: a callable (logits, masks) -> one number a photo
    (`training.losses.Loss`), or a list of those and of the kinds in `training.losses`; (0.5, loss)
    has a weight of its own.
    ``resume`` goes on with the run in ``out``, with the same objects (only how long it is, where
    its data lies, where it logs and how it computes may be changed then).
    Raises UserError for errors of the config or the data, before the first step.
    """
    out = Path(out)
    given, objects = dict(overrides or {}), Objects.of(data, val, augment, loggers, loss)
    if isinstance(data, str | Path):
        given["data.path"] = str(data)
    if resume:
        config = _resumed(out, given, objects)
        if loss is not None and config.loss != objects.terms:
            raise UserError(f"{out}: loss cannot be changed in a run that goes on")
    else:
        if rank() == 0:
            Run(out).check_free(overwrite)  # before downloads and measurements
        config = make_config(recipe, given) if config is None else config
        if loss is not None:
            config = with_loss(config, objects.terms)
        make_loggers(config.logging.to)  # what is not installed is said before anything is measured
        config = settled(config, Screen(quiet or rank() > 0), objects)
    if config.stages:
        _train_stages(config, out, objects, resume, overwrite, quiet)
    else:
        new = [] if resume else [(Run(out), config)]
        _train_one(config, out, objects, new, overwrite, quiet)
    Screen(quiet).say(f"next: fullconv predict {out} PHOTO --out pictures/")
    return out


def _resumed(out: Path, given: Mapping[str, Any], objects: Objects) -> Config:
    """The config of the run in ``out`` with its changes, saved with them; UserError for others."""
    path = out / "config.toml"
    saved, config = read_config(path), read_config(path, given)
    objects.check_resumed(saved, out, "data.path" in given)
    before, after = flat(saved), flat(config)
    changed = [key for key in before | after if before.get(key) != after.get(key)]
    fixed = [key for key in changed if not key.startswith(CHANGEABLE)]
    if fixed:
        raise UserError(
            f"{', '.join(fixed)} cannot be changed in a run that goes on (only "
            f"{', '.join(CHANGEABLE)}); start a new run, --weights {out} begins with its net"
        )
    if config.schedule.time is not None:
        raise UserError(
            "schedule.time plans a run from its first step: to go on with one, give steps or epochs"
        )
    make_loggers(config.logging.to)
    Run(out).tidy()
    if changed:
        config = settled(config, Screen(quiet=True), objects)
        write_atomically(path, config.to_toml())
    return config


def rank() -> int:
    """The number of this process among those that train together, also before they have met."""
    return getattr(rank_zero_only, "rank", 0)


def _train_stages(
    config: Config, out: Path, objects: Objects, resume: bool, overwrite: bool, quiet: bool
) -> Path:
    """One run for each stride of ``stages``, each starting from the one before.

    The stages lie in ``out/stage-32s`` and so on; ``out`` has the last one's model.
    """
    weights, folder = config.net.weights, out
    for number, stride in enumerate(config.stages):
        folder = out / f"stage-{stride}s"
        stage = config.stage(number, weights)
        new = [] if resume and Run(folder).config.is_file() else [(Run(folder), stage)]
        if number == 0 and not resume:
            new.insert(0, (Run(out), config))
        _train_one(stage, folder, objects, new, overwrite, quiet)
        weights = str(folder)
    for name in ("model.safetensors", "scores.json"):
        if (folder / name).is_file():
            write_atomically(out / name, (folder / name).read_bytes())
    return out


def _train_one(
    config: Config,
    out: Path,
    objects: Objects,
    new: list[tuple[Run, Config]],
    overwrite: bool,
    quiet: bool,
) -> Path:
    """One run: a resume, or with the folders that are ``new``, made when all is sure to start."""
    fabric = fabric_of(config)
    config = fabric.broadcast(config)  # processes may differ in what they chose
    run, screen = Run(out), Screen(quiet or not fabric.is_global_zero)
    new_here = new if fabric.is_global_zero else []
    for each, _ in new_here:
        each.check_free(overwrite)
    source, val = open_data(config, screen, objects, run=None if new else out)
    if not new:
        source, val = in_saved_order(config, source, val)
    if config.data.check and new:
        check_data(source, val, screen)
    spec, size = config.spec(len(source.classes)), size_of(config, source)
    need = estimate(config, spec, size)
    budget.enforce(config, spec, size)
    with memory_watched(config, TOO_LARGE):
        # A resume puts its state over these weights: nothing to say about them.
        net, preprocessing, origins = net_of(config, source, screen if new else Screen(quiet=True))
    steps = steps_of(config, len(source), fabric.world_size)
    say_plan(config, net, (steps, len(source)), size, fabric, screen)
    say_memory(config, spec, size, need, screen)
    criterion = criterion_of(config, source, fabric, screen, objects)
    with memory_watched(config, TOO_LARGE):
        updater = Updater(config, fabric, net, preprocessing, criterion, steps)
    for each, its_config in new_here:
        each.create(with_class_names(its_config, source), overwrite)
        if is_split_by_seed(config, objects):
            write_split(each.folder / FOLDER, [source] if val is None else [source, val])
    fabric.barrier()
    piece = None if val is None else budget.longest_piece(config, spec, need, largest_photo(val))
    loggers = [*make_loggers(config.logging.to), *objects.loggers]
    parts = run, config, fabric, updater, source, val, screen, piece, origins
    training = Training(*parts, augmentation=objects.augment, loggers=loggers)
    if not new:
        training.resume()
        screen.say(f"resuming at step {training.progress.step} of {steps}")
    with screen:
        training.fit()
    if fabric.is_global_zero:
        page = write_report(out)
        screen.say(f"done: {run.model} and {page}")
    return out
