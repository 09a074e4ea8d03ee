"""The stored result of a net on a built-in picture: it proves that an engine computes the same.

Every checkpoint and export carries it in its header, under ``golden``. The picture is the same in
every version, computed from integers alone; an engine that has loaded a net runs it once and
compares (`fullconv.inference.open_predictor`).

C channels, K classes, H and W pixels.
"""

import base64
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import isfinite, log, prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fullconv.classes import ClassSet
from fullconv.modalities import channels_of, kind_named
from fullconv.models import FCN, Preprocessing
from fullconv.parsing import parser_errors

Array = npt.NDArray[Any]
Size = tuple[int, int]

PICTURE = 1  # of the formula; a golden of another one is left alone
SIZE: Size = (96, 128)
PLACES = ((1, 2), (1, 3), (1, 2), (3, 4), (5, 6)), ((1, 2), (1, 4), (5, 6), (1, 3), (7, 8))
"""The positions of the stored logits, as shares of the height and of the width."""

CHANNELS = 16  # of which logits are kept at most
SAVE_AGAIN = "save the net again"
TIE = 0.02  # of the largest logit: pixels whose two best are nearer are not judged
EXACT = 1e-3  # how far logits may differ in fp32, as a part of the largest
SAME_EXACT, SAME = 0.999, 0.98  # of the pixels judged: in fp32, and where numbers are rounded
MOST_PIXELS = 2**22  # of a picture, which the first prediction repeats


@dataclass(frozen=True)
class Agreement:
    """The share of judged pixels with the same class, and the largest difference of logits.

    ``difference`` is NaN where an engine gives classes alone; ``largest`` is the largest logit.
    """

    same: float
    difference: float
    largest: float


@dataclass(frozen=True, eq=False, repr=False)
class Golden:
    """A class map, (H, W) or with several outputs (H, W, outputs), and some logits.

    The largest value of its type stands for pixels that are not judged (`TIE`). ``logits`` are
    those of the first `CHANNELS` classes at `PLACES`, float32 (places, channels); ``largest`` is
    the largest of all. ``least`` is the share of judged pixels that must keep their class where
    numbers are rounded: less than `SAME` where an export is known to keep fewer.
    """

    classes: Array
    logits: Array
    largest: float
    least: float = SAME

    def __repr__(self) -> str:
        return f"Golden({'x'.join(map(str, self.classes.shape))})"

    @property
    def size(self) -> Size:
        """Of the picture."""
        return self.classes.shape[0], self.classes.shape[1]

    def compare(self, classes: Array, logits: Array | None = None) -> Agreement:
        """Compare with an engine's class map, and logits (K, H, W) where it has them."""
        judged = self.classes != np.iinfo(self.classes.dtype).max
        same = float((classes == self.classes)[judged].mean()) if judged.any() else 1.0
        difference = float("nan")
        if logits is not None:
            difference = float(np.abs(_at_places(logits) - self.logits).max())
        return Agreement(same, difference, self.largest)

    def holds(self, agreement: Agreement, exact: bool) -> bool:
        """Whether an engine computes this net; ``exact`` in fp32 throughout."""
        if not exact:
            return agreement.same >= self.least
        near = np.isnan(agreement.difference) or agreement.difference <= EXACT * self.largest + 1e-6
        return bool(near) and agreement.same >= SAME_EXACT

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "picture": PICTURE,
            "shape": list(self.classes.shape),
            "dtype": self.classes.dtype.name,
            "classes": base64.b64encode(zlib.compress(self.classes.tobytes(), 9)).decode(),
            "places": [list(place) for place in places(self.size)],
            "logits": [[float(f"{value:.6g}") for value in row] for row in self.logits],
            "largest": self.largest,
            "least": self.least,
        }

    @classmethod
    def from_header(cls, path: Path, header: dict[str, Any]) -> "Golden | None":
        """The golden in a file's header, None without one; UserError when it is damaged."""
        values = header.get("golden")
        if values is None:
            return None
        with parser_errors(path, "its header is damaged: golden", "FC-WEIGHTS-003", SAVE_AGAIN):
            return cls._of(values, int(header["net"]["classes"]), header["classes"])

    @classmethod
    def _of(cls, values: dict[str, Any], channels: int, classes: dict[str, Any]) -> "Golden | None":
        """From the header's values; any exception where they are damaged."""
        if values["picture"] != PICTURE:
            return None
        shape = tuple(int(n) for n in values["shape"])
        with np.errstate(over="ignore"):  # infinite logits are refused below
            logits = np.array(values["logits"], np.float32)
        if len(shape) not in (2, 3) or not 0 < prod(shape) <= MOST_PIXELS or min(shape) < 1:
            raise ValueError(f"shape {shape}")
        outputs = len(classes["names"] if "thresholds" in classes else classes.get("outputs", "1"))
        wanted = len(places((shape[0], shape[1]))), min(channels, CHANNELS)
        if logits.shape != wanted or shape[2:] != ((outputs,) if outputs > 1 else ()):
            raise ValueError(f"logits of shape {logits.shape} for {wanted}")
        largest, least = float(values["largest"]), float(values["least"])
        if not np.isfinite(logits).all() or not isfinite(largest) or not 0 <= least <= 1:
            raise ValueError("a number that no net gives")
        dtype = {"uint8": np.uint8, "uint16": np.uint16}[values["dtype"]]
        content = _unpacked(values["classes"], prod(shape) * np.dtype(dtype).itemsize)
        return cls(np.frombuffer(content, dtype).reshape(shape), logits, largest, least)


