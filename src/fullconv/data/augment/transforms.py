"""Augmentation: the same scale, crop, flip and rotation for a photo and its mask.

A window of the scaled photo is asked for, so only the part of the source under that window is
resized, in one pass. Brightness, contrast, saturation and hue are one 3 x 4 colour matrix.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fullconv.data.augment.color import color_matrix, disturb, recolor
from fullconv.data.augment.rare_classes import corner_showing, draw_pixel
from fullconv.data.augment.resize import resize_image, resize_mask
from fullconv.data.augment.rotate import flip, rotate, window_around
from fullconv.data.sample import Image, Mask, Sample
from fullconv.data.splits.overlapping import only_present
from fullconv.errors import UserError

Fill = tuple[float, ...]
"""The colour of padding: a value for each channel."""
Transform = Callable[[Sample, np.random.Generator], Sample]
"""An augmentation of the user's own, in place of `Augmentation`: the same result for the same state
of the generator; image and mask keep their dtypes and stay of one size."""
MEAN_COLOR: Fill = (124, 116, 104)
"""ImageNet's mean colour, RGB: what padding shows where the preprocessing says nothing else."""
SCALES = (0.01, 100.0)
"""Beyond them a photo is a pixel, or larger than any memory."""
_SHARES = (
    "brightness", "contrast", "saturation", "grayscale", "noise", "rare_crops", "paste", "cutmix",
)  # fmt: skip


