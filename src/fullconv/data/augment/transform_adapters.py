"""Augmentation pipelines of other libraries as `Transform`: seeded anew for each sample.

The numbers drawn follow from the generator that the loader hands in, by (seed, sample), so a
resumed training sees what one without an interruption would.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fullconv.data.augment.transforms import Transform
from fullconv.data.sample import Sample


def from_torchvision(transform: Callable[..., Any]) -> Transform:
    """A pipeline of torchvision's ``transforms.v2`` that takes an image and a mask.

    It gets a ``tv_tensors.Image``, uint8 (3, H, W), and a ``tv_tensors.Mask`` (H, W), and gives
    both back, uint8 still and not normalised. Padding shows class 0 in the mask unless told
    otherwise: ``fill={tv_tensors.Image: 114, tv_tensors.Mask: 255, "others": 0}``.
    """
    return Torchvision(transform)


def from_albumentations(transform: Callable[..., Any]) -> Transform:
    """A pipeline in the manner of albumentations: ``transform(image=, mask=)`` gives a dict.

    Image uint8 (H, W, 3), mask (H, W); without Normalize and ToTensorV2. Padding shows class 0 in
    the mask unless told otherwise: ``fill_mask=255``.
    """
    return Albumentations(transform)


@dataclass(frozen=True)
class Torchvision:
    """See `from_torchvision`."""

    transform: Callable[..., Any]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """``sample`` changed by the pipeline."""
        import torch
        from torchvision import tv_tensors  # pyright: ignore[reportMissingImports]

        channels_first = np.ascontiguousarray(np.moveaxis(sample.image, 2, 0))
        image = tv_tensors.Image(torch.from_numpy(channels_first))
        mask = tv_tensors.Mask(torch.from_numpy(np.ascontiguousarray(sample.mask)))
        with seeded(rng):
            image, mask = self.transform(image, mask)
        return Sample(sample.name, np.moveaxis(image.numpy(), 0, 2), mask.numpy())


@dataclass(frozen=True)
class Albumentations:
    """See `from_albumentations`."""

    transform: Callable[..., Any]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """``sample`` changed by the pipeline."""
        with seeded(rng) as seed:
            own = getattr(self.transform, "set_random_seed", None)
            if own is not None:  # since 1.4.19 a pipeline has generators of its own
                own(seed)
            result = self.transform(image=sample.image, mask=sample.mask)
        return Sample(sample.name, result["image"], result["mask"])


@contextmanager
def seeded(rng: np.random.Generator) -> Iterator[int]:
    """Python's, numpy's and torch's shared generators seeded from ``rng``, and put back after."""
    import torch

    seed = int(rng.integers(2**32))
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        try:
            yield seed
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
