"""Photos that are the same but for encoding, brightness or a narrow crop.

Two steps: a perceptual hash (the signs of the lowest frequencies of a 32 x 32 picture) finds pairs
that could be, quickly; then the fine structure of the two is laid over one another at several
scales and offsets. Frames of one film that are a second apart have near hashes too, but other
fine structure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from fullconv.data.sample import Image

BITS = 64
NEAR = 18  # bits of the hash that may differ
ALIKE = 0.6  # likeness from which two photos are one; others in CamVid stay below 0.35
SIDE = 64  # pixels of the picture whose fine structure is compared
SCALES = (1.0, 0.97, 0.94, 0.91)  # how much of a photo's side its crop may have
MOST = 2000  # pairs looked at closely, nearest hashes first

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The fingerprint of a photo: its hash, bool (64,), and a grey picture, uint8 (64, 64)."""

    bits: npt.NDArray[np.bool_]
    small: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """Two photos that look the same, by place; bits of the hash that differ, and the likeness."""

    first: int
    second: int
    distance: int
    likeness: float


def fingerprint(image: Image) -> Fingerprint:
    """The fingerprint of a photo, uint8 RGB (H, W, 3)."""
    grey = Pillow.fromarray(np.ascontiguousarray(image[..., :3])).convert("L")
    small = grey.resize((SIDE, SIDE), Pillow.Resampling.BOX)
    tiny = np.asarray(grey.resize((32, 32), Pillow.Resampling.LANCZOS), np.float32)
    low = (_cosines() @ tiny @ _cosines().T).ravel()[1 : BITS + 1]  # without the brightness
    return Fingerprint(low > np.median(low), np.asarray(small))


def lookalikes(first: Sequence[Fingerprint], second: Sequence[Fingerprint]) -> Iterator[Pair]:
    """The pairs of one photo of each side that look the same, the likest of each first one."""
    if not first or not second:
        return
    candidates = _candidates(first, second)
    best: dict[int, Pair] = {}
    for distance, a, b in candidates[:MOST]:
        pair = Pair(a, b, distance, likeness(first[a].small, second[b].small))
        if pair.likeness >= ALIKE and pair.likeness > (best[a].likeness if a in best else 0):
            best[a] = pair
    yield from (best[a] for a in sorted(best))


def likeness(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> float:
    """Highest correlation, -1 to 1, of the fine structure, one of the two being a crop."""
    return max(_inside(first, second), _inside(second, first))


def _candidates(
    first: Sequence[Fingerprint], second: Sequence[Fingerprint]
) -> list[tuple[int, int, int]]:
    """Distance, place in ``first``, place in ``second``, the nearest first."""
    # Of bits as +1 and -1, the product is the bits that agree less those that differ.
    rows, columns = (
        np.array([f.bits for f in side], np.float32) * 2 - 1 for side in (first, second)
    )
    pairs: list[tuple[int, int, int]] = []
    for start in range(0, len(rows), 1024):
        distance = (BITS - rows[start : start + 1024] @ columns.T) / 2
        for a, b in zip(*np.nonzero(distance <= NEAR), strict=True):
            pairs.append((int(distance[a, b]), start + int(a), int(b)))
    return sorted(pairs)


def _inside(whole: npt.NDArray[np.uint8], crop: npt.NDArray[np.uint8]) -> float:
    """Highest correlation of ``crop``, made smaller, anywhere within ``whole``."""
    field, picture, best = _fine(whole.astype(np.float32)), Pillow.fromarray(crop), -1.0
    for height in SCALES:
        for width in SCALES:
            size = (round(SIDE * width), round(SIDE * height))
            piece = _fine(np.asarray(picture.resize(size, Pillow.Resampling.BOX), np.float32))
            best = max(best, _best_place(field, piece))
    return best


def _best_place(field: Plane, piece: Plane) -> float:
    piece = piece - piece.mean()
    views = np.lib.stride_tricks.sliding_window_view(field, piece.shape)
    views = views.reshape(-1, *piece.shape)
    product = np.einsum("nij,ij->n", views, piece)  # the mean of a view drops out
    count = piece.size
    variance = np.einsum("nij,nij->n", views, views) - views.sum((1, 2)) ** 2 / count
    scale = np.sqrt(np.maximum(variance, 0) * (piece**2).sum())
    plain = scale < count  # a deviation below one grey level: nothing to recognise
    return float(np.max(np.where(plain, -1.0, product / np.maximum(scale, 1e-6))))


def _fine(plane: Plane) -> Plane:
    """Without the coarse light and dark, which any two streets share."""
    reach, (height, width) = 4, plane.shape
    sums = np.pad(plane, ((reach + 1, reach), (reach + 1, reach)), "edge").cumsum(0).cumsum(1)
    side = 2 * reach + 1
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return (plane - total[:height, :width] / side**2).astype(np.float32)


@cache
def _cosines() -> Plane:
    """The nine lowest frequencies of the cosine transform of 32 values, (9, 32)."""
    place = np.arange(32) + 0.5
    return np.cos(np.pi / 32 * np.arange(9)[:, None] * place).astype(np.float32)
