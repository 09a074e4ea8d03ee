"""The parts of a training, from its config: data, net at its start, loss.

Data without splits is split by the run's seed.
"""

from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress as Bar
from rich.progress import TaskID

from fullconv.checkpoints import start_from
from fullconv.classes import check_several
from fullconv.data import (
    Finding,
    Source,
    available_splits,
    by_split,
    check,
    class_weights,
    count_classes,
    for_task,
    in_order_of,
    kinds_shown,
    open_source,
    outputs_of,
    positive_weights,
)
from fullconv.data.checks.check import counted_line
from fullconv.data.layouts.listing import ALL, usual_name
from fullconv.data.open_dataset import is_unsplit
from fullconv.data.splits.random_split import grouping_of, random_split
from fullconv.data.splits.subset import FOLDER, split_lists, with_photos
from fullconv.errors import UserError
from fullconv.modalities import kinds_of
from fullconv.models import FCN, Preprocessing, build
from fullconv.training.config.config import Config
from fullconv.training.losses import BinaryCrossEntropy
from fullconv.training.losses.criterion import Criterion, cross_entropy_of, make_criterion
from fullconv.training.optimizer import freeze
from fullconv.training.python_objects import NO_OBJECTS, PythonObjects
from fullconv.training.run.console import Screen
from fullconv.training.step import step_seed

SPLIT, VAL = "train", "val"
"""The splits that are trained and validated on where the config names no others."""


def split_by_seed(whole: Source, seed: int, screen: Screen) -> tuple[Source, Source | None]:
    """Photos without splits, a fifth of them to validate on."""
    if len(whole) < 2:
        warn_of_no_val("a single photo cannot be split", screen)
        return with_photos(whole, whole.names, SPLIT), None
    names, grouping = random_split(whole.names, seed), grouping_of(whole.names)
    screen.say(
        f"split: the data has no train and val: {len(names[SPLIT])} photos to train and "
        f"{len(names[VAL])} to validate on, by seed {seed}"
        + (f", {grouping}" if grouping else "")
        + f" (their names are in {FOLDER}/ of the run)"
    )
    return with_photos(whole, names[SPLIT], SPLIT), with_photos(whole, names[VAL], VAL)


def is_split_by_seed(config: Config, objects: PythonObjects = NO_OBJECTS) -> bool:
    """Whether `open_data` splits the data, so that the run must keep the names."""
    named = (config.data.split, config.data.val) != (SPLIT, VAL)
    return (
        objects.data is None
        and not named
        and is_unsplit(config.data.path, config.data.cache_options)
    )


def with_identity(config: Config, source: Source, val: Source | None) -> Config:
    """The config of a new run with the classes and photos of its data, which a resume compares."""
    known: dict[str, Any] = {"class_names": source.classes.names}
    if not config.data.object:  # whose number of photos is known, and whose names may be any
        known |= {"photos": _counts(source, val), "photos_digest": _digest_of(source, val)}
    return config.model_copy(update={"data": config.data.model_copy(update=known)})


def without_identity(config: Config) -> Config:
    """The config without what `with_identity` writes: a recipe may be the config of another run."""
    unknown: dict[str, Any] = {"class_names": (), "photos": (), "photos_digest": ""}
    return config.model_copy(update={"data": config.data.model_copy(update=unknown)})


def check_same_photos(config: Config, source: Source, val: Source | None, run: Path) -> None:
    """UserError where the data of a run has other photos than at its start: their order differs."""
    data = config.data
    if not data.photos_digest or _digest_of(source, val) == data.photos_digest:
        return
    before, now = (" and ".join(map(str, n)) for n in (data.photos, _counts(source, val)))
    difference = f"has {now}" if now != before else "has others of the same number"
    raise UserError(
        f"{run}: was trained on {before} photos (train and val), {data.path} {difference}: the "
        "steps would see them in another order; put the photos back as they were, or start a new "
        f"run, --weights {run} begins with its net",
        "FC-TRAIN-018",
    )


def _counts(source: Source, val: Source | None) -> tuple[int, ...]:
    return tuple(len(split) for split in (source, val) if split is not None)


