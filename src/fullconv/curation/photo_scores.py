"""What a net says of one photo or mask, in one number; and the size at which photos are compared.

Settles (Active Learning Literature Survey, 2009) compares the usual measures of uncertainty; the
entropy of the probabilities is the one that uses all classes.
"""

import math

import numpy as np
import numpy.typing as npt
import torch

from fullconv.classes import ClassSet
from fullconv.data import Sample
from fullconv.data.augment.resize import resize_image, resize_mask
from fullconv.errors import UserError

LARGEST = 2_000_000  # pixels; K scores of each are held at a time
TEMPERATURE = 0.1  # of the softmin, as in the paper


def reduced(sample: Sample) -> tuple[Sample, float]:
    """A sample of at most ``LARGEST`` pixels, and how many pixels of the photo one of it is wide.

    The photo is averaged, the mask is not; what is not larger is returned as it is, with 1.
    """
    height, width = sample.image.shape[:2]
    scale = math.sqrt(height * width / LARGEST)
    if scale <= 1:
        return sample, 1.0
    size = max(1, round(height / scale)), max(1, round(width / scale))
    mask = None if sample.mask is None else resize_mask(sample.mask, size)
    return Sample(sample.name, resize_image(sample.image, size), mask), scale


def probabilities_of(
    scores: npt.NDArray[np.float32], classes: ClassSet
) -> list[npt.NDArray[np.float32]]:
    """The probabilities of each output, (K, H, W), from the scores of all classes (K, H, W)."""
    logits = torch.from_numpy(np.require(scores, requirements=["W"]))
    return [logits[output.channels].softmax(0).numpy() for output in classes.outputs]


def check_classes(classes: ClassSet) -> None:
    """UserError for classes that may overlap: a pixel has no one label that could be wrong."""
    if classes.is_overlapping:
        raise UserError(
            "suggest and inspect --run need a net with one class per pixel; the classes of this "
            "one may overlap",
            "FC-CURATE-003",
        )


def softmin(confidence: npt.NDArray[np.floating]) -> float:
    """The softmin of the self-confidence of a mask's pixels, 0 to 1; 1 where there are none.

    Lad and Mueller (2023, arXiv 2307.05080): the mean of the values s, each weighted by
    exp((1 - s) / 0.1), so that the least confident pixels decide.
    """
    if not confidence.size:
        return 1.0
    values = confidence.astype(np.float64).ravel()
    weights = np.exp((1 - values) / TEMPERATURE)
    return float((weights * values).sum() / weights.sum())


def entropy(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The entropy at each pixel of (K, H, W), as a share of the largest possible: 0 to 1, (H, W).

    0 where one class is certain, 1 where all are equally probable.
    """
    classes = len(probabilities)
    if classes < 2:
        return np.zeros(probabilities.shape[1:], np.float32)
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return np.clip(-(probabilities * logs).sum(0) / math.log(classes), 0, 1)
