"""A mask of another size than its photo, where that leaves one correction."""

from collections.abc import Iterator

from fullconv.data.augment.resize import resize_mask
from fullconv.data.reading.orientation import turned
from fullconv.data.sample import Mask

UPRIGHT = 1
_SWAPS_AXES = (5, 6, 7, 8)


def fitted(
    mask: Mask, size: tuple[int, int], orientation: int
) -> tuple[Mask, tuple[str, ...]] | None:
    """``mask`` (H, W) at the ``size`` of its photo, and what was done; None where nothing is sure.

    A mask of the size that the photo has as stored is turned by its EXIF ``orientation``, and one
    whose sides are an exact multiple or part of the photo's is resized: pixels are repeated, or of
    each square the most frequent value is taken. One of the right size is returned as it is.
    """
    if mask.shape == size:
        return mask, ()
    candidates = list(_candidates(mask, size, orientation))
    return candidates[0] if len(candidates) == 1 else None


def _candidates(
    mask: Mask, size: tuple[int, int], orientation: int
) -> Iterator[tuple[Mask, tuple[str, ...]]]:
    if factor := factor_of(mask.shape, size):
        yield resize_mask(mask, size, "majority"), (_resized(factor),)
    if orientation in _SWAPS_AXES and mask.shape[0] != mask.shape[1]:
        upright = turned(mask, orientation)
        says = f"turned as the photo's EXIF orientation ({orientation}) says"
        if upright.shape == size:
            yield upright, (says,)
        elif factor := factor_of(upright.shape, size):
            yield resize_mask(upright, size, "majority"), (says, _resized(factor))


def factor_of(shape: tuple[int, ...], size: tuple[int, int]) -> str | None:
    """'2' where a photo of ``size`` is twice as large as ``shape``, '1/2' where half; else None."""
    (height, width), (photo_height, photo_width) = shape[:2], size
    if not min(height, width, *size):
        return None
    grown, shrunk = photo_height // height, height // photo_height
    if grown > 1 and (photo_height, photo_width) == (grown * height, grown * width):
        return str(grown)
    if shrunk > 1 and (height, width) == (shrunk * photo_height, shrunk * photo_width):
        return f"1/{shrunk}"
    return None


def _resized(factor: str) -> str:
    return f"resized by {factor} to the size of the photo"
