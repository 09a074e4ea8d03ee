"""What travels through the data layer: one photo with its mask, and a batch of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from fullconv.classes import ClassSet

Image = npt.NDArray[np.uint8]
"""uint8 RGB, (H, W, 3)."""
Mask = npt.NDArray[Any]
"""Class index of each pixel, (H, W); uint8, or uint16 with more than 255 classes."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A photo (uint8 RGB, H x W x 3) and its mask (H x W class values), None if there is none."""

    name: str
    image: Image
    mask: Mask | None


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step sees.

    ``images`` is uint8 (N, H, W, 3) RGB; ``masks`` (N, H, W) is uint8, or int64 with more than 255
    classes; ``names`` are the N photos, for messages.
    """

    step: int
    images: torch.Tensor
    masks: torch.Tensor
    names: list[str]


@runtime_checkable
class Source(Protocol):
    """A split of a data set; anything with these members can be trained on."""

    @property
    def classes(self) -> ClassSet:
        """What the mask values mean."""
        ...

    @property
    def split(self) -> str:
        """Name of the split, as 'train'."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """One name a photo."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def mask(self, index: int) -> Mask | None:
        """The mask alone, where the photo is not needed."""
        ...

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Paths of photo and mask; None for what is missing or made up."""
        ...