def golden_of(
    net: FCN, classes: ClassSet, preprocessing: Preprocessing, size: Size = SIZE
) -> Golden | None:
    """The logits of ``net`` for the picture, in fp32 on its device; None where they are not finite.

    Its mode, its gradients and all random states are left as they were.
    """
    kinds = preprocessing.inputs
    if channels_of(kinds) != net.spec.in_channels or prod(size) > MOST_PIXELS:
        return None
    image = torch.from_numpy(picture(kinds, size).copy())[None]  # 1,H,W,C
    weight = next(net.parameters())
    with _at_rest(net), torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
        inputs = preprocessing(image.to(weight.device)).to(weight.dtype)
        logits = net(inputs)[0].float().cpu().numpy()  # K,H,W
    if not np.isfinite(logits).all():
        return None
    largest = float(f"{np.abs(logits).max():.6g}")
    if classes.is_overlapping:
        least = [log(value / (1 - value)) for value in classes.thresholds]
        planes = [_present(*pair, largest) for pair in zip(logits, least, strict=True)]
    else:
        planes = [_judged(logits[o.channels], o.first, largest) for o in classes.outputs]
    best = planes[0] if len(planes) == 1 else np.dstack(planes)  # H,W or H,W,outputs
    dtype = np.uint8 if len(classes) < 256 else np.uint16
    return Golden(best.astype(dtype), _at_places(logits), largest)


def _judged(logits: Array, first: int, largest: float) -> Array:
    """The best class, counted from ``first``, or -1 for a near tie: k,H,W to H,W."""
    best = logits.argmax(0) + first
    if len(logits) == 1:
        return best
    second, highest = np.partition(logits, -2, 0)[-2:]
    return np.where(highest - second > TIE * largest, best, -1)


def _present(logits: Array, least: float, largest: float) -> Array:
    """Whether an overlapping class is there, 0 or 1, or -1 for a near tie: H,W."""
    return np.where(np.abs(logits - least) > TIE * largest, logits >= least, -1)


def _at_places(logits: Array) -> Array:
    """Logits K,H,W at the places: float32 (places, channels)."""
    rows, columns = zip(*places(logits.shape[1:]), strict=True)
    return logits[:CHANNELS, rows, columns].T.astype(np.float32)


def places(size: Sequence[int]) -> list[tuple[int, int]]:
    """Row and column of each of `PLACES` in a picture of ``size``."""
    height, width = size
    return [(height * a // b, width * c // d) for (a, b), (c, d) in zip(*PLACES, strict=True)]


@contextmanager
def _at_rest(net: FCN) -> Iterator[None]:
    """``net`` in evaluation mode, on a GPU without TF32; afterwards everything as before."""
    modes = [(module, module.training) for module in net.modules()]
    tf32 = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = False
        net.eval()
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
        for module, training in modes:
            module.training = training


@cache
def picture(kinds: tuple[str, ...], size: Size = SIZE) -> Array:
    """The picture that all nets are tried on: (H, W, C), read-only.

    uint8 where there are three channels; else float32, of which depth is 6 + v/64 (the logarithm
    of millimetres) and all else 0 to 255. Both are exact.
    """
    channels = channels_of(kinds)
    values = _pattern(channels, *size)  # H,W,C
    if channels == 3:
        pixels = values.astype(np.uint8)
    else:
        planes = np.split(values, np.cumsum([kind_named(k).channels for k in kinds])[:-1], -1)
        scaled = [6 + p / 64 if k == "depth" else p for k, p in zip(kinds, planes, strict=True)]
        pixels = np.concatenate(scaled, -1).astype(np.float32)
    pixels.flags.writeable = False
    return pixels


def _pattern(channels: int, height: int, width: int) -> npt.NDArray[np.int64]:
    """Gradients with a texture, and on them a disc, a box, a triangle and a chequered corner.

    From integers alone, 0 to 255. Changing this changes what every file was saved with: count
    `PICTURE` up.
    """
    y, x, c = np.ogrid[:height, :width, :channels]
    slopes = (x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1))
    base = np.where(c % 3 == 0, slopes[0], np.where(c % 3 == 1, slopes[1], sum(slopes) // 2))
    values = base * 3 // 4 + (7 * x * x + 13 * y * y + x * y * (c + 3)) % 61
    radius = min(height, width) // 5
    disc = (y - height // 3) ** 2 + (x - width // 4) ** 2 <= radius**2
    box = (y >= height // 2) & (y < height * 7 // 8) & (x >= width // 2) & (x < width * 3 // 4)
    triangle = (y >= x - width // 2) & (y < height // 2) & (x >= width * 5 // 8)
    corner = (y >= height * 2 // 3) & (x < width // 3)
    for shape, color in (
        (disc, (200 + 90 * c) % 256),
        (box, (40 + 110 * c) % 256),
        (triangle, (150 + 70 * c) % 256),
        (corner, (x // 4 + y // 4) % 2 * 180 + 20 + 10 * (c % 3)),
    ):
        values = np.where(shape, color, values)
    return values


def _unpacked(text: str, length: int) -> bytes:
    """The bytes of a class map, exactly so many."""
    content = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), length + 1)
    if len(content) != length:
        raise ValueError("the class map has another length")
    return content
