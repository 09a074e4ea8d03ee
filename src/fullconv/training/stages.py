"""One run, or one for each stage: everything put together, then the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fullconv.data import Source, largest_photo
from fullconv.data.splits.subset import FOLDER, write_split
from fullconv.files.atomic import write_atomically
from fullconv.training.config.config import Config
from fullconv.training.config.config_sources import config_at
from fullconv.training.loggers import make_loggers
from fullconv.training.loop import Training
from fullconv.training.memory import memory_budget as budget
from fullconv.training.memory.step_memory import TOO_LARGE, estimate, memory_watched
from fullconv.training.net_choice import check_batch_norm
from fullconv.training.parallel.processes import Processes, in_first, processes_of, rank, together
from fullconv.training.python_objects import PythonObjects
from fullconv.training.run.announce import announce_memory, announce_plan, size_of
from fullconv.training.run.console import Screen
from fullconv.training.run.resume import step_of
from fullconv.training.run.run_folder import Run
from fullconv.training.setup import (
    check_data,
    check_same_photos,
    criterion_of,
    in_saved_order,
    is_split_by_seed,
    net_of,
    open_data,
    with_identity,
)
from fullconv.training.step import Updater

Ready = Callable[[Source, Source | None], object]
"""Called with the splits to train and to validate on when a training is sure to start."""


@dataclass(frozen=True)
class Request:
    """The arguments of ``train`` beside the config."""

    objects: PythonObjects
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False
    verbose: bool = False

    def screen(self, is_first: bool = True) -> Screen:
        """The display of the training; only the first process prints."""
        return Screen(self.quiet or not is_first, self.verbose)


def create_folder(
    run: Run, config: Config, request: Request, source: Source, val: Source | None
) -> None:
    """Make a run's folder, with what a resume needs to find the same photos and classes."""
    run.create(with_identity(config, source, val), request.overwrite)
    if is_split_by_seed(config, request.objects):
        write_split(run.folder / FOLDER, [source] if val is None else [source, val])


def run_stages(
    config: Config, out: Path, request: Request, ready: Ready | None = None, *, is_new: bool
) -> None:
    """Train the run, or its stages: a new one, whose folder ``ready`` makes, or one to resume."""
    with together(config, out):
        train = _train_stages if config.stages else _train_changes
        train(config, out, request, ready, is_new)


def _train_changes(
    config: Config, out: Path, request: Request, ready: Ready | None, is_new: bool
) -> None:
    """One run, resumed at the step of each change of its config."""
    step = 0 if is_new else step_of(out)
    while True:
        until = next((change.step for change in config.changes if change.step > step), None)
        now = config_at(config, step)
        _train_one(now, out, request, ready, is_new=is_new, until=until)
        step, ready, is_new = step_of(out), None, False
        if until is None or step < until:
            return


def _train_stages(
    config: Config, out: Path, request: Request, ready: Ready | None, is_new: bool
) -> None:
    """One run for each stride of ``stages``, each starting from the one before.

    The stages lie in ``out/stage-32s`` and so on; ``out`` has the last one's model.
    """
    weights, folder = config.net.weights, out
    for number, stride in enumerate(config.stages):
        folder = out / f"stage-{stride}s"
        stage, run = config.stage(number, weights), Run(folder)

        def create_stage(
            source: Source, val: Source | None, run: Run = run, stage: Config = stage
        ) -> None:
            if is_new and ready:
                ready(source, val)
            create_folder(run, stage, request, source, val)

        if is_new or not run.config.is_file():
            _train_changes(stage, folder, request, create_stage, is_new=True)
        else:
            _train_changes(stage, folder, request, ready, is_new=False)
        weights = str(folder)
    for name in ("model.safetensors", "scores.json") if rank(config.compute) == 0 else ():
        if (folder / name).is_file():
            write_atomically(out / name, (folder / name).read_bytes())


def _train_one(
    config: Config,
    out: Path,
    request: Request,
    ready: Ready | None,
    *,
    is_new: bool,
    until: int | None,
) -> None:
    """One run, ``until`` a step where its config changes, or to its end.

    ``ready`` is called when the training is sure to start: nothing has been written by then.
    """
    fabric = processes_of(config)
    config = fabric.broadcast(config)  # processes may have chosen different values
    run, screen = Run(out), request.screen(fabric.is_global_zero)
    source, val = _open_splits(config, run, request.objects, screen, is_new)
    training = _prepare(config, fabric, run, request.objects, screen, (source, val), is_new)
    if not is_new:
        training.resume()
        screen.say(f"resuming at step {training.progress.step} of {training.updater.steps}")
    if ready and fabric.is_global_zero:
        ready(source, val)
    fabric.barrier()
    with screen:
        training.fit(until)
    if fabric.is_global_zero and until is None:
        screen.say(f"done: {run.model} and {run.write_report()}")


def _open_splits(
    config: Config, run: Run, objects: PythonObjects, screen: Screen, is_new: bool
) -> tuple[Source, Source | None]:
    """The splits to train and to validate on: checked for a new run, else as the run had them."""
    source, val = open_data(config, screen, objects, run=None if is_new else run.folder)
    if not is_new:
        source, val = in_saved_order(config, source, val)
        check_same_photos(config, source, val, run.folder)
        return source, val
    if config.data.check:
        in_first(lambda: check_data(source, val, screen))
    return source, val


def _prepare(
    config: Config,
    fabric: Processes,
    run: Run,
    objects: PythonObjects,
    screen: Screen,
    splits: tuple[Source, Source | None],
    is_new: bool,
) -> Training:
    """Net, loss, optimizer and loggers of a run, within its memory budget; the plan is printed."""
    source, val = splits
    spec, size = config.spec(len(source.classes)), size_of(config, source)
    check_batch_norm(config, spec, size)
    budget.check_possible(config, spec, size)
    need = estimate(config, spec, size)
    budget.enforce(config)
    with memory_watched(config, TOO_LARGE):
        # A resume replaces these weights by its state: nothing to say about them.
        start_screen = screen if is_new else Screen(quiet=True)
        net, preprocessing, origins = net_of(config, source, start_screen)
    steps = config.schedule.steps_for(len(source), fabric.world_size)
    announce_plan(config, net, (steps, len(source)), size, fabric, screen)
    announce_memory(config, spec, size, need, screen)
    criterion = criterion_of(config, source, fabric.device, screen, objects)
    with memory_watched(config, TOO_LARGE):
        updater = Updater(config, fabric, net, preprocessing, criterion, steps)
    tile = None if val is None else budget.longest_tile(config, spec, need, largest_photo(val))
    loggers = [*make_loggers(config.logging.to), *objects.loggers] if fabric.is_global_zero else []
    parts = run, config, fabric, updater, source, val, screen, tile, origins
    return Training(*parts, augmentation=objects.augment, loggers=loggers)
