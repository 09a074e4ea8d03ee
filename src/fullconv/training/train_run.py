"""From a config to a finished run: check, say what will happen, train, in stages where asked."""

from collections.abc import Mapping, Sequence, Set
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from fullconv.data import Dataset, Source, Transform
from fullconv.data.data_of_run import check_still_there
from fullconv.data.listing_cache import cached_listings
from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically
from fullconv.files.file_errors import file_errors
from fullconv.python_arguments import as_path
from fullconv.training.config.config import Config
from fullconv.training.config.config_sources import (
    config_at,
    config_of,
    is_file,
    overrides_of,
    read_config,
    with_loss,
    with_overrides,
)
from fullconv.training.config.resolve_config import resolve_config
from fullconv.training.loggers import Logger, make_loggers
from fullconv.training.losses import WeightedLoss
from fullconv.training.net_choice import with_net_of_weights
from fullconv.training.parallel.launcher import with_torchrun
from fullconv.training.parallel.peers import Lost
from fullconv.training.parallel.processes import is_first, rank
from fullconv.training.python_objects import PythonObjects
from fullconv.training.run.console import Screen
from fullconv.training.run.resume import step_of
from fullconv.training.run.resume_changes import (
    check_changes,
    on_other_processes,
    with_recorded_changes,
)
from fullconv.training.run.run_folder import Run
from fullconv.training.run.signals import Interrupted
from fullconv.training.setup import without_identity
from fullconv.training.stages import Request, create_folder, run_stages


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
    loss: WeightedLoss | list[WeightedLoss] | None = None,
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
        "compute.device": device,
    }
    overrides = with_torchrun(overrides_of(short, overrides))
    objects = PythonObjects.of(data, val, augment, loggers, loss)
    if isinstance(data, str | Path):
        overrides["data.path"] = str(data)
    request = Request(objects, resume, overwrite, quiet, verbose)
    out = as_path(out, "out")
    with file_errors(out), cached_listings():
        if resume:
            _resume(out, overrides, request, loss is not None)
        else:
            is_whole = config is not None or is_file(recipe)
            if config is None:
                config = config_of(recipe, overrides)
            else:
                config = with_overrides(config, overrides)
            config = config if loss is None else with_loss(config, objects.terms)
            whole = ["net", "config"] if is_whole else []
            _start(out, config, {*overrides, *whole, *(["loss"] if loss else [])}, request)
    request.screen(is_first()).say(f"next: fullconv predict {out} PHOTO --out pictures/")
    return _shown(out)


def _shown(run: Path) -> Path:
    """The folder as a path that a notebook shows as a run."""
    from fullconv.report import RunFolder

    return RunFolder(run)


def _as_text(weights: str | Path | Sequence[str | Path] | None) -> str | list[str] | None:
    """Paths as text, as a config has them."""
    if weights is None or isinstance(weights, str | Path):
        return weights and str(weights)
    return [str(path) for path in weights]


def _start(out: Path, config: Config, named: Set[str], request: Request) -> None:
    """A new run in ``out``. What costs nothing to refuse is refused first."""
    run, is_first = Run(out), rank(config.compute) == 0
    screen = request.screen(is_first)
    if is_first:
        _try_folder(run, request.overwrite)
    make_loggers(config.logging.to)
    config = with_net_of_weights(without_identity(config), named, screen.say)
    config = resolve_config(config, screen, request.objects, named)
    folder = _NewFolder(run, config, request)
    missing = _missing(out)
    try:
        with folder.lock:
            run_stages(config, out, request, folder.create, is_new=True)
    except (Interrupted, Lost):
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
    """The folders of a path that do not exist, from its end."""
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
        create_folder(self.run, self.config, self.request, source, val)


def _resume(out: Path, overrides: Mapping[str, Any], request: Request, has_loss: bool) -> None:
    """Continue the run in ``out``, with its changes; UserError for those that cannot be."""
    stored = read_config(out / "config.toml")
    saved = on_other_processes(stored, overrides)
    run, objects = Run(out), request.objects
    with run.locked() if rank(saved.compute) == 0 else ExitStack():
        step = 0 if saved.stages else step_of(out)
        before = config_at(saved, step)
        config = with_overrides(before, overrides)
        objects.check_resumed(saved, out, "data.path" in overrides)
        check_changes(before, config, out, step)
        if objects.data is None:
            fix = f"fullconv train DATA --resume --out {out} names the place where it lies now"
            check_still_there(config.data.path, out, fix)
        if has_loss and config.loss != objects.terms:
            raise UserError(f"{out}: the loss cannot be changed by a resume", "FC-TRAIN-009")
        make_loggers(config.logging.to)
        if rank(saved.compute) == 0:
            run.tidy()
        if config == before and saved == stored:
            run_stages(saved, out, request, is_new=False)
            return
        config = resolve_config(config, Screen(quiet=True), objects)
        new = with_recorded_changes(saved, step, before, config)

        def write_config(*_: object) -> None:
            write_atomically(run.config, new.to_toml())

        run_stages(new, out, request, write_config, is_new=False)