@dataclass(frozen=True)
class Augmentation:
    """The options of the random augmentation of a sample; the defaults change nothing.

    ``crop`` is (height, width) of the result, smaller photos are padded; ``scale`` the range of the
    scale (drawn evenly in its logarithm); ``hflip`` left and right half of the time; ``rotate``
    at most so many degrees; ``brightness``, ``contrast``, ``saturation`` the greatest relative
    change (0.3: from 0.7 to 1.3), ``hue`` the greatest shift in degrees. ``mask_resize`` is
    'nearest' or 'majority'.

    ``vflip`` swaps up and down half of the time, ``rotate90`` rotates by 0, 90, 180 or 270
    degrees. ``grayscale`` is the probability that colours become grey; half of the time each, the
    colours are blurred by a Gaussian of at most ``blur`` pixels, and get Gaussian noise with a
    standard deviation of at most ``noise`` x 255. ``rare_crops`` is the probability that the crop
    is placed to show a pixel of a rare class (`data.augment.rare_classes`). ``paste`` and
    ``cutmix`` are the probabilities that the loader mixes in another photo (`data.augment.mix`).
    Raises UserError for values that cannot be meant.
    """

    crop: tuple[int, int] | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    hflip: bool = False
    rotate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    mask_resize: Literal["nearest", "majority"] = "nearest"
    vflip: bool = False
    rotate90: bool = False
    grayscale: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    rare_crops: float = 0.0
    paste: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if self.crop is not None and (len(self.crop) != 2 or min(self.crop) < 1):
            raise UserError(
                f"crop {self.crop} must be two sizes of at least 1, height and width", "FC-DATA-128"
            )
        low, high = self.scale
        if not SCALES[0] <= low <= high <= SCALES[1]:
            raise UserError(
                f"scale {self.scale} must be two numbers from {SCALES[0]:g} to {SCALES[1]:g}, "
                "the smaller first",
                "FC-DATA-128",
            )
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(
                    f"{name} {getattr(self, name)} must lie between 0 and 1", "FC-DATA-128"
                )
        for name in ("rotate", "hue"):
            if not 0 <= getattr(self, name) <= 180:
                raise UserError(
                    f"{name} {getattr(self, name)} must lie between 0 and 180 degrees",
                    "FC-DATA-128",
                )
        if self.mask_resize not in ("nearest", "majority"):
            raise UserError(
                f"mask_resize {self.mask_resize!r} must be 'nearest' or 'majority'", "FC-DATA-128"
            )
        if not 0 <= self.blur <= 100:
            raise UserError(f"blur {self.blur} must lie between 0 and 100 pixels", "FC-DATA-128")
        for name in ("rare_crops", "paste", "cutmix"):
            if getattr(self, name) and self.crop is None:
                raise UserError(
                    f"{name} {getattr(self, name)} needs a crop: set crop as well", "FC-DATA-128"
                )

    def unscaled(self) -> "Augmentation":
        """The same with photos at their own size, or as near to it as ``scale`` allows."""
        low, high = self.scale
        nearest = min(max(low, 1.0), high)
        return replace(self, scale=(nearest, nearest))

    def halved(self) -> "Augmentation":
        """The same on photos of half the size: a crop half as high and wide shows as much."""
        crop = self.crop and (-(-self.crop[0] // 2), -(-self.crop[1] // 2))
        scale = self.scale[0] / 2, self.scale[1] / 2
        return replace(self, crop=crop, scale=scale, blur=self.blur / 2)


def augment(
    sample: Sample,
    augmentation: Augmentation,
    rng: np.random.Generator,
    fill: Fill = MEAN_COLOR,
    ignore: int = 255,
    colored: bool = True,
    overlapping: bool = False,
) -> Sample:
    """A random version of ``sample``, the same for the same state of ``rng``.

    Image (H, W, C) and mask (H, W), or (H, W, outputs), stay aligned; padding is ``fill`` in the
    image and ``ignore`` in the mask. Colours change only where the image is ``colored``: then they
    are its first three channels. With ``overlapping`` the mask is that of overlapping classes, and
    those that are there count as shown. The result has ``augmentation.crop``'s size, or else the
    scaled size.
    """
    # Generators of their own, so that an option never changes the random numbers of another.
    rare_rng, flip_rng, noise_rng = rng.spawn(3)
    height, width = sample.image.shape[:2]
    scale = float(np.exp(rng.uniform(*np.log(augmentation.scale))))
    scaled = max(1, round(height * scale)), max(1, round(width * scale))
    flip_vertically = bool(flip_rng.integers(2)) and augmentation.vflip
    quarters = int(flip_rng.integers(4)) * augmentation.rotate90
    crop = _before_rotation(augmentation.crop, quarters) or scaled
    angle = rng.uniform(-1, 1) * augmentation.rotate
    window = window_around(crop, angle)
    corner = _place(scaled[0], window[0], rng), _place(scaled[1], window[1], rng)
    matrix = color_matrix(augmentation, rng)
    flip_horizontally = bool(rng.random() < 0.5) and augmentation.hflip
    if sample.mask is not None and rare_rng.random() < augmentation.rare_crops:
        # Drawn from the mask as it will be shown: a thin thing may be gone at a small scale.
        labels = resize_mask(sample.mask, scaled, augmentation.mask_resize)
        labels = only_present(labels, ignore) if overlapping else labels
        pixel = draw_pixel(labels, ignore, rare_rng)
        if pixel is not None:
            corner = corner_showing(pixel, scaled, window, crop, angle, rare_rng)

    image, mask = _cut(sample, scaled, corner, window, augmentation.mask_resize)
    if matrix is not None and colored:
        image = recolor(image, matrix)
    if colored:
        image = disturb(image, augmentation, noise_rng)
    image, mask = _pad(image, mask, scaled, corner, window, fill, ignore)
    if angle:
        image, mask = rotate(image, mask, angle, crop, fill, ignore)
    return Sample(sample.name, *flip(image, mask, flip_horizontally, flip_vertically, quarters))


def _before_rotation(crop: tuple[int, int] | None, quarters: int) -> tuple[int, int] | None:
    return (crop[1], crop[0]) if crop and quarters % 2 else crop


def _place(size: int, window: int, rng: np.random.Generator) -> int:
    """First coordinate of the window in the scaled photo; negative where it sticks out."""
    slack = size - window
    return int(rng.integers(min(slack, 0), max(slack, 0) + 1))


def _cut(
    sample: Sample,
    scaled: tuple[int, int],
    corner: tuple[int, int],
    window: tuple[int, int],
    how: Literal["nearest", "majority"],
) -> tuple[Image, Mask | None]:
    """The part of the window that lies in the photo, at the scaled size."""
    top, left = max(corner[0], 0), max(corner[1], 0)
    bottom = min(corner[0] + window[0], scaled[0])
    right = min(corner[1] + window[1], scaled[1])
    part = (top, left, bottom, right)
    mask = sample.mask
    return (
        resize_image(sample.image, scaled, part),
        None if mask is None else resize_mask(mask, scaled, how, part),
    )


def _pad(
    image: Image,
    mask: Mask | None,
    scaled: tuple[int, int],
    corner: tuple[int, int],
    window: tuple[int, int],
    fill: Fill,
    ignore: int,
) -> tuple[Image, Mask | None]:
    height, width = image.shape[:2]
    if (height, width) == window:
        return image, mask
    rows = slice(max(-corner[0], 0), max(-corner[0], 0) + height)
    columns = slice(max(-corner[1], 0), max(-corner[1], 0) + width)
    canvas = np.empty((*window, image.shape[2]), image.dtype)
    canvas[:] = np.rint(fill) if image.dtype == np.uint8 else fill
    canvas[rows, columns] = image
    if mask is None:
        return canvas, None
    labels = np.full((*window, *mask.shape[2:]), ignore, mask.dtype)
    labels[rows, columns] = mask
    return canvas, labels