def _digest_of(source: Source, val: Source | None) -> str:
    """16 digits that tell photos from others by number, order and name.

    Without the folders: a list may name them anew where the data has moved.
    """
    digest = blake2b(digest_size=8)
    for split in (source, val):
        names = () if split is None else split.names
        digest.update(f"{len(names)}\n".encode())
        for name in names:
            last = name.rpartition("/")[2]
            digest.update(f"{last}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def in_saved_order(
    config: Config, source: Source, val: Source | None
) -> tuple[Source, Source | None]:
    """Both with their classes in the order of the run; UserError where they are other classes."""
    names = config.data.class_names
    if not names:  # a run of an older version
        return source, val
    which = ("the run", "the data")
    first = in_order_of(source, names, which)
    return first, None if val is None else in_order_of(val, names, which)


def warn_of_no_val(why: str, screen: Screen) -> None:
    """Say that no score will tell which weights are the best, and why."""
    screen.say(
        f"warning: {why}; the last weights will be kept, and no score will tell whether they are "
        "good",
        "yellow",
    )


SHOWN = 20  # findings of the data on screen


def open_data(
    config: Config, screen: Screen, objects: PythonObjects = NO_OBJECTS, run: Path | None = None
) -> tuple[Source, Source | None]:
    """The splits to train and to validate on; None, and a warning, where the latter is missing.

    Data without splits is split by the lists in ``run``, else by the seed. UserError for a
    validation split that is named but not there, and where there is a single class.
    """
    if objects.data is not None:
        if objects.val is None:
            warn_of_no_val("no val= was handed in", screen)
        choice = config.task.choice
        source = for_task(objects.data, choice)
        val = None if objects.val is None else for_task(objects.val, choice)
    else:
        source, val = _open_splits(config, screen, run)
    check_several(source.classes)
    return source, val


def _open_splits(config: Config, screen: Screen, run: Path | None) -> tuple[Source, Source | None]:
    data = config.data
    opened = partial(
        open_source,
        data.path,
        classes=None if data.classes is None else Path(data.classes),
        inputs=kinds_of(data.inputs),
        outputs=data.outputs,
        lists=split_lists(run),
        options=data.read_options,
        task=config.task.choice,
        cache=data.cache_options,
    )
    if is_split_by_seed(config):
        lists = split_lists(run)
        if lists is not None:
            has_val = (lists / f"{VAL}.txt").is_file()
            return opened(SPLIT), opened(VAL) if has_val else None
        return split_by_seed(opened(ALL), config.seed, screen)
    source, splits = opened(data.split), available_splits(data.path, data.cache_options)
    if usual_name(data.val) in splits or data.val in splits:
        return source, opened(data.val)
    if data.val != VAL:
        raise UserError(
            f"data.val: {data.path} has no split {data.val!r}; it has {', '.join(splits)}",
            "FC-DATA-102",
        )
    warn_of_no_val(f"there is no split {data.val!r} to validate on", screen)
    return source, None


def check_data(source: Source, val: Source | None, screen: Screen) -> None:
    """Read all of the data that is new or changed; UserError when any of it cannot be used.

    Shards that were checked when they were packed are not read: each sample is checked by its
    digest when it is used.
    """
    splits = by_split(source, val)
    photos = ", ".join(f"{len(s)} {name}" for name, s in splits.items())
    if all(getattr(split, "is_checked", False) for split in splits.values()):
        classes = len(source.classes)
        screen.say(f"data: {photos} photos, {classes} classes, checked when they were packed")
        return
    lines: list[str] = []

    def counted(read: int, total: int) -> None:
        lines.append(counted_line(read, total))

    piped = not screen.console.is_terminal
    with Bar(console=screen.console, transient=True, disable=piped) as bar:
        task = bar.add_task("checking the data", total=None)
        progress = partial(_show_progress, bar, task)
        findings = check(splits, progress, counted)
    screen.say(f"data: {photos} photos, {len(source.classes)} classes, {len(findings)} findings")
    for line in filter(None, lines):
        screen.say(f"data: {line}")
    for finding in findings[:SHOWN]:
        screen.say(f"{finding.severity}: {finding}", _style(finding))
    if len(findings) > SHOWN:
        screen.say(f"... and {len(findings) - SHOWN} more: fullconv check lists all")
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
        raise UserError(f"the data cannot be used: {errors[0]}{more}", "FC-TRAIN-007")


