"""Likely label errors by a trained net: confident disagreement of prediction and label, ranked.

Confident learning (Northcutt, Jiang, Chuang: Confident Learning, JAIR 2021, arXiv 1911.00068) asks
whether a net is at least as sure of another class as it usually is of that class where the labels
agree. It is asked here of connected regions instead of pixels, as Lad and Mueller (Estimating label
quality and errors in semantic segmentation data via any model, 2023, arXiv 2307.05080) find that
nets are unsure along every border. Their score of a whole mask, the softmin of the pixels'
self-confidence, is given beside it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.curation.photo_scores import check_classes, probabilities_of, reduced, softmin
from fullconv.curation.regions import boxes_of, connected_regions, inner
from fullconv.data import Sample, Source
from fullconv.errors import UserError, by_address
from fullconv.inference.engines.engine import Engine
from fullconv.inference.photos.read_ahead import read_ahead
from fullconv.metrics import Matrix
from fullconv.visualize import planes_of

REACH = 3  # pixels around one that must be of its region: borders are uncertain in every net
PICTURE = 600  # pixels of a diagonal for which REACH is meant; it grows with the photo
MOST = 20  # regions of a mask that are kept
RARE = 1e-6  # least share of a class that is taken for another: its logarithm stays finite
ROUNDING = 1e-6  # of probabilities that are equal
UNLIKELY = 1e-4  # least probability of a label, likewise

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels of the photo; the last two are behind the region."""
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class ErrorRegion:
    """A connected region that is labelled ``label`` and that a net is sure is ``prediction``.

    Both are class values. ``pixels`` of the photo; ``confidence`` and ``label_probability`` are
    the mean probabilities of the two inside of the region. ``score`` is the product of three
    surprises: -ln of the label's probability; -ln of the share of the label's pixels in the split
    that the net takes for the prediction, as what it confuses often is its own weakness; and ln of
    1 + the inner pixels, as a large region is a chance error less often. ``cost`` is by how much
    the mean IU of the split, 0 to 1, would grow if the prediction were right.
    """

    label: int
    prediction: int
    pixels: int
    box: Box
    confidence: float
    label_probability: float
    score: float
    cost: float


@dataclass(frozen=True)
class MaskErrors:
    """A mask with its likely errors, the likeliest first; ``place`` is that in the source.

    ``file`` is the path of the mask; of a data set in storage its address.

    ``quality`` is the softmin of the self-confidence, 0 to 1 (Lad and Mueller); ``cost`` as of a
    region, of all of them together.
    """

    place: int
    name: str
    file: str
    quality: float
    cost: float
    regions: tuple[ErrorRegion, ...]

    @property
    def score(self) -> float:
        """That of its likeliest error; 0 where there is none."""
        return self.regions[0].score if self.regions else 0.0


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """The masks of a split, the likeliest first, and the ``mean_iu`` of the net on them."""

    source: Source
    masks: tuple[MaskErrors, ...]
    mean_iu: float

    @property
    def with_errors(self) -> tuple[MaskErrors, ...]:
        """Those with a likely error."""
        return tuple(mask for mask in self.masks if mask.regions)


