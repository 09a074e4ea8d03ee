"""The types of the data layer: one photo with its mask, and a batch of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy.typing as npt

from fullconv.classes import ClassSet

if TYPE_CHECKING:
    import torch

Image = npt.NDArray[Any]
"""uint8 RGB, (H, W, 3). With further inputs (depth, ...) they follow along the last axis, and all
are float32 where one of them is."""
Mask = npt.NDArray[Any]
"""Class index of each pixel, (H, W); uint8, or uint16 with more than 255 classes. With several
outputs (H, W, outputs), the values counted as in `ClassSet.joint`. Of K classes that may overlap
(H, W, K), of one (H, W), uint8: 1 where the class is, 0 where it is not, 255 where that is not
known."""


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """A photo with its further inputs, and its mask or masks, None if there are none."""

    name: str
    image: Image
    mask: Mask | None

    def __repr__(self) -> str:
        mask = "no mask" if self.mask is None else f"mask {self.mask.dtype} {self.mask.shape}"
        return f"Sample({self.name!r}, image {self.image.dtype} {self.image.shape}, {mask})"


@dataclass(frozen=True, eq=False)
class Batch:
    """The data of one training step.

    ``images`` is uint8 (N, H, W, 3) RGB; ``masks`` (N, H, W) is uint8, or int64 with more than 255
    classes; ``names`` are the N photos, for messages. Further inputs and outputs lie on the last
    axis, as in a Sample.
    """

    step: int
    images: "torch.Tensor"
    masks: "torch.Tensor"
    names: list[str]


@runtime_checkable
class Source(Protocol):
    """A split of a data set; anything with these members can be trained on."""

    @property
    def classes(self) -> ClassSet:
        """The classes of the mask values."""
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
