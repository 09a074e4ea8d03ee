"""Which photos to label next: those that stand for many others, most of all for uncertain ones.

The photos are chosen one by one, each time the one that covers most of what is not covered yet
(`coverage`): by how much nearer the unlabelled photos come to a photo that is labelled or chosen,
in the features of the net, each weighted by how informative it is. That is the mean of two ranks
among the photos: of the uncertainty (mean entropy; Settles, Active Learning Literature Survey,
2009) and of the rare classes that the net sees (`rarity`). A choice by distance alone, the k-centre
of Sener and Savarese (ICLR 2018, arXiv 1708.00489), prefers outliers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.curation.coverage import Coverage
from fullconv.curation.photo_views import PhotoView
from fullconv.curation.rarity import Rarity
from fullconv.curation.reasons import Reason, Standing, reasons
from fullconv.data.checks.duplicates import Fingerprint, lookalikes

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Suggestion:
    """A photo to be labelled: its place among the candidates, and why it was chosen.

    ``gain`` is what the choice was made by, and ``represents`` the number of other candidates to
    which it is nearer than any photo that was labelled or suggested before. Ranks are the share of
    the others that have less, 0 to 1. ``rarity`` is the sum over the rare classes of their share of
    the photo times log2 of an equal share over theirs of the labels, in bits; ``distance`` is
    1 - cosine to ``nearest``, a photo that was labelled or suggested before; 1 and None where there
    is none.
    """

    place: int
    name: str
    gain: float
    represents: int
    uncertainty: float
    uncertainty_rank: float
    rarity: float
    rarity_rank: float
    distance: float
    distance_rank: float
    nearest: str | None
    reasons: tuple[Reason, ...]


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
    like one of them is no candidate either. The order of the photos does not matter.
    """
    places = sorted(range(len(candidates)), key=lambda place: _order(candidates[place]))
    labelled = sorted(labelled, key=_order)
    known = [*(view.fingerprint for view in labelled), *held_out]
    copies = _copies([candidates[place].fingerprint for place in places], known)
    places = [place for rank, place in enumerate(places) if rank not in copies]
    if not places:
        return Suggestions((), len(copies))
    pool = _Pool([candidates[place] for place in places], labelled, classes, pixels)
    left = np.ones(len(places), bool)
    chosen: list[Suggestion] = []
    before: list[Fingerprint] = []
    while left.any() and len(chosen) < number:
        rank, gain = pool.coverage.best(left)
        left[rank] = False
        look = pool.views[rank].fingerprint
        if not _copies([look], before):
            before.append(look)
            chosen.append(pool.suggestion(rank, places[rank], gain))
            pool.coverage.add(rank, pool.views[rank].name)
    duplicates = len(places) - int(left.sum()) - len(chosen)
    return Suggestions(tuple(chosen), len(copies) + duplicates)


class _Pool:
    """The unlabelled ``views`` in numbers, and how far they are covered."""

    def __init__(
        self,
        views: Sequence[PhotoView],
        labelled: Sequence[PhotoView],
        classes: ClassSet,
        pixels: npt.NDArray[np.int64] | None,
    ) -> None:
        self.views, self._classes = views, classes
        self._rarity = Rarity.of(pixels, views, classes)
        self._rare_bits = np.array([self._rarity.of_photo(view.shares) for view in views])
        uncertainty = np.array([view.uncertainty for view in views])
        self._ranks = ranks(uncertainty), ranks(self._rare_bits)
        weights = (self._ranks[0] + self._ranks[1]) / 2
        names = [view.name for view in labelled]
        self.coverage = Coverage(_features(views), weights, _features(labelled), names)

    def suggestion(self, rank: int, place: int, gain: float) -> Suggestion:
        """The photo at ``rank`` of the views, at ``place`` of the candidates, with its reasons."""
        view, coverage = self.views[rank], self.coverage
        standing = Standing(
            others=len(self.views) - 1,
            represents=coverage.represented(rank),
            uncertainty_rank=float(self._ranks[0][rank]),
            rarity_rank=float(self._ranks[1][rank]),
            distance_rank=float(ranks(coverage.distance)[rank]),
            nearest=coverage.nearest[rank],
        )
        return Suggestion(
            place=place,
            name=view.name,
            gain=gain,
            represents=standing.represents,
            uncertainty=view.uncertainty,
            uncertainty_rank=standing.uncertainty_rank,
            rarity=float(self._rare_bits[rank]),
            rarity_rank=standing.rarity_rank,
            distance=float(coverage.distance[rank]),
            distance_rank=standing.distance_rank,
            nearest=standing.nearest,
            reasons=reasons(view, standing, self._rarity, self._classes),
        )


def _order(view: PhotoView) -> tuple[str, bytes]:
    return view.name, view.fingerprint.small.tobytes()


def _features(views: Sequence[PhotoView]) -> Values:
    return np.array([view.features for view in views], np.float64)


def ranks(values: Values) -> Values:
    """The share of the others that are below each value, half of those that are equal."""
    if len(values) < 2:
        return np.ones(len(values))
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    through = np.searchsorted(ordered, values, "right")
    return (below + through - 1) / 2 / (len(values) - 1)


def _copies(photos: Sequence[Fingerprint], known: Sequence[Fingerprint]) -> set[int]:
    """The places of the photos that look like one that is known, or are the same."""
    pixels = {each.small.tobytes() for each in known}
    same = {place for place, each in enumerate(photos) if each.small.tobytes() in pixels}
    return same | {pair.first for pair in lookalikes(photos, known)}
