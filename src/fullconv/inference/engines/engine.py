"""The protocol of engines: a photo in, classes or scores out, both of the photo's size."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes
from fullconv.inference.confidence import Confidence, Softmaxes, of_scores

Image = npt.NDArray[Any]
"""uint8 RGB, (H, W, 3); of a net with further inputs (H, W, channels), as in a Sample."""


class Engine(Protocol):
    """Whatever runs a net. One that is written for `engines.registry` can derive from this."""

    @property
    def channels(self) -> int:
        """How many classes are scored."""
        ...

    @property
    def in_blocks(self) -> bool:
        """Whether ``class_map`` holds scores of the photo's size only for some rows at a time."""
        ...

    def class_map(self, image: Image) -> Classes:
        """The best class of each pixel; uint8, uint16 with more than 256 classes."""
        ...

    def class_maps(self, images: Image) -> list[Classes]:
        """As ``class_map``, of each of several photos of one size (N, H, W, channels)."""
        return [self.class_map(image) for image in images]

    def confident_maps(
        self, images: Image, softmaxes: Softmaxes
    ) -> list[tuple[Classes, Confidence]]:
        """As ``class_maps``, each with the probability of every pixel's class."""
        return [of_scores(self.scores(image), softmaxes) for image in images]

    def decide(self, classes: ClassSet) -> None:
        """Decide by the thresholds of ``classes`` from now on, which may overlap."""
        raise UserError(
            f"{type(self).__name__}: takes no other thresholds: use another engine",
            "FC-PREDICT-019",
        )

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores before any softmax, float32 (K, H, W)."""
        ...


def check_image(image: Image, channels: int = 3) -> None:
    """Raise UserError unless ``image`` is (H, W, channels) with at least one pixel.

    Of uint8 where there are three; float32 is allowed where there are others.
    """
    types = (np.uint8,) if channels == 3 else (np.uint8, np.float32)
    right = image.dtype in types and image.ndim == 3 and image.shape[2] == channels and image.size
    if right:
        return
    what = "array (H, W, 3) in RGB" if channels == 3 else f"or float32 array (H, W, {channels})"
    raise UserError(
        f"an image is a uint8 {what}, not {image.dtype} {image.shape}", "FC-PREDICT-005"
    )
