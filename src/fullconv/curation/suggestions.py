"""Which photos to label next: what the net is unsure of, rare classes, and what is new.

The photos are chosen one by one, each time the one whose informativeness times distance is largest.
The distance is that of the nearest photo that is labelled or chosen already, in the features of the
net: the greedy k-centre choice of Sener and Savarese (Active Learning for Convolutional Neural
Networks: A Core-Set Approach, ICLR 2018, arXiv 1708.00489), here weighted by informativeness. That
is the mean of two ranks among the photos: of the uncertainty (mean entropy; Settles, Active
Learning Literature Survey, 2009) and of the rarity of the classes that the net sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.curation.photo_views import PhotoView
from fullconv.data.checks.duplicates import Fingerprint, lookalikes
from fullconv.metrics import percent

HIGH = 0.5  # rank from which one of the three is a reason
ROUNDED = 1e-6  # least distance that counts: below, features differ by rounding alone

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Suggestion:
    """A photo to be labelled: its place among the candidates, and why it was chosen.

    Ranks are the share of the candidates that have less, 0 to 1. ``rarity`` is the mean over the
    predicted pixels of -log2 of the share that their class has among the labelled ones, in bits;
    ``distance`` is 1 - cosine to ``nearest``, a photo that was labelled or suggested before, at the
    time of the choice; 1 and None where there is none. ``gain`` is what the choice was made by;
    ``reasons`` have the rank in brackets.
    """

    place: int
    name: str
    gain: float
    uncertainty: float
    uncertainty_rank: float
    rarity: float
    rarity_rank: float
    distance: float
    distance_rank: float
    nearest: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Suggestions:
    """The photos to be labelled, the first chosen first, and how many of the candidates were
    ``duplicates``: of a labelled photo, or of one that was chosen before."""

    photos: tuple[Suggestion, ...]
    duplicates: int


def suggest(
    candidates: Sequence[PhotoView],
    labelled: Sequence[PhotoView],
    classes: ClassSet,
    number: int,
    pixels: npt.NDArray[np.int64] | None = None,
    held_out: Sequence[Fingerprint] = (),
) -> Suggestions:
    """Choose ``number`` of the ``candidates``, fewer where there are fewer without duplicates.

    ``pixels`` (K,) are the labelled ones of each class; without them classes are rare that the net
    seldom sees in the candidates. ``held_out`` are photos that the net is scored on: what looks
    like one of them is no candidate either.
    """
    known = [*(each.fingerprint for each in labelled), *held_out]
    copies = _copies([each.fingerprint for each in candidates], known)
    left = np.array([place not in copies for place in range(len(candidates))], bool)
    shares = np.array([each.shares for each in candidates], np.float64).reshape(
        len(candidates), len(classes)
    )
    frequency = _frequency(shares if pixels is None else pixels[None].astype(np.float64), classes)
    rarity = -(shares * np.log2(frequency)).sum(1) / len(classes.outputs)
    uncertainty = np.array([each.uncertainty for each in candidates], np.float64)
    ranks = _ranks(uncertainty), _ranks(rarity)
    informative = (ranks[0] + ranks[1]) / 2
    distance, nearest = _distances(candidates, labelled)
    chosen: list[Suggestion] = []
    duplicates = len(copies)
    while left.any() and len(chosen) < number:
        gain = np.where(left, informative * np.maximum(distance, ROUNDED), -1.0)
        place = int(gain.argmax())
        left[place] = False
        before = [candidates[each.place].fingerprint for each in chosen]
        if _copies([candidates[place].fingerprint], before):
            duplicates += 1
            continue
        of_distance = _ranks(distance)
        numbers = _Candidates(
            uncertainty, rarity, distance, (*ranks, of_distance), nearest, frequency
        )
        chosen.append(numbers.suggestion(place, candidates[place], classes, float(gain[place])))
        closer = _distance(candidates, candidates[place])
        nearest = [
            candidates[place].name if new < old else name
            for new, old, name in zip(closer, distance, nearest, strict=True)
        ]
        distance = np.minimum(distance, closer)
    return Suggestions(tuple(chosen), duplicates)


@dataclass(frozen=True, eq=False)
class _Candidates:
    """All candidates in numbers, at the time of one choice; ranks of the three in this order."""

    uncertainty: Values
    rarity: Values
    distance: Values
    ranks: tuple[Values, Values, Values]
    nearest: Sequence[str | None]
    frequency: Values

    def suggestion(self, place: int, view: PhotoView, classes: ClassSet, gain: float) -> Suggestion:
        """One candidate with its reasons; the strongest one where none is strong."""
        unsure, rare, new = (float(rank[place]) for rank in self.ranks)
        nearest = self.nearest[place]
        reasons = [
            (unsure, _unsure(view, unsure, classes)),
            (rare, _rare(view, rare, self.frequency, classes)),
            (new, _new(new, nearest)),
        ]
        strong = [text for rank, text in reasons if rank >= HIGH and text]
        strong = strong or [text for _, text in sorted(reasons, reverse=True) if text][:1]
        return Suggestion(
            place=place,
            name=view.name,
            gain=gain,
            uncertainty=float(self.uncertainty[place]),
            uncertainty_rank=unsure,
            rarity=float(self.rarity[place]),
            rarity_rank=rare,
            distance=float(self.distance[place]),
            distance_rank=new,
            nearest=nearest,
            reasons=tuple(strong),
        )


def _unsure(view: PhotoView, rank: float, classes: ClassSet) -> str:
    between = ""
    if view.confused is not None:
        first, second = (classes.outputs[0].classes.names[value] for value in view.confused)
        between = f": most between {first} and {second}"
    return f"uncertain ({rank:.0%}){between}"


def _rare(view: PhotoView, rank: float, frequency: Values, classes: ClassSet) -> str:
    """The class that the photo has most in excess of the labelled ones; none, no text."""
    excess = view.shares * np.log2(np.maximum(view.shares, 1e-9) / frequency)
    value = int(excess.argmax())
    if excess[value] <= 0:
        return ""
    name, share = classes.names[value], float(view.shares[value])
    labelled = float(frequency[value])
    return f"rare ({rank:.0%}): {percent(share)} % {name}, of the labels {percent(labelled)} %"


def _new(rank: float, nearest: str | None) -> str:
    if nearest is None:
        return ""
    return f"new ({rank:.0%}): nearest is {nearest}"


def _frequency(counts: Values, classes: ClassSet) -> Values:
    """The share of each class over those of its output, never 0: half a thousandth is added."""
    sums, frequency = counts.sum(0), np.empty(len(classes))
    for output in classes.outputs:
        part = sums[output.channels]
        shares = part / max(part.sum(), 1e-12) + 0.0005
        frequency[output.channels] = shares / shares.sum()
    return frequency


def _ranks(values: Values) -> Values:
    """The share of the others that are below each value, half of those that are equal."""
    if len(values) < 2:
        return np.ones(len(values))
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    through = np.searchsorted(ordered, values, "right")
    return (below + through - 1) / 2 / (len(values) - 1)


def _distances(
    candidates: Sequence[PhotoView], labelled: Sequence[PhotoView]
) -> tuple[Values, Sequence[str | None]]:
    """1 - cosine of each candidate to the nearest labelled photo, and the photo's name."""
    if not labelled:
        return np.ones(len(candidates)), [None] * len(candidates)
    known = np.array([each.features for each in labelled], np.float64)
    nearest, distance = [], np.empty(len(candidates))
    for place, each in enumerate(candidates):
        cosines = known @ each.features.astype(np.float64)
        nearest.append(labelled[int(cosines.argmax())].name)
        distance[place] = max(1 - float(cosines.max()), 0.0)
    return distance, nearest


def _distance(candidates: Sequence[PhotoView], one: PhotoView) -> Values:
    """1 - cosine of each candidate to one of them."""
    features = np.array([each.features for each in candidates], np.float64)
    return np.maximum(1 - features @ one.features.astype(np.float64), 0.0)


def _copies(photos: Sequence[Fingerprint], known: Sequence[Fingerprint]) -> set[int]:
    """The places of the photos that look like one that is known, or are the same."""
    pixels = {each.small.tobytes() for each in known}
    same = {place for place, each in enumerate(photos) if each.small.tobytes() in pixels}
    return same | {pair.first for pair in lookalikes(photos, known)}
