"""From a config to a finished run: check, say what will happen, train, in stages where asked."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullconv.atomic import file_errors, write_atomically
from fullconv.data import Dataset, Source, Transform, largest_photo
from fullconv.data.subset import FOLDER, write_split
from fullconv.errors import UserError
from fullconv.training import memory_budget as budget
from fullconv.training.announce import announce_memory, announce_plan, size_of
from fullconv.training.config import Config
from fullconv.training.config_sources import (
    changed,
    config_at,
    config_of,
    flat,
    is_file,
    overrides_of,
    read_config,
    with_change,
    with_loss,
)
from fullconv.training.console import Screen
from fullconv.training.data_splits import in_saved_order, is_split_by_seed, with_class_names
from fullconv.training.loggers import Logger, make_loggers
from fullconv.training.loop import Training, check_steps, steps_of, write_page
from fullconv.training.losses import Given
from fullconv.training.memory import TOO_LARGE, estimate, memory_watched
from fullconv.training.net_choice import check_batch_norm, with_net_of_weights
from fullconv.training.objects import Objects
from fullconv.training.processes import processes_of, rank
from fullconv.training.resolve_config import resolved
from fullconv.training.resume import step_of
from fullconv.training.run_folder import Run
from fullconv.training.setup import check_data, criterion_of, net_of, open_data
from fullconv.training.signals import Interrupted
from fullconv.training.step import Updater

CHANGEABLE = ("schedule.", "machine.", "data.path", "data.workers", "data.check", "logging.")
"""What a resume may change, by the beginnings of keys."""
PLACES = ("data.", "logging.", "schedule.save_minutes")
"""Of these, what decides no number of the run: not kept as a change, but as if it had been so."""


Ready = Callable[[Source, Source | None], object]
"""Called with the splits to train and to validate on when a training is sure to start."""


@dataclass(frozen=True)
class Request:
    """What a caller of ``train`` asks for, beside the config."""

    objects: Objects
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False
    verbose: bool = False

    def screen(self, is_first: bool = True) -> Screen:
        """Where the training speaks, if it is the first of its processes."""
        return Screen(self.quiet or not is_first, self.verbose)


def train(
    data: str | Path | Dataset | Source | None = None,
    out: str | Path = "runs/run",
    *,
    net: str | None = None,
    weights: str | Path | Sequence[str | Path] | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    time: str | None = None,
    batch_size: int | None = None,
    crop: tuple[int, int] | None = None,
    lr: float | None = None,
    seed: int | None = None,
    device: str | None = None,
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
    verbose: bool = False,
) -> Path:
    """Train a net; the folder of the run.

    ``data`` is what `fullconv.data.open_source` opens, or a Dataset to train on; then ``val`` is
    one to validate on. ``net``, ``weights``, ``epochs``, ``steps``, ``time`` ("15m"),
    ``batch_size``, ``crop`` (height, width), ``lr``, ``seed`` and ``device`` are short for keys of
    the config; ``overrides`` change any of them, as ``{"optimizer.kind": "sgd"}``. A whole
    ``config`` replaces the recipe. ``augment`` takes the place of the built-in augmentation, and
    ``loggers`` get the metrics beside those that ``logging.to`` names.
    ``loss`` replaces the terms of the loss: a callable (logits, masks) -> one number a photo
    (`training.losses.Loss`), or a list of those and of the kinds in `training.losses`; (0.5, loss)
    has a weight of its own.
    ``resume`` continues the run in ``out``, with the same objects (only how long it is, where
    its data lies, where it logs and how it computes may be changed then). ``verbose`` says what
    lowers the memory that is needed.
    Raises UserError for errors of the config, the data or the disk, and Interrupted where a signal
    ended the training after its state was saved. A new run that ends with an error before anything
    was saved leaves no folder.
    """
    short = {
        "net.name": net,
        "net.weights": _as_text(weights),
        "schedule.epochs": epochs,
        "schedule.steps": steps,
        "schedule.time": time,
        "schedule.batch_size": batch_size,
        "augment.crop": crop,
        "optimizer.lr": lr,
        "seed": seed,
        "machine.device": device,
    }
    given = overrides_of(short, overrides)
    objects = Objects.of(data, val, augment, loggers, loss)
    if isinstance(data, str | Path):
        given["data.path"] = str(data)
    request = Request(objects, resume, overwrite, quiet, verbose)
    out = Path(out)
    with file_errors(out):
        if resume:
            _resume(out, given, request, loss is not None)
        else:
            is_whole = config is not None or is_file(recipe)
            config = config_of(recipe, given) if config is None else changed(config, given)
            config = config if loss is None else with_loss(config, objects.terms)
            whole = ["net", "config"] if is_whole else []
            _start(out, config, {*given, *whole, *(["loss"] if loss else [])}, request)
    request.screen().say(f"next: fullconv predict {out} PHOTO --out pictures/")
    return out


def _as_text(weights: str | Path | Sequence[str | Path] | None) -> str | list[str] | None:
    """Paths as text, as a config has them."""
    if weights is None or isinstance(weights, str | Path):
        return weights and str(weights)
    return [str(path) for path in weights]


def _start(out: Path, config: Config, named: Set[str], request: Request) -> None:
    """A new run in ``out``. What costs nothing to refuse is refused first."""
    run, is_first = Run(out), rank(config.machine) == 0
    screen = request.screen(is_first)
    if is_first:
        _try_folder(run, request.overwrite)
    make_loggers(config.logging.to)
    config = with_net_of_weights(config, named, screen.say)
    config = resolved(config, screen, request.objects, named)
    folder = _NewFolder(run, config, request)
    missing = _missing(out)
    try:
        with folder.lock:
            _train(config, out, request, folder.create)
    except Interrupted:
        raise
    except BaseException:
        if folder.is_made and not run.has_saved():
            run.discard()
        _remove_empty(missing)
        raise


def _try_folder(run: Run, overwrite: bool) -> None:
    """UserError where the folder cannot be made, holds something, or is written by another now."""
    with file_errors(run.folder, writing=True):
        missing = _missing(run.folder)
        is_free = run.check_free(overwrite)
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
        finally:
            _remove_empty(missing)
    if not is_free:
        with run.locked():
            pass


def _missing(folder: Path) -> list[Path]:
    """What of a path is not there, from its end."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


