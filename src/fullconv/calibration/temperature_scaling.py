"""Temperature scaling: one number that makes a net as confident as it is right.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2:
probabilities are softmax(logits / T), and T is the one with the least cross-entropy on data that
the net was not trained on. The class of the highest score stays, so no class map changes.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.checkpoints.checkpoint import find
from fullconv.checkpoints.checkpoint_file import is_checkpoint_file
from fullconv.checkpoints.temperature import Calibration, store, temperatures_of
from fullconv.data import Dataset, Source, as_source
from fullconv.data.data_of_run import trained_on
from fullconv.device import Precision
from fullconv.errors import UserError
from fullconv.evaluation import Progress, open_for
from fullconv.inference.class_map import Decision
from fullconv.inference.confidence import Softmaxes, of_scores
from fullconv.inference.engines.engine import Engine
from fullconv.inference.engines.graph_engine import no_scores
from fullconv.inference.engines.registry import AUTO, is_exported
from fullconv.inference.open_predictor import OpenedNet, open_engine
from fullconv.inference.photo_engine import with_tiles, with_tta
from fullconv.inference.photos.read_ahead import read_ahead
from fullconv.inference.tiled_prediction import Tile
from fullconv.inference.tta import TTA
from fullconv.metrics.reliability import Reliability
from fullconv.python_arguments import as_path
from fullconv.visualize import planes_of

MOST = 2**25
"""Logits that temperatures are fitted to at most, 128 MiB; of more pixels a random choice."""
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures beyond these are not taken: the net is always right there, or knows nothing."""
_SEED = 0x7E3A
_CHUNK = 2**16  # pixels at a time
_STEPS = 60  # halvings of the interval, should Newton's method never help