def find_label_errors(
    engine: Engine, source: Source, progress: Progress | None = None, most: int | None = None
) -> LabelErrors:
    """Rank the masks of ``source`` by likely label errors, in one pass of the net.

    ``engine`` must know the classes of ``source`` in their order (`fullconv.evaluation.open_for`).
    A net that was not trained on these masks says most: one that was may have learnt their errors.
    Photos without a mask, and those that cannot be read, are left out; UserError where none is
    left. With ``most`` only so many photos are looked at, spread evenly. Photos of more than two
    megapixels are compared at that size (`reduced`).
    """
    check_classes(source.classes)
    statistics = [_Statistics(len(output.classes)) for output in source.classes.outputs]
    candidates: list[_Candidate] = []
    places = range(0, len(source), max(1, -(-len(source) // most)) if most else 1)
    with closing(read_ahead(lambda n: _sample(source, places[n]), len(places))) as samples:
        for done, (place, sample) in enumerate(zip(places, samples, strict=True), 1):
            if sample is not None and sample[0].mask is not None:
                candidates.append(_examine(engine, place, *sample, source.classes, statistics))
            if progress:
                progress(done, len(places))
    if not candidates:
        raise UserError(f"split {source.split!r}: no photo has a mask; label some", "FC-DATA-107")
    ranked = [_ranked(each, source, statistics) for each in candidates]
    ranked.sort(key=lambda mask: (-mask.score, mask.quality))
    return LabelErrors(source, tuple(ranked), mean_iu_of([each.matrix for each in statistics]))


def disagreement(
    engine: Engine, sample: Sample, mask: MaskErrors
) -> tuple[Sample, npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """What a net predicts for the photo of a mask with likely errors, and where these lie.

    The sample at the size at which it was compared, (h, w); the prediction, (h, w) or
    (h, w, outputs); and a map of the regions, bool (h, w).
    """
    small, scale = reduced(sample)
    prediction = engine.class_map(small.image)
    is_error = np.zeros(small.image.shape[:2], bool)
    labels = planes_of(small.mask) if small.mask is not None else []
    for plane, label in zip(planes_of(prediction), labels, strict=True):
        for region in mask.regions:
            top, left, bottom, right = (round(side / scale) for side in region.box)
            window = slice(top, bottom), slice(left, right)
            pair = (label[window] == region.label) & (plane[window] == region.prediction)
            is_error[window] |= pair
    return small, prediction, is_error


def _sample(source: Source, place: int) -> tuple[Sample, float] | None:
    """A sample at the size at which it is compared; None for one that cannot be read."""
    try:
        return reduced(source[place])
    except UserError:  # the check names it
        return None


class _Statistics:
    """What the thresholds of an output are made of: sums of self-confidence, confusions."""

    def __init__(self, classes: int) -> None:
        self.confidence = np.zeros(classes)
        self.matrix = np.zeros((classes, classes), np.int64)

    def add(
        self,
        label: npt.NDArray[np.int64],
        prediction: npt.NDArray[np.int64],
        own: npt.NDArray[np.float32],
    ) -> None:
        """Count labelled pixels: their labels, predictions, and self-confidence."""
        count = len(self.confidence)
        self.confidence += np.bincount(label, own, count)
        pairs = np.bincount(label * count + prediction, minlength=count * count)
        self.matrix += pairs.reshape(count, count)

    @property
    def thresholds(self) -> npt.NDArray[np.float64]:
        """How sure the net is of each class where it is labelled, on average."""
        return self.confidence / np.maximum(self.matrix.sum(1), 1)

    @property
    def surprise(self) -> npt.NDArray[np.float64]:
        """-ln of the share of each class (row) that is taken for each other (column)."""
        share = self.matrix / np.maximum(self.matrix.sum(1, keepdims=True), 1)
        return -np.log(np.maximum(share, RARE))


@dataclass(frozen=True)
class _Region:
    """A region of one output, before the whole split is known: classes are those of the output.

    ``compared`` are its pixels at the size at which it was compared, ``inner`` those of its core.
    """

    output: int
    label: int
    prediction: int
    pixels: int
    compared: int
    inner: int
    box: Box
    confidence: float
    label_probability: float

    @property
    def surprise(self) -> float:
        """How unlikely the label is to the net, and how large the region."""
        return -math.log(max(self.label_probability, UNLIKELY)) * math.log1p(self.inner)


@dataclass(frozen=True)
class _Candidate:
    """A mask with the regions in which the net disagrees."""

    place: int
    quality: float
    regions: tuple[_Region, ...]


def _examine(
    engine: Engine,
    place: int,
    sample: Sample,
    scale: float,
    classes: ClassSet,
    statistics: Sequence[_Statistics],
) -> _Candidate:
    """The regions of one photo, and its part of the ``statistics`` of each output."""
    assert sample.mask is not None
    every = probabilities_of(engine.scores(sample.image), classes)
    outputs = classes.outputs
    regions: list[_Region] = []
    confidences = []
    for number, (output, plane) in enumerate(zip(outputs, planes_of(sample.mask), strict=True)):
        probabilities = every[number]  # K,H,W
        known = plane != output.classes.ignore
        label = np.where(known, plane.astype(np.int64) - output.first, 0)
        own = np.take_along_axis(probabilities, label[None], 0)[0]
        prediction, confidence = probabilities.argmax(0), probabilities.max(0)
        statistics[number].add(label[known], prediction[known], own[known])
        confidences.append(own[known])
        pairs = np.where(
            known & (label != prediction), label * len(output.classes) + prediction, -1
        )
        regions += _regions_of(number, pairs, len(output.classes), confidence, own, scale)
    regions.sort(key=lambda region: -region.surprise)
    return _Candidate(place, softmin(np.concatenate(confidences)), tuple(regions[:MOST]))


def _regions_of(
    output: int,
    pairs: npt.NDArray[np.int64],
    classes: int,
    confidence: npt.NDArray[np.float32],
    own: npt.NDArray[np.float32],
    scale: float,
) -> Iterator[_Region]:
    """The regions of equal ``pairs`` (label times classes plus prediction, or -1) with a core."""
    regions = connected_regions(pairs, nothing=-1)
    core = inner(regions, max(1, round(REACH * math.hypot(*pairs.shape) / PICTURE)))
    numbers = regions[core]
    count = int(regions.max(initial=0)) + 1
    cores = np.bincount(numbers, minlength=count)
    sizes = np.bincount(regions.ravel(), minlength=count)
    sums = [np.bincount(numbers, plane[core], count) for plane in (confidence, own)]
    for number, box in boxes_of(regions, np.flatnonzero(cores)):
        top, left, bottom, right = box
        window = regions[top:bottom, left:right] == number
        pair = int(pairs[top:bottom, left:right][window][0])
        yield _Region(
            output=output,
            label=pair // classes,
            prediction=pair % classes,
            inner=int(cores[number]),
            compared=int(sizes[number]),
            pixels=round(int(sizes[number]) * scale**2),
            box=(
                round(top * scale),
                round(left * scale),
                round(bottom * scale),
                round(right * scale),
            ),
            confidence=float(sums[0][number] / cores[number]),
            label_probability=float(sums[1][number] / cores[number]),
        )


def _ranked(candidate: _Candidate, source: Source, statistics: Sequence[_Statistics]) -> MaskErrors:
    """A mask with its regions that are likely errors by the statistics of the split."""
    outputs = source.classes.outputs
    regions = []
    for region in candidate.regions:
        of_output, first = statistics[region.output], outputs[region.output].first
        if region.confidence < of_output.thresholds[region.prediction] - ROUNDING:
            continue
        of_pair = of_output.surprise[region.label, region.prediction]
        error = ErrorRegion(
            label=first + region.label,
            prediction=first + region.prediction,
            pixels=region.pixels,
            box=region.box,
            confidence=region.confidence,
            label_probability=region.label_probability,
            score=float(region.surprise * of_pair),
            cost=_cost(statistics, [region]),
        )
        regions.append((error, region))
    regions.sort(key=lambda pair: -pair[0].score)
    photo, mask = source.files(candidate.place)
    name = source.names[candidate.place]
    return MaskErrors(
        place=candidate.place,
        name=name,
        file=by_address(str(mask or photo or name)),
        quality=candidate.quality,
        cost=_cost(statistics, [region for _, region in regions]),
        regions=tuple(error for error, _ in regions),
    )


def _cost(statistics: Sequence[_Statistics], regions: Sequence[_Region]) -> float:
    """By how much the mean IU would grow if the net were right about ``regions``."""
    matrices = [each.matrix for each in statistics]
    right = [matrix.copy() for matrix in matrices]
    for region in regions:
        matrix = right[region.output]
        matrix[region.label, region.prediction] -= region.compared
        matrix[region.prediction, region.prediction] += region.compared
    return mean_iu_of(right) - mean_iu_of(matrices)


def mean_iu_of(matrices: Sequence[Matrix]) -> float:
    """The mean IU over the classes of all outputs that are labelled or predicted."""
    unions = [matrix.sum(0) + matrix.sum(1) - np.diag(matrix) for matrix in matrices]
    hits = np.concatenate([np.diag(matrix) for matrix in matrices])
    union = np.concatenate(unions)
    return float((hits[union > 0] / union[union > 0]).mean())
