"""Is the graph the net? Both are run on the same photos, at sizes that betray a baked-in one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fullconv.data.scene import scene
from fullconv.errors import UserError
from fullconv.export.draft import Draft
from fullconv.inputs import COLOR, KINDS
from fullconv.nets import FCN
from fullconv.predict.description import Description
from fullconv.predict.graph_engine import feed

# Batch, height, width: odd and even, around the strides; then the smallest.
CASES = ((1, 75, 101), (3, 33, 31), (2, 64, 96), (1, 130, 225))

# How far scores may differ, as a part of the largest. A runtime adds in another order: of the
# 25,088 products of VGG16's fc6 that leaves about 1e-5 (eps * sqrt of the count); a graph that
# computes something else is off by much more.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Check:
    """One comparison: the largest difference, the largest score, and the share of equal classes."""

    shape: tuple[int, int, int]
    difference: float
    largest: float
    same: float

    @property
    def size(self) -> str:
        """Batch, height and width in words."""
        batch, height, width = self.shape
        return f"{height}x{width}" if batch == 1 else f"{batch} of {height}x{width}"


def check(
    draft: Draft, net: FCN, description: Description, tolerance: float | None = TOLERANCE
) -> list[Check]:
    """Compare the graph with the net; UserError when a score differs by more than ``tolerance``.

    Where that is None (int8) the graph must run at all sizes and give numbers in the right shape.
    """
    size, least = description.size, description.smallest
    cases = [(1, *size)] * 2 if size else [*CASES, (1, least, least + 6)]
    return [
        _compare(draft, net, description, tolerance, case, seed) for seed, case in enumerate(cases)
    ]


def _compare(
    draft: Draft,
    net: FCN,
    description: Description,
    tolerance: float | None,
    shape: tuple[int, int, int],
    seed: int,
) -> Check:
    images = _photos(shape, description, seed)  # N,H,W,C
    with torch.inference_mode():
        wanted = net(description.preprocessing(torch.from_numpy(images))).numpy()  # N,K,H,W
    if not np.isfinite(wanted).all():
        raise UserError("the net itself gives scores that are no numbers: train it again")
    what = Check(shape, float("nan"), float(np.abs(wanted).max()), 0.0)
    try:
        found = draft.run(feed(images, description))
    except Exception as error:  # the runtimes' exceptions have no common base
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"the graph cannot be run at {what.size}: {reason[0]}") from error
    if found.shape != wanted.shape:
        raise UserError(
            f"the graph gives scores of shape {found.shape} at {what.size}, the net {wanted.shape}"
        )
    difference = float(np.abs(found - wanted).max())
    same = np.mean([
        (found[:, part].argmax(1) == wanted[:, part].argmax(1)).mean()
        for part in (output.channels for output in description.classes.outputs)
    ])  # fmt: skip
    what = Check(shape, difference, what.largest, float(same))
    allowed = np.inf
    if tolerance is not None:
        allowed = tolerance * what.largest + 1e-6  # an untrained net scores 0
    if not difference <= allowed:  # not >: a NaN must not pass
        raise UserError(
            f"the graph differs from the net by {difference:.3g} at {what.size} (the largest score "
            f"is {what.largest:.3g}, {allowed:.3g} is allowed) and gives {same:.1%} of the pixels "
            "the same class"
        )
    return what


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
    known = KINDS[kind]
    if kind == COLOR:
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    values = rng.normal(known.mean, known.std, (height, width, known.channels))
    return values.astype(np.float32)