def calibrate(
    run: str | Path,
    data: Source | Dataset | str | Path | None = None,
    split: str = "val",
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    tile: Tile | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Fit the temperatures of a run's probabilities on a split, and store them in its checkpoint.

    ``run`` is a run folder or a model.safetensors; ``data`` what the run was trained on, if None.
    Every photo is predicted twice: to fit the temperature of each output, then to measure the
    reliability over all pixels. The file is written whole or not at all; its weights and its class
    maps stay. Raises UserError for an exported file, for foreign weights, for a split without
    labels, and as `fullconv.evaluate`.
    """
    file = checkpoint_of(run)
    opened = open_engine(file, device, precision)
    source, named = _source_of(opened, run, data, split)
    engine, count = with_tiles(opened.engine, opened.spec, tile), len(source)
    twice = (lambda first: lambda done: progress(first + done, 2 * count)) if progress else None
    temperatures = _fitted(_scored(engine, source, twice and twice(0)), opened, count)
    passed = _scored(engine, source, twice and twice(count))
    before, after = _reliabilities(passed, opened, temperatures)
    calibration = Calibration(temperatures, before, after, named, split, count, _names(opened))
    store(file, calibration)
    return calibration


def measure_calibration(
    run: str | Path,
    data: Source | Dataset | str | Path | None = None,
    split: str = "val",
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    engine: str = AUTO,
    tile: Tile | None = None,
    tta: str | TTA | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """The reliability of a run, or of an exported file, as it is; nothing is stored.

    ``before`` is at temperature 1, ``after`` at the temperatures of the file. Raises UserError as
    `calibrate`, and for a graph that gives classes alone.
    """
    opened = open_engine(run, device, precision, engine)
    if not opened.has_scores:
        raise no_scores(Path(run))
    source, named = _source_of(opened, run, data, split)
    runner = with_tta(with_tiles(opened.engine, opened.spec, tile), opened.classes, tta)
    count = len(source)
    temperatures = temperatures_of(opened.calibration, len(opened.classes.outputs))
    passed = _scored(runner, source, (lambda done: progress(done, count)) if progress else None)
    before, after = _reliabilities(passed, opened, temperatures)
    return Calibration(temperatures, before, after, named, split, count, _names(opened))


def checkpoint_of(run: str | Path) -> Path:
    """The file that a calibration is stored in; UserError for what cannot hold one."""
    path = as_path(run, "run")
    if is_exported(path) or path.suffix == ".pt2":
        raise UserError(
            f"{path}: is an exported file, which keeps what the run said when it was exported: "
            "calibrate the run, then export it again",
            "FC-CALIBRATE-001",
        )
    file = find(path)
    if not is_checkpoint_file(file):
        raise UserError(
            f"{file}: is no checkpoint of fullconv, so a calibration cannot be stored in it: "
            f"fullconv convert {file} makes one",
            "FC-CALIBRATE-001",
        )
    return file


def best_temperature(logits: Tensor, truth: Tensor, weights: Tensor | None = None) -> float:
    """The T from `COLDEST` to `HOTTEST` at which softmax(logits / T) has the least cross-entropy.

    ``logits`` are P,K, ``truth`` P int64; ``weights`` P say how many pixels each stands for. In
    1 / T the cross-entropy is convex: Newton's method, kept within an interval that is halved where
    a step would leave it.
    """
    low, high, at = 1 / HOTTEST, 1 / COLDEST, 1.0
    for _ in range(_STEPS):
        slope, curvature = _derivatives(logits, truth, weights, at)
        low, high = (low, at) if slope > 0 else (at, high)
        step = at - slope / curvature if curvature > 0 else at
        following = step if low < step < high else (low + high) / 2
        if abs(following - at) < 1e-7 * at:
            break
        at = following
    return 1 / at


def _derivatives(
    logits: Tensor, truth: Tensor, weights: Tensor | None, scale: float
) -> tuple[float, float]:
    """Of the mean cross-entropy of softmax(logits * scale), the first two by ``scale``."""
    slope = curvature = total = 0.0
    for first in range(0, len(truth), _CHUNK):
        part = slice(first, first + _CHUNK)
        values = logits[part].double()  # P,K
        shares = (values * scale).softmax(1)
        mean = (shares * values).sum(1)  # P
        spread = (shares * (values - mean[:, None]).square()).sum(1)
        right = values.gather(1, truth[part, None])[:, 0]
        weight = torch.ones(len(mean)) if weights is None else weights[part]
        slope += float(((mean - right) * weight).sum())
        curvature += float((spread * weight).sum())
        total += float(weight.sum())
    return slope / total, curvature / total


def _source_of(opened: OpenedNet, run: str | Path, data: Any, split: str) -> tuple[Source, str]:
    """The split, and what to call its data; UserError for classes that may overlap."""
    if opened.classes.is_overlapping:
        raise UserError(
            f"{run}: its classes may overlap, and temperatures are those of a softmax: choose the "
            "thresholds instead, by 'fullconv evaluate --tune-thresholds'",
            "FC-CALIBRATE-004",
        )
    data = trained_on(run) if data is None else data
    if isinstance(data, str | Path):
        return open_for(opened, data, split, run=run), str(data)
    return as_source(data, split), ""


def _names(opened: OpenedNet) -> tuple[str, ...]:
    return tuple(output.name for output in opened.classes.outputs)


Scored = tuple[Tensor, list[npt.NDArray[Any]]]
"""The scores of a photo, K,H,W, and the true values (H, W) of each output."""


def _scored(
    engine: Engine, source: Source, report: Callable[[int], object] | None
) -> Iterator[Scored]:
    """Each photo of a split, shown to the net once."""
    with closing(read_ahead(source.__getitem__, len(source))) as samples:
        for done, sample in enumerate(samples, 1):
            if sample.mask is None:
                raise UserError(
                    f"{sample.name}: has no mask, so nothing can be calibrated on it; add one or "
                    "leave it out",
                    "FC-DATA-107",
                )
            scores = np.require(engine.scores(sample.image), requirements=["W"])
            yield torch.from_numpy(scores), planes_of(sample.mask)
            if report:
                report(done)


def _fitted(photos: Iterator[Scored], opened: OpenedNet, count: int) -> tuple[float, ...]:
    """The best temperature of each output."""
    parts, ignore = Decision.of(opened.classes).outputs, opened.classes.ignore
    quota = max(1, MOST // (len(opened.classes) * max(count, 1)))
    chosen: list[list[tuple[Tensor, ...]]] = [[] for _ in parts]
    for number, (scores, planes) in enumerate(photos):
        for index, (part, plane) in enumerate(zip(parts, planes, strict=True)):
            pixels = np.flatnonzero(plane != ignore)
            if not len(pixels):
                continue
            rng = np.random.default_rng((_SEED, number, index))
            some = rng.choice(pixels, quota, replace=False) if len(pixels) > quota else pixels
            values = scores[part].flatten(1)[:, torch.from_numpy(some)].T.contiguous()  # P,K
            truth = torch.from_numpy(plane.ravel()[some].astype(np.int64) - part.start)
            weights = torch.full((len(some),), len(pixels) / len(some), dtype=torch.float64)
            chosen[index].append((values, truth, weights))
    for index, samples in enumerate(chosen):
        if not samples:
            name = opened.classes.outputs[index].name
            what = f"the output {name!r} has no labelled pixel" if name else "no pixel is labelled"
            raise UserError(
                f"{what} in the split, so its probabilities cannot be calibrated: label some, or "
                "name another --split",
                "FC-CALIBRATE-002",
            )
    pairs = ([torch.cat(column) for column in zip(*samples, strict=True)] for samples in chosen)
    return tuple(best_temperature(*columns) for columns in pairs)


def _reliabilities(
    photos: Iterator[Scored], opened: OpenedNet, temperatures: tuple[float, ...]
) -> tuple[tuple[Reliability, ...], tuple[Reliability, ...]]:
    """The reliability of each output at temperature 1 and at these ``temperatures``."""
    parts, ignore = Decision.of(opened.classes).outputs, opened.classes.ignore
    before = [Reliability.none() for _ in parts]
    after = [Reliability.none() for _ in parts]
    for scores, planes in photos:
        for index, (part, plane) in enumerate(zip(parts, planes, strict=True)):
            known = plane != ignore
            for totals, temperature in ((before, 1.0), (after, temperatures[index])):
                own = Softmaxes(Decision((slice(0, part.stop - part.start),)), (temperature,))
                classes, confidence = of_scores(scores[part], own)
                right = (
                    classes[known].astype(np.int64) == plane[known].astype(np.int64) - part.start
                )
                totals[index] += Reliability.of(confidence[known], right)
    return tuple(before), tuple(after)
