"""Two samples in one: regions of rare classes, or a rectangle, of another photo.

Image and mask are replaced together and nothing is blended, so every pixel keeps its label. The
copying of whole class regions is that of ClassMix (Olsson et al., arXiv 2007.07936), the rectangle
that of CutMix (Yun et al., arXiv 1905.04899; French et al., arXiv 1906.01916 for segmentation).
"""

import numpy as np
import numpy.typing as npt

from fullconv.data.augment.rare_classes import classes_shown
from fullconv.data.sample import Sample
from fullconv.data.splits.overlapping import only_present

Region = npt.NDArray[np.bool_] | tuple[slice, slice]
"""Pixels (H, W), or rows and columns."""
_SHARE, _ASPECT = (0.1, 0.5), (0.5, 2.0)


def paste(
    sample: Sample,
    other: Sample,
    rng: np.random.Generator,
    ignore: int = 255,
    overlapping: bool = False,
) -> Sample:
    """``sample`` with all pixels of one or more rare classes of ``other``, of the same size.

    From the rarer half of the classes that ``other`` shows, a random number is drawn, each with
    the probability of `rare.classes_shown`. Unchanged where ``other`` shows no class.
    With ``overlapping`` the masks are those of overlapping classes.
    """
    assert other.mask is not None
    labels = only_present(other.mask, ignore) if overlapping else other.mask
    classes, probabilities = classes_shown(labels, ignore)
    if not len(classes):
        return sample
    half = np.argsort(-probabilities, kind="stable")[: (len(classes) + 1) // 2]
    weights = probabilities[half] / probabilities[half].sum()
    count = int(rng.integers(1, len(half) + 1))
    member = np.isin(labels, rng.choice(classes[half], count, replace=False, p=weights))
    outputs = member.reshape(*member.shape[:2], -1)
    return _replaced(sample, other, np.asarray(outputs.any(2)))


def cutmix(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """``sample`` with a rectangle of ``other``, of the same size, in the same place.

    Its share of the area is drawn evenly from 0.1 to 0.5; width to height is from half to twice
    that of the sample, evenly in the logarithm. What ``other`` ignores is ignored.
    """
    share, aspect = rng.uniform(*_SHARE), np.exp(rng.uniform(*np.log(_ASPECT)))
    whole = np.array(sample.image.shape[:2])
    sides = np.rint(whole * np.sqrt([share / aspect, share * aspect])).astype(int)
    top, left = rng.integers(whole - sides + 1)
    rows, columns = slice(top, top + sides[0]), slice(left, left + sides[1])
    return _replaced(sample, other, (rows, columns))


def _replaced(sample: Sample, other: Sample, region: Region) -> Sample:
    """``other`` in the ``region``, else ``sample``; new arrays, for a Source may keep the old."""
    assert sample.mask is not None and other.mask is not None
    image, mask = sample.image.copy(), sample.mask.copy()
    image[region], mask[region] = other.image[region], other.mask[region]
    return Sample(sample.name, image, mask)
