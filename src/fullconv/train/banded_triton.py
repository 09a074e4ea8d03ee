"""The cross-entropy of a photo and its gradient in two Triton kernels, without bands of scores.

Across a row the small maps are enlarged by a matrix product, and the rows of all maps stacked:
``near`` K,n,W. A score of the photo is a sum of a few of these (two rows of each map), cheap enough
to be computed wherever it is needed and never stored. The first kernel goes through the classes of
each pixel and keeps the logarithm of the summed exponentials; the second sums, for each class and
row of ``near``, the gradient of the pixels that it reaches. A program writes what no other writes,
so the sums are the same in each run. Where ``near`` would be larger than a band, some classes are
taken at a time.

Letters: K classes, H and W of the photo, n rows of all its maps.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false
import functools
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from fullconv.nets.enlargement import BAND, Enlargement, extent
from fullconv.train.photo_loss import Photo, summed

BLOCK = 128
"""Pixels of a row that a program takes."""


@triton.jit
def _score(near, rows, shares, y, x, width, BLOCK: tl.constexpr, TAPS: tl.constexpr):
    """The scores of a class at row ``y``, columns ``x``: its rows ``near`` by their shares."""
    score = tl.zeros((BLOCK,), near.dtype.element_ty)
    for tap in tl.static_range(TAPS):
        row = tl.load(rows + y * TAPS + tap)
        share = tl.load(shares + y * TAPS + tap)
        score += share * tl.load(near + row * width + x, mask=x < width, other=0.0)
    return score


@triton.jit
def log_sums(
    near, rows, shares, labels, whole, right, first, classes, count, width,
    BLOCK: tl.constexpr, TAPS: tl.constexpr,
):  # fmt: skip
    """Add ``classes`` from ``first`` on to the log-sum-exp ``whole`` H,W; ``right``: the label's.

    Programs: H, blocks of a row.
    """
    y = tl.program_id(0)
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    at, inside = y * width + x, x < width
    label = tl.load(labels + at, mask=inside, other=0)
    own = tl.load(right + at, mask=inside, other=0.0)
    top = tl.load(whole + at, mask=inside, other=0.0)  # -inf at first
    total = tl.zeros_like(top) + 1.0
    for k in range(classes):
        score = _score(near + k * count * width, rows, shares, y, x, width, BLOCK, TAPS)
        higher = tl.maximum(top, score)
        total = total * tl.exp(top - higher) + tl.exp(score - higher)
        top = higher
        own = tl.where(label == first + k, score, own)
    tl.store(whole + at, top + tl.log(total), mask=inside)
    tl.store(right + at, own, mask=inside)


@triton.jit
def gradients(
    near, rows, shares, labels, whole, weights, down, begins, ends, towards, first, count, width,
    BLOCK: tl.constexpr, TAPS: tl.constexpr,
):  # fmt: skip
    """The gradient ``towards`` the rows ``near``: over the photo's rows from begin to end of each.

    Programs: n, classes, blocks of a row.
    """
    row = tl.program_id(0)
    k = tl.program_id(1)
    x = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    inside, start = x < width, k * count * width
    found = tl.zeros((BLOCK,), near.dtype.element_ty)
    for y in range(tl.load(begins + row), tl.load(ends + row)):
        at = y * width + x
        score = _score(near + start, rows, shares, y, x, width, BLOCK, TAPS)
        share = tl.exp(score - tl.load(whole + at, mask=inside, other=0.0))
        label = tl.load(labels + at, mask=inside, other=0)
        weight = tl.load(weights + at, mask=inside, other=0.0)
        hit = tl.where(label == first + k, 1.0, 0.0)
        found += tl.load(down + y * count + row) * weight * (share - hit)
    tl.store(towards + start + row * width + x, found, mask=inside)


@dataclass(frozen=True, eq=False)
class Layout:
    """How the rows of the photo are made of those of all maps.

    ``rows`` and ``shares`` H,taps: which, and how much of each; ``down`` H,n the same as a matrix;
    ``begins`` and ``ends`` (n,): the rows of the photo that each reaches.
    """

    rows: Tensor
    shares: Tensor
    down: Tensor
    begins: Tensor
    ends: Tensor


@functools.lru_cache(maxsize=8)
def layout(*each: Enlargement) -> Layout:
    """That of maps enlarged so; kept for the next step."""
    rows, shares, before = [], [], 0
    for down in (one.down for one in each):
        first, _ = extent(down != 0)
        for row in (first, first + 1):  # a pixel lies between two
            exists = row < down.shape[1]
            row = row.clamp(max=down.shape[1] - 1)
            rows.append(before + row)
            shares.append(down.gather(1, row[:, None])[:, 0] * exists)
        before += down.shape[1]
    down = torch.cat([one.down for one in each], 1)
    begins, ends = (bound.int() for bound in extent((down != 0).T))
    return Layout(torch.stack(rows, 1).int(), torch.stack(shares, 1), down, begins, ends)


def cross_entropy(photo: Photo) -> Tensor:
    """As ``photo_loss.cross_entropy``: (trained loss, plain loss); gradients are added."""
    each, (height, width) = photo.fusion.each, photo.labels.shape
    made = layout(*each)
    count, dtype = made.down.shape[1], made.down.dtype
    whole = torch.full((height, width), -torch.inf, dtype=dtype, device=photo.labels.device)
    right = torch.zeros_like(whole)
    sizes = {"BLOCK": BLOCK, "TAPS": made.rows.shape[1]}
    blocks, weights = triton.cdiv(width, BLOCK), photo.weights.clamp(min=0).to(dtype).contiguous()
    step = max(1, BAND // (count * width * dtype.itemsize))
    parts = [slice(k, k + step) for k in range(0, photo.maps[0].shape[0], step)]
    pixels = (made.rows, made.shares, photo.labels.contiguous(), whole)
    with torch.cuda.device_of(whole):
        for part in parts:
            near = _near(photo, part)
            log_sums[height, blocks](
                near, *pixels, right, part.start, len(near), count, width, **sizes
            )
        for part in parts:
            near = _near(photo, part)
            towards = torch.empty_like(near)
            gradients[count, len(near), blocks](
                near, *pixels, weights, made.down, made.begins, made.ends, towards,
                part.start, count, width, **sizes,
            )  # fmt: skip
            pieces = towards.split([m.shape[1] for m in photo.maps], 1)
            for grad, piece, one in zip(photo.grads, pieces, each, strict=True):
                grad[part] += piece @ one.across
    return summed(whole - right, photo.weights)


def _near(photo: Photo, part: slice) -> Tensor:
    """The rows of all maps enlarged across: k,n,W of some classes."""
    pairs = zip(photo.maps, photo.fusion.each, strict=True)
    return torch.cat([m[part] @ one.across.T for m, one in pairs], 1)
