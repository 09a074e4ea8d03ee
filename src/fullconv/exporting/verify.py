"""Is the graph the net? Both are run on the same photos, at sizes that betray a baked-in one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fullconv.data.synthetic.scene import scene
from fullconv.errors import UserError
from fullconv.exporting.torch_graph import Array, UnsavedGraph
from fullconv.inference.class_map import Decision
from fullconv.inference.engines.graph_engine import feed
from fullconv.inference.export_metadata import CLASSES, Description
from fullconv.modalities import COLOR, kind_named
from fullconv.models import FCN

# Batch, height, width: odd and even, around the strides; then the smallest.
CASES = ((1, 75, 101), (3, 33, 31), (2, 64, 96), (1, 130, 225))

# How far scores may differ, as a part of the largest. A runtime adds in another order: of the
# 25,088 products of VGG16's fc6 that leaves about 1e-5 (eps * sqrt of the count); a graph that
# computes something else is off by much more.
TOLERANCE = 1e-4

# In float16 each number is rounded by up to 2**-11 (5e-4), each layer anew. Photos of a few pixels
# have small scores, beside which that is more: 8e-3 was seen at 1x7.
TOLERANCE_FP16 = 2e-2
LEAST_SAME_FP16 = 0.98

TOLERANCES: dict[str, float | None] = {"fp32": TOLERANCE, "fp16": TOLERANCE_FP16, "int8": None}
"""The tolerance by precision; int8 is verified on photos (`fullconv.exporting.verify_int8`)."""


@dataclass(frozen=True)
class Check:
    """One comparison: the largest difference, the largest score, and the share of equal classes.

    Where the graph gives classes, the difference is how far the net's score of the graph's class
    lies below its highest: 0 where they are the same.
    """

    shape: tuple[int, int, int]
    difference: float
    largest: float
    same: float

    @property
    def size(self) -> str:
        """Batch, height and width in words."""
        batch, height, width = self.shape
        return f"{height}x{width}" if batch == 1 else f"{batch} of {height}x{width}"


def check(unsaved: UnsavedGraph, net: FCN, description: Description) -> list[Check]:
    """Compare the graph with the net; UserError when a score differs by more than is allowed.

    That is the tolerance of its precision; classes may differ where the net's own scores are as
    near to each other. A float16 graph must also give most pixels the same class. An int8 one must
    run at all sizes and give numbers in the right shape.
    """
    size, least = description.size, description.smallest
    cases = [(1, *size)] * 2 if size else [*CASES, (1, least, least + 6)]
    checks = [_compare(unsaved, net, description, case, seed) for seed, case in enumerate(cases)]
    pixels = [np.prod(check.shape) for check in checks]
    same = float(np.average([check.same for check in checks], weights=pixels))
    if description.precision == "fp16" and same < LEAST_SAME_FP16:
        raise UserError(
            f"float16 changes the class of {1 - same:.1%} of the pixels, "
            f"{1 - LEAST_SAME_FP16:.0%} may: train longer, or stay with fp32",
            "FC-EXPORT-004",
        )
    return checks


def refuse_nan(net: FCN, description: Description) -> None:
    """UserError where ``net`` gives scores that are no numbers, found before the long work."""
    _wanted(net, description, _photos((1, *(description.size or CASES[0][1:])), description, 0))


def _wanted(net: FCN, description: Description, images: npt.NDArray[Any]) -> Array:
    """The net's own scores N,K,H,W of photos N,H,W,C; UserError where they are no numbers."""
    with torch.inference_mode():
        scores = net(description.preprocessing(torch.from_numpy(images))).numpy()
    if not np.isfinite(scores).all():
        raise UserError(
            "the net itself gives scores that are no numbers: train it again", "FC-EXPORT-010"
        )
    return scores


