"""One run, or one for each stage: everything put together, then the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fullconv.atomic import write_atomically
from fullconv.data import Source, largest_photo
from fullconv.data.splits.subset import FOLDER, write_split
from fullconv.training.config.config import Config
from fullconv.training.config.config_sources import config_at
from fullconv.training.loggers import make_loggers
from fullconv.training.loop import Training
from fullconv.training.memory import memory_budget as budget
from fullconv.training.memory.step_memory import TOO_LARGE, estimate, memory_watched
from fullconv.training.net_choice import check_batch_norm
from fullconv.training.parallel.processes import in_first, processes_of, rank, together
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
    """What a caller of ``train`` asks for, beside the config."""

    objects: PythonObjects
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False
    verbose: bool = False

    def screen(self, is_first: bool = True) -> Screen:
        """Where the training speaks, if it is the first of its processes."""
        return Screen(self.quiet or not is_first, self.verbose)


def create_folder(
    run: Run, config: Config, request: Request, source: Source, val: Source | None
) -> None:
    """Make a run's folder, with what a resume needs to find the same photos and classes."""
    run.create(with_identity(config, source, val), request.overwrite)
    if is_split_by_seed(config, request.objects):
        write_split(run.folder / FOLDER, [source] if val is None else [source, val])


def run_stages(
    config: Config,
    out: Path,
    request: Request,
    create: Ready | None = None,
    resumed: Ready | None = None,
) -> None:
    """The run, or its stages. ``create`` makes its folder; without it the run is resumed.

    ``resumed`` is called when a resume is sure to start.
    """
    with together(config, out):
        if config.stages:
            _train_stages(config, out, request, create, resumed)
        else:
            _train_changes(config, out, request, create, resumed)


def _train_changes(
    config: Config,
    out: Path,
    request: Request,
    create: Ready | None,
    resumed: Ready | None = None,
) -> None:
    """The run, resumed at the step of each of its changes."""
    step = 0 if create else step_of(out)
    while True:
        until = next((change.step for change in config.changes if change.step > step), None)
        now = config_at(config, step)
        _train_one(now, out, request, create or resumed, is_new=create is not None, until=until)
        step, create, resumed = step_of(out), None, None
        if until is None or step < until:
            return


def _train_stages(
    config: Config,
    out: Path,
    request: Request,
    create: Ready | None,
    resumed: Ready | None,
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
            if create:
                create(source, val)
            create_folder(run, stage, request, source, val)

        is_new = create is not None or not run.config.is_file()
        _train_changes(stage, folder, request, create_stage if is_new else None, resumed)
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
    """One run, from the step where it is ``until`` another.

    ``ready`` is called when all is sure to start: nothing has been written by then.
    """
    fabric, objects = processes_of(config), request.objects
    config = fabric.broadcast(config)  # processes may differ in what they chose
    run, screen = Run(out), request.screen(fabric.is_global_zero)
    source, val = open_data(config, screen, objects, run=None if is_new else out)
    if not is_new:
        source, val = in_saved_order(config, source, val)
        check_same_photos(config, source, val, out)
    if config.data.check and is_new:
        in_first(lambda: check_data(source, val, screen))
    spec, size = config.spec(len(source.classes)), size_of(config, source)
    check_batch_norm(config, spec, size)
    budget.check_possible(config, spec, size)
    need = estimate(config, spec, size)
    budget.enforce(config)
    with memory_watched(config, TOO_LARGE):
        # A resume puts its state over these weights: nothing to say about them.
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
    training = Training(*parts, augmentation=objects.augment, loggers=loggers)
    if not is_new:
        training.resume()
        screen.say(f"resuming at step {training.progress.step} of {steps}")
    if ready and fabric.is_global_zero:
        ready(source, val)
    fabric.barrier()
    with screen:
        training.fit(until)
    if fabric.is_global_zero and until is None:
        screen.say(f"done: {run.model} and {run.write_report()}")
