"""Test-time augmentation: the mean of the probabilities of a photo mirrored and at other scales.

The probabilities of each view are mirrored and scaled back to the photo.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from fullconv.data.augment.resize import resize_image
from fullconv.errors import UserError
from fullconv.inference.class_map import Decision
from fullconv.inference.engines.engine import Image, check_image

NONE, MIRROR = "none", "mirror"
SMALLEST, LARGEST = 0.1, 10.0
"""Scales beyond these are taken for typing errors."""

Size = tuple[int, int]


@dataclass(frozen=True)
class TTA:
    """The ``scales`` at which a photo is predicted, and whether mirrored (left-right) too."""

    scales: tuple[float, ...] = (1.0,)
    mirror: bool = False

    @property
    def cost(self) -> float:
        """Pixels of all views for each pixel of the photo."""
        return sum(scale**2 for scale in self.scales) * (1 + self.mirror)


def parse_tta(text: str) -> TTA | None:
    """'mirror', '0.75,1,1.25', 'mirror,0.5,1' or 'none' (None); UserError for anything else.

    Without a scale it is 1.
    """
    parts = [part.strip().lower() for part in text.split(",")]
    if parts == [NONE]:
        return None
    scales = tuple(_scale(part, text) for part in parts if part != MIRROR)
    if parts.count(MIRROR) > 1 or len(set(scales)) < len(scales):
        raise UserError(f"--tta {text}: a view is named twice: name each once", "FC-PREDICT-017")
    return TTA(scales or (1.0,), MIRROR in parts)


def _scale(part: str, text: str) -> float:
    try:
        scale = float(part)
    except ValueError:
        raise UserError(
            f"--tta {text}: {part!r} is neither {MIRROR} nor a scale; "
            "as mirror, mirror,0.75,1,1.25, or none alone",
            "FC-PREDICT-017",
        ) from None
    if not SMALLEST <= scale <= LARGEST:
        raise UserError(
            f"--tta {text}: scales lie from {SMALLEST:g} to {LARGEST:g}, not {part}",
            "FC-PREDICT-017",
        )
    return scale


Run = Callable[[Image], npt.NDArray[np.float32]]
"""The scores of a view, (K, h, w)."""


class Views:
    """The mean of the probabilities of a photo's views.

    ``decision`` says which score channels belong to one output: each has a softmax of its own, or
    a sigmoid of overlapping classes.
    All probabilities of a photo exist at once, twice: 8 bytes a class and pixel.
    """

    def __init__(self, tta: TTA, decision: Decision) -> None:
        self.tta, self.decision = tta, decision

    def mean(self, image: Image, run: Run) -> Tensor:
        """The mean probabilities K,H,W by what ``run`` says of each view."""
        views = self._views(image, run)
        total = next(views)
        for probabilities in views:
            total += probabilities
        return total.div_(len(self.tta.scales) * (1 + self.tta.mirror))  # K,H,W

    def _views(self, image: Image, run: Run) -> Iterator[Tensor]:
        """The probabilities of each view, K,H,W, as the photo lies."""
        check_image(image, image.shape[2] if image.ndim == 3 else 3)
        for scale in self.tta.scales:
            seen = resize_image(image, _scaled(_size(image), scale))
            yield self._seen(seen, scale, _size(image), run)
            if self.tta.mirror:
                # A copy: of one column, numpy calls the mirrored view itself contiguous.
                mirrored = self._seen(seen[:, ::-1].copy(), scale, _size(image), run)
                yield mirrored.flip(2)

    def _seen(self, view: Image, scale: float, size: Size, run: Run) -> Tensor:
        try:
            logits = torch.from_numpy(np.require(run(view), requirements=["W"]))
        except UserError as error:
            if scale == 1:
                raise
            raise UserError(f"at scale {scale:g} of --tta: {error}", error.code) from error
        probabilities = self.decision.probabilities(logits)  # K,h,w
        if _size(view) == size:
            return probabilities
        return interpolate(probabilities[None], size, mode="bilinear", align_corners=False)[0]


def _scaled(size: Size, scale: float) -> Size:
    """The nearest whole size, no side below 1; exact at scale 1."""
    return max(1, math.floor(size[0] * scale + 0.5)), max(1, math.floor(size[1] * scale + 0.5))


def _size(image: Image) -> Size:
    return image.shape[0], image.shape[1]