def _compare(
    unsaved: UnsavedGraph,
    net: FCN,
    description: Description,
    shape: tuple[int, int, int],
    seed: int,
) -> Check:
    images = _photos(shape, description, seed)  # N,H,W,C
    wanted = _wanted(net, description, images)  # N,K,H,W
    what = Check(shape, float("nan"), float(np.abs(wanted).max()), 0.0)
    try:
        given = unsaved.run(feed(images, description))
    except Exception as error:  # the runtimes' exceptions have no common base
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the graph cannot be run at {what.size}: {reason[0]}", "FC-EXPORT-004"
        ) from error
    decision = Decision.of(description.classes)
    classes, tolerance = description.output == CLASSES, TOLERANCES[description.precision]
    right = _shape_of_classes(wanted.shape, len(decision.outputs)) if classes else wanted.shape
    if given.shape != right or given.dtype.name != description.dtype_out:
        raise UserError(
            f"the graph gives {given.dtype.name} {given.shape} at {what.size}, and {right} of "
            f"{description.dtype_out} is wanted",
            "FC-EXPORT-004",
        )
    difference, same = (_of_classes if classes else _of_scores)(given, wanted, decision)
    what = Check(shape, difference, what.largest, same)
    allowed = np.inf
    if tolerance is not None:  # two scores may be off, one up and one down; untrained nets score 0
        allowed = (2 if classes else 1) * tolerance * what.largest + 1e-6
    if not difference <= allowed or np.isinf(difference):  # not >: a NaN must not pass
        raise UserError(
            f"the graph differs from the net by {difference:.3g} at {what.size} (the largest score "
            f"is {what.largest:.3g}, {allowed:.3g} is allowed) and gives {same:.1%} of the pixels "
            "the same class",
            "FC-EXPORT-004",
        )
    return what


def _shape_of_classes(scores: tuple[int, ...], outputs: int) -> tuple[int, ...]:
    batch, _, height, width = scores
    return (batch, height, width) if outputs == 1 else (batch, height, width, outputs)


def _of_scores(output: Array, wanted: Array, decision: Decision) -> tuple[float, float]:
    """The largest difference of scores N,K,H,W, and the share of equal classes."""
    if decision.threshold_logits:
        same = [(_present(output, decision) == _present(wanted, decision)).mean()]
    else:
        parts = decision.outputs
        same = [(output[:, p].argmax(1) == wanted[:, p].argmax(1)).mean() for p in parts]
    return float(np.abs(output - wanted).max()), float(np.mean(same))


def _present(scores: Array, decision: Decision) -> Array:
    """Where overlapping classes are by their scores N,K,H,W."""
    return scores >= np.array(decision.threshold_logits, np.float32)[:, None, None]


def _of_classes(output: Array, wanted: Array, decision: Decision) -> tuple[float, float]:
    """By how much a class of N,H,W(,outputs) is not the best of the scores; the share that is.

    Infinite where it is none of its output's.
    """
    if decision.threshold_logits:
        return _of_presence(output, wanted, decision)
    lost, same, parts = 0.0, [], decision.outputs
    planes = np.moveaxis(output, -1, 0) if output.ndim == 4 else output[None]  # outputs,N,H,W
    for plane, part in zip(planes, parts, strict=True):
        own = wanted[:, part]  # N,k,H,W
        index = plane.astype(np.int64) - part.start
        if index.min() < 0 or index.max() >= own.shape[1]:
            return float("inf"), 0.0
        chosen = np.take_along_axis(own, index[:, None], 1)[:, 0]  # N,H,W
        lost = max(lost, float((own.max(1) - chosen).max()))
        same.append((index == own.argmax(1)).mean())
    return lost, float(np.mean(same))


def _of_presence(output: Array, wanted: Array, decision: Decision) -> tuple[float, float]:
    """How far from its threshold a score is where a class is given otherwise; the share of equal.

    ``output`` is N,H,W,K, or N,H,W of one class, of 0 and 1; infinite where it has other values.
    """
    planes = np.moveaxis(output, -1, 1) if output.ndim == 4 else output[:, None]  # N,K,H,W
    if planes.max(initial=0) > 1:
        return float("inf"), 0.0
    differ = planes != _present(wanted, decision)
    away = np.abs(wanted - np.array(decision.threshold_logits, np.float32)[:, None, None])
    return float(away[differ].max(initial=0)), float(1 - differ.mean())


def _photos(shape: tuple[int, int, int], description: Description, seed: int) -> npt.NDArray[Any]:
    """Generated scenes and noise in turn, N,H,W,C, with further inputs around their means."""
    batch, height, width = shape
    rng = np.random.default_rng(seed)
    images = []
    for number in range(batch):
        planes = [_plane(kind, height, width, rng) for kind in description.preprocessing.inputs]
        if (seed + number) % 2 == 0 and description.preprocessing.inputs[0] == COLOR:
            planes[0] = scene(max(height, 64), max(width, 64), rng)[0][:height, :width]
        images.append(np.concatenate(planes, -1))
    photos = np.stack(images)
    if description.channels == 3:  # as `check_image` wants them
        return np.clip(np.rint(photos), 0, 255).astype(np.uint8)
    return photos


def _plane(kind: str, height: int, width: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    known = kind_named(kind)
    if kind == COLOR:
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    values = rng.normal(known.mean, known.std, (height, width, known.channels))
    return values.astype(np.float32)