class _NewFolder:
    """The folder of a new run: made when all is sure to start, and locked from then on."""

    def __init__(self, run: Run, config: Config, request: Request) -> None:
        self.run, self.config, self.request = run, config, request
        self.is_made, self.lock = False, ExitStack()

    def create(self, source: Source, val: Source | None) -> None:
        """Make it; UserError where something lies there now that must not be replaced."""
        if self.is_made:  # in stages, for the first of them
            return
        self.lock.enter_context(self.run.locked())
        self.run.check_free(self.request.overwrite)
        self.is_made = True
        _create(self.run, self.config, self.request, source, val)


def _create(run: Run, config: Config, request: Request, source: Source, val: Source | None) -> None:
    """Make a run's folder, with what a resume needs to find the same photos and classes."""
    run.create(with_class_names(config, source), request.overwrite)
    if is_split_by_seed(config, request.objects):
        write_split(run.folder / FOLDER, [source] if val is None else [source, val])


def _resume(out: Path, given: Mapping[str, Any], request: Request, has_loss: bool) -> None:
    """Continue the run in ``out``, with its changes; UserError for those that cannot be."""
    saved = read_config(out / "config.toml")
    run, objects = Run(out), request.objects
    with run.locked() if rank(saved.machine) == 0 else ExitStack():
        step = 0 if saved.stages else step_of(out)
        before = config_at(saved, step)
        config = changed(before, given)
        objects.check_resumed(saved, out, "data.path" in given)
        _check_changes(before, config, out, step)
        if has_loss and config.loss != objects.terms:
            raise UserError(f"{out}: loss cannot be changed by a resume", "FC-TRAIN-009")
        make_loggers(config.logging.to)
        run.tidy()
        if config == before:
            _train(saved, out, request)
            return
        config = resolved(config, Screen(quiet=True), objects)
        new = _recorded(saved, step, before, config)
        _train(new, out, request, resumed=lambda *_: write_atomically(run.config, new.to_toml()))


def _check_changes(before: Config, config: Config, out: Path, step: int) -> None:
    """UserError for what no resume can change, after ``step`` steps."""
    differing = _differing(before, config)
    fixed = [key for key in differing if not key.startswith(CHANGEABLE)]
    if fixed:
        raise UserError(
            f"{', '.join(fixed)} cannot be changed by a resume (only "
            f"{', '.join(CHANGEABLE)}); start a new run, --weights {out} begins with its net",
            "FC-TRAIN-009",
        )
    check_steps(out, step, config.schedule.steps)
    if config.schedule.time is not None:
        raise UserError(
            "schedule.time plans a run from its first step: to resume one, give steps or epochs",
            "FC-TRAIN-009",
        )


def _differing(before: Config, config: Config) -> dict[str, Any]:
    """The new values of keys that differ; None where one is unset."""
    old, new = flat(before), flat(config)
    return {key: new.get(key) for key in old | new if old.get(key) != new.get(key)}


def _recorded(saved: Config, step: int, before: Config, config: Config) -> Config:
    """The saved config with the changes of a resume at ``step``.

    What decides the numbers of the run is kept as a change; places and what only costs time are
    written as if they had been so from the beginning.
    """
    differing = _differing(before, config)
    places = {key: value for key, value in differing.items() if key.startswith(PLACES)}
    decisive = {key: value for key, value in differing.items() if key not in places}
    moved = with_change(saved, 0, places) if places else saved
    return with_change(moved, step, decisive) if decisive else moved


def _train(
    config: Config,
    out: Path,
    request: Request,
    create: Ready | None = None,
    resumed: Ready | None = None,
) -> None:
    """The run, or its stages. ``create`` makes its folder; without it the run is resumed.

    ``resumed`` is called when a resume is sure to start.
    """
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
            _create(run, stage, request, source, val)

        is_new = create is not None or not run.config.is_file()
        _train_changes(stage, folder, request, create_stage if is_new else None, resumed)
        weights = str(folder)
    for name in ("model.safetensors", "scores.json"):
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
    if config.data.check and is_new:
        check_data(source, val, screen)
    spec, size = config.spec(len(source.classes)), size_of(config, source)
    check_batch_norm(config, spec, size)
    budget.check_possible(config, spec, size)
    need = estimate(config, spec, size)
    budget.enforce(config)
    with memory_watched(config, TOO_LARGE):
        # A resume puts its state over these weights: nothing to say about them.
        start_screen = screen if is_new else Screen(quiet=True)
        net, preprocessing, origins = net_of(config, source, start_screen)
    steps = steps_of(config, len(source), fabric.world_size)
    announce_plan(config, net, (steps, len(source)), size, fabric, screen)
    announce_memory(config, spec, size, need, screen)
    criterion = criterion_of(config, source, fabric.device, screen, objects)
    with memory_watched(config, TOO_LARGE):
        updater = Updater(config, fabric, net, preprocessing, criterion, steps)
    piece = None if val is None else budget.longest_piece(config, spec, need, largest_photo(val))
    loggers = [*make_loggers(config.logging.to), *objects.loggers]
    parts = run, config, fabric, updater, source, val, screen, piece, origins
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
        screen.say(f"done: {run.model} and {write_page(out)}")
