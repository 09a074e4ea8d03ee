"""How well labelled photos cover the unlabelled ones, and which photo covers most of the rest.

Facility location: an unlabelled photo is covered the better, the nearer it is to a photo that is
labelled or chosen. Wei, Iyer and Bilmes (Submodularity in Data Subset Selection and Active
Learning, ICML 2015) choose training data by it, and Yang et al. (Suggestive Annotation, MICCAI
2017, arXiv 1706.04737) the images to be annotated for a fully convolutional network, among those
it is least certain of; here the photos to be covered are weighted instead. Greedy choice is within
1 - 1/e of the best one (Nemhauser, Wolsey, Fisher, 1978); as gains only shrink from choice to
choice, few of them are computed again each time (Minoux, Accelerated greedy algorithms, 1978).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BLOCK = 4_000_000  # distances held at a time
TOGETHER = 32  # outdated gains that are computed again in one step
ROUNDING = 1e-10  # difference of distances that is none; 1 - cosine is squared in what differs
TIE = 1e-12  # of a photo's weight that is added to its gain: it decides where gains are equal

Values = npt.NDArray[np.float64]


class Coverage:
    """Unlabelled photos, and the ``distance`` (n,) of each to the nearest of the covering ones.

    ``features`` are (n, C) and ``weights`` (n,), 0 or more; ``covering`` (m, C) are the features
    of the labelled photos, by ``names``. A distance is 1 - cosine; without covering photos it is
    1. ``nearest`` are the names of the nearest ones, None without.
    """

    def __init__(
        self, features: Values, weights: Values, covering: Values, names: Sequence[str]
    ) -> None:
        self._features = _of_length_1(features)
        self._weights = weights
        self.distance = np.ones(len(features))
        self.nearest: list[str | None] = [None] * len(features)
        if len(covering):
            self._measure(_of_length_1(covering), names)
        self._gains = self._gains_of(np.arange(len(features)))
        self._is_current = np.ones(len(features), bool)

    def best(self, left: npt.NDArray[np.bool_]) -> tuple[int, float]:
        """The place of the photo among those ``left`` (n,) that covers most, and its gain.

        The gain of a photo is the sum, over all photos, of weight times the distance by which the
        photo would be nearer to them than the covering ones are. Of equal ones the photo of the
        largest weight comes first, then the first. At least one photo must be left.
        """
        while True:
            gains = np.where(left, self._gains, -1.0)
            place = int(gains.argmax())
            if self._is_current[place]:
                return place, float(gains[place])
            outdated = np.flatnonzero(left & ~self._is_current)
            first = outdated[np.argsort(-gains[outdated], kind="stable")[:TOGETHER]]
            self._gains[first] = self._gains_of(first)
            self._is_current[first] = True

    def represented(self, place: int) -> int:
        """To how many other photos this one is nearer than any of the covering ones."""
        is_nearer = self._distances(np.array([place]))[0] < self.distance - ROUNDING
        is_nearer[place] = False
        return int(is_nearer.sum())

    def add(self, place: int, name: str) -> None:
        """Let the photo at ``place`` cover the others from now on."""
        distance = self._distances(np.array([place]))[0]
        for closer in np.flatnonzero(distance < self.distance):
            self.nearest[closer] = name
        self.distance = np.minimum(self.distance, distance)
        self._is_current[:] = False

    def _measure(self, covering: Values, names: Sequence[str]) -> None:
        for start in range(0, len(self._features), size := max(1, BLOCK // len(covering))):
            cosines = self._features[start : start + size] @ covering.T
            self.distance[start : start + size] = np.maximum(1 - cosines.max(1), 0)
            for place, closest in enumerate(cosines.argmax(1), start):
                self.nearest[place] = names[int(closest)]

    def _gains_of(self, places: npt.NDArray[np.intp]) -> Values:
        gains = np.empty(len(places))
        for start in range(0, len(places), size := max(1, BLOCK // max(len(self._features), 1))):
            block = places[start : start + size]
            nearer = np.maximum(self.distance - self._distances(block), 0)  # b,n
            gains[start : start + size] = nearer @ self._weights + TIE * self._weights[block]
        return gains

    def _distances(self, places: npt.NDArray[np.intp]) -> Values:
        """1 - cosine of the photos at ``places`` (b,) to all, (b, n); 0 to themselves."""
        distances = np.maximum(1 - self._features[places] @ self._features.T, 0)
        distances[np.arange(len(places)), places] = 0  # also where the features are all 0
        return distances


def _of_length_1(features: Values) -> Values:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)