def _show_progress(bar: Bar, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _style(finding: Finding) -> str:
    return "red" if finding.severity == "error" else "yellow"


def net_of(
    config: Config, source: Source, screen: Screen
) -> tuple[FCN, Preprocessing, list[dict[str, Any]]]:
    """The net at its start, and whose weights those are; what begins fresh is said."""
    torch.manual_seed(step_seed(config.seed, 0, 0))
    spec = config.spec(len(source.classes))
    net = build(spec)
    preprocessing = spec.definition.preprocessing
    others: tuple[Preprocessing, ...] = ()
    origins: list[dict[str, Any]] = []
    if not config.net.sources:
        screen.say("weights: all layers start at random (He), scores at zero, nothing is loaded")
        for key in ("freeze_backbone", "freeze_batch_norm"):
            if getattr(config.net, key) is True:
                raise UserError(
                    f"net.{key} would freeze random weights: name net.weights", "FC-CONFIG-008"
                )
    else:
        report = start_from(net, config.net.sources, source.classes)
        preprocessing, others = report.preprocessing or preprocessing, report.others
        origins = report.origins
        for line in report.lines():
            screen.say(f"weights: {line}")
    if config.net.freeze_backbone:
        freeze(net)
        screen.say("weights: the backbone is frozen")
    preprocessing = preprocessing.of_inputs(kinds_shown(source), *others)
    return net, preprocessing.read_by(config.data.read_options), origins


def criterion_of(
    config: Config,
    source: Source,
    device: torch.device,
    screen: Screen,
    objects: PythonObjects = NO_OBJECTS,
) -> Criterion:
    """The loss, with the class weights of the config; those that follow from the data are said.

    Losses of Python's are those of ``objects``.
    """
    classes, pixels = source.classes, cross_entropy_of(config.loss)
    if classes.is_overlapping:
        return _sigmoid_criterion(config, source, device, screen, objects)
    wanted = "none" if pixels is None else pixels.class_weights
    weights = None
    if isinstance(wanted, tuple):
        if len(wanted) != len(classes):
            raise UserError(
                f"loss.cross_entropy.class_weights: {len(wanted)} values for {len(classes)} "
                "classes",
                "FC-CONFIG-009",
            )
        weights = torch.tensor(wanted, dtype=torch.float32)
    elif wanted != "none":
        counts = [count_classes(output, most=500) for output in outputs_of(source)]
        weights = torch.from_numpy(np.concatenate([class_weights(c, wanted) for c in counts]))
    if weights is not None:
        pairs = zip(classes.names, weights.tolist(), strict=True)
        screen.say("class weights: " + ", ".join(f"{name} {w:.2f}" for name, w in pairs))
    outputs = tuple(output.channels for output in classes.outputs)
    return make_criterion(config.loss, weights, classes.ignore, device, outputs, objects.losses)


def _sigmoid_criterion(
    config: Config, source: Source, device: torch.device, screen: Screen, objects: PythonObjects
) -> Criterion:
    """The loss of overlapping classes."""
    classes, weights = source.classes, None
    pixels = next((term for term in config.loss if isinstance(term, BinaryCrossEntropy)), None)
    wanted = "none" if pixels is None else pixels.pos_weight
    if isinstance(wanted, tuple):
        if len(wanted) != len(classes):
            raise UserError(
                f"loss.binary_cross_entropy.pos_weight: {len(wanted)} values for {len(classes)} "
                "classes",
                "FC-CONFIG-009",
            )
        weights = torch.tensor(wanted, dtype=torch.float32)
    elif wanted != "none":
        weights = torch.from_numpy(positive_weights(source, wanted))
        pairs = zip(classes.names, weights.tolist(), strict=True)
        screen.say("weights of present pixels: " + ", ".join(f"{n} {w:.2f}" for n, w in pairs))
    parts = tuple(output.channels for output in classes.outputs)
    options = classes.ignore, device, parts, objects.losses, True
    return make_criterion(config.loss, weights, *options)
