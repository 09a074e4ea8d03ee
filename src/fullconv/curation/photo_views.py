"""What a net says of a photo, in the numbers by which photos are compared and chosen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.curation.photo_scores import entropy, probabilities_of, reduced
from fullconv.data import Sample
from fullconv.data.checks.duplicates import Fingerprint, fingerprint
from fullconv.inference.engines.engine import Image
from fullconv.inference.engines.torch_engine import TorchEngine
from fullconv.visualize import as_photo


@dataclass(frozen=True, eq=False)
class PhotoView:
    """A photo by ``name``, as a net sees it.

    ``features`` (C,) are of length 1: the mean of the backbone's coarsest features. ``shares`` (K,)
    are the mean probabilities of the classes, which add up to 1 over those of an output.
    ``uncertainty`` is the mean entropy over the pixels, as a share of the largest possible.
    ``confused`` are the two classes between which the net wavers most, None where it does not.
    """

    name: str
    features: npt.NDArray[np.float32]
    fingerprint: Fingerprint
    shares: npt.NDArray[np.float32]
    uncertainty: float
    confused: tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class PhotoMaps:
    """The maps of one photo, for its pictures and pre-labels: all (h, w), the photo (h, w, 3).

    ``prediction`` are class values of the first output, ``probability`` that of the predicted
    class, ``entropy`` the uncertainty of each pixel, 0 to 1.
    """

    photo: npt.NDArray[np.uint8]
    prediction: npt.NDArray[np.uint8 | np.uint16]
    probability: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]


def photo_view(engine: TorchEngine, classes: ClassSet, name: str, image: Image) -> PhotoView:
    """What a net says of a photo (H, W, channels); one of over two megapixels is made smaller."""
    small, _ = reduced(Sample(name, image, None))
    scores, features = engine.scores_and_features(small.image)
    shares, entropies, confused = [], [], None
    for probabilities in probabilities_of(scores, classes):
        shares.append(probabilities.mean((1, 2)))
        uncertain = entropy(probabilities)
        entropies.append(float(uncertain.mean()))
        confused = confused or _confused(probabilities, uncertain)
    length = float(np.linalg.norm(features))
    return PhotoView(
        name,
        features / length if length > 0 else features,
        fingerprint(as_photo(small.image)),
        np.concatenate(shares),
        float(np.mean(entropies)),
        confused,
    )


def photo_maps(engine: TorchEngine, classes: ClassSet, image: Image) -> PhotoMaps:
    """The maps of a photo (H, W, channels) at its own size, those of the net's first output."""
    scores, _ = engine.scores_and_features(image)
    probabilities = probabilities_of(scores, classes)[0]
    dtype = np.uint8 if len(probabilities) <= 256 else np.uint16
    prediction = probabilities.argmax(0).astype(dtype)
    return PhotoMaps(as_photo(image), prediction, probabilities.max(0), entropy(probabilities))


def _confused(
    probabilities: npt.NDArray[np.float32], uncertain: npt.NDArray[np.float32]
) -> tuple[int, int] | None:
    """The pair of first and second class that has most of the entropy."""
    classes = len(probabilities)
    if classes < 2 or not uncertain.any():
        return None
    first = probabilities.argmax(0)
    rest = probabilities.copy()
    np.put_along_axis(rest, first[None], -1.0, 0)
    second = rest.argmax(0)
    low, high = np.minimum(first, second), np.maximum(first, second)
    sums = np.bincount((low * classes + high).ravel(), uncertain.ravel(), classes * classes)
    pair = int(sums.argmax())
    return pair // classes, pair % classes
