"""Findings of a survey: masks that lie wrong, masks of other photos, photos twice.

Each limit is far from what clean data shows (CamVid, generated shapes), so that nothing silly is
claimed; what is nearer to a limit stays unsaid.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from fullconv.data.checks.alignment import Alignment, Maps, borders, compare, edges
from fullconv.data.checks.duplicates import ALIKE, NEAR, likeness, lookalikes
from fullconv.data.checks.survey import SampleMeasurements, Survey, spread
from fullconv.errors import Finding, UserError

STANDS_OUT = 4.5  # deviations by which a place is the right one, in data whose edges can be seen
BETTER = 2.2  # deviations by which it must beat the mask's own place; in clean data none does
SURE = 3.0  # standard errors of that, over the parts of the border; small clean scenes reach 2.8
SHIFTED = 4  # pixels compared: what lies nearer may be drawn loosely
DOUBTFUL = 6.0  # deviations at the mask's own place: clean data starts at 4.4, others' end at 5.5
FITS = 6.0  # deviations at which another photo's mask is the right one
MOST = 60  # doubtful masks that are tried on each other's photos
TRIED = 3  # masks tried on each of those photos, the likest first
FEW = 3  # photos that show a class, below which it is rare
ENOUGH = 30  # photos in a split from which rarity says something


def findings_in(survey: Survey) -> list[Finding]:
    """All findings of a survey, those of the check first; each with its fix."""
    exchanged = swapped(survey)
    known = {finding.file for finding in exchanged}
    return [
        *survey.findings,
        *exchanged,
        *(finding for finding in shifted(survey) if finding.file not in known),
        *repeated(survey),
        *twins(survey),
        *rare(survey),
    ]


def shifted(survey: Survey) -> list[Finding]:
    """Masks whose borders follow the photo's edges better somewhere else.

    Nothing is said of a split whose borders follow no edges in general, as where an object looks
    like its background.
    """
    return [
        Finding(
            survey.file(split, measured.index),
            f"looks shifted by {_direction(measured.alignment.offset)}",
            "a mask cropped, padded or drawn elsewhere than its photo",
            "compare it with its photo; export it again at the photo's place",
            "warning",
            "FC-DATA-117",
        )
        for split in survey.measurements
        for measured in _with_edges(survey.measurements[split])
        if measured.alignment and _is_shifted(measured.alignment)
    ]


def _with_edges(measurements: Sequence[SampleMeasurements]) -> Sequence[SampleMeasurements]:
    """``measurements``, or none of them where most masks have no place that stands out."""
    best = [measured.alignment.best for measured in measurements if measured.alignment]
    return measurements if best and float(np.median(best)) >= DOUBTFUL else ()


def _is_shifted(alignment: Alignment) -> bool:
    far = max(map(abs, alignment.steps)) >= SHIFTED
    better = alignment.best - alignment.here >= BETTER and alignment.sure >= SURE
    return far and alignment.best >= STANDS_OUT and better


def _direction(offset: tuple[int, int]) -> str:
    """(8, -3) as '8 pixels down and 3 to the left'; what is a quarter or less is left out."""
    down, right = (n if 4 * abs(n) > max(map(abs, offset)) else 0 for n in offset)
    parts = [f"{abs(down)} {'down' if down > 0 else 'up'}"] * bool(down)
    parts += [f"{abs(right)} to the {'right' if right > 0 else 'left'}"] * bool(right)
    return " and ".join(parts).replace(" ", " pixels ", 1)


def swapped(survey: Survey) -> list[Finding]:
    """Masks that fit another photo of their split better than their own."""
    return [finding for split in survey.measurements for finding in _swapped(survey, split)]


def _swapped(survey: Survey, split: str) -> list[Finding]:
    doubtful = [
        measured.index
        for measured in survey.measurements[split]
        if measured.alignment and measured.alignment.here < DOUBTFUL
    ]
    maps = _maps(survey, split, spread(doubtful, MOST))
    findings = []
    for index in maps:
        own = compare(*maps[index])
        fits = [(_here(maps[index][0], maps[other][1]), other) for other in _likest(maps, index)]
        fit, other = max(fits, default=(0.0, index))
        if own and fit >= FITS and fit - own.here >= BETTER and fit > own.best:
            what = f"lies on {survey.photo(split, index)}, which {survey.file(split, other)} fits"
            cause, fix = "masks exchanged between photos", "give each mask its photo's name"
            file = survey.file(split, index)
            findings.append(Finding(file, what, cause, fix, "warning", "FC-DATA-118"))
    return findings


def _maps(survey: Survey, split: str, places: Iterable[int]) -> dict[int, tuple[Maps, Maps]]:
    """Edges and borders of some photos, read once more."""
    maps = {}
    for index in places:
        try:
            sample = survey.sources[split][index]
        except UserError:  # changed since it was looked at
            continue
        if sample.mask is not None:
            maps[index] = (
                edges(sample.image),
                borders(sample.mask, survey.sources[split].classes.ignore),
            )
    return maps


def _likest(maps: dict[int, tuple[Maps, Maps]], index: int) -> list[int]:
    """The photos of the same size whose masks' borders lie on most of this one's edges."""
    edge = maps[index][0]
    sums = [
        (float((edge * border).sum() / np.sqrt(border.sum() + 1)), other)
        for other, (_, border) in maps.items()
        if other != index and border.shape == edge.shape
    ]
    return [other for _, other in sorted(sums, reverse=True)[:TRIED]]


def _here(edge: Maps, border: Maps) -> float:
    alignment = compare(edge, border)
    return alignment.here if alignment else 0.0


def repeated(survey: Survey) -> list[Finding]:
    """The same mask at two photos that differ: the one that it fits less is named."""
    places: dict[bytes, list[tuple[str, SampleMeasurements]]] = defaultdict(list)
    for split, measurements in survey.measurements.items():
        for measured in measurements:
            if measured.mask:
                places[measured.mask].append((split, measured))
    findings = []
    for pair in _pairs(places.values()):
        # The one that lies better on its photo is the one that belongs there.
        (split, first), (other, second) = sorted(pair, key=lambda index: -_fit(index[1]))
        if not _same_photo(first, second):
            what = f"is the same mask as {survey.file(split, first.index)}, of another photo"
            fix = "find the mask that belongs to it, or take the photo out"
            file = survey.file(other, second.index)
            findings.append(Finding(file, what, "", fix, "warning", "FC-DATA-119"))
    return findings


def _fit(measured: SampleMeasurements) -> float:
    return measured.alignment.here if measured.alignment else 0.0


def _pairs(
    groups: Iterable[list[tuple[str, SampleMeasurements]]],
) -> Iterable[tuple[tuple[str, SampleMeasurements], tuple[str, SampleMeasurements]]]:
    """Each of a group with its first."""
    return ((group[0], other) for group in groups for other in group[1:])


def _same_photo(first: SampleMeasurements, second: SampleMeasurements) -> bool:
    distance = int((first.fingerprint.bits != second.fingerprint.bits).sum())
    small = first.fingerprint.small, second.fingerprint.small
    return distance <= NEAR and (np.array_equal(*small) or likeness(*small) >= ALIKE)


def twins(survey: Survey) -> list[Finding]:
    """Photos of one split that look like one of another, but for encoding, light or a crop."""
    findings = []
    for first, second in combinations(survey.measurements, 2):
        left, right = survey.measurements[first], survey.measurements[second]
        seen = (
            [measured.fingerprint for measured in right],
            [measured.fingerprint for measured in left],
        )
        for pair in lookalikes(*seen):
            file = survey.photo(second, right[pair.first].index)
            other = survey.photo(first, left[pair.second].index)
            if _same_bytes(survey, file, other):
                continue
            what = (
                f"is in {second} and looks like {other} in {first} "
                f"({pair.distance} of 64 bits apart, likeness {pair.likeness:.2f})"
            )
            cause = "one photo saved twice, or neighbouring frames of one film"
            fix = "keep both on one side, or the scores of the other say too much"
            findings.append(Finding(file, what, cause, fix, "warning", "FC-DATA-115"))
    return findings


def _same_bytes(survey: Survey, file: str, other: str) -> bool:
    """Whether the check has said it already."""
    return any(finding.file == file and f"({other})" in finding.what for finding in survey.findings)


def rare(survey: Survey) -> list[Finding]:
    """Classes that hardly any photo of a split shows."""
    findings = []
    for split, source in survey.sources.items():
        counts = survey.counts(split)
        if counts.masks < ENOUGH:
            continue
        for name, photos in zip(source.classes.names, counts.photos.tolist(), strict=True):
            if 0 < photos < FEW:
                what = f"only {photos} of {counts.masks} photos show {name}"
                fix = "label more that show it, or merge it with a class like it"
                findings.append(Finding(f"split {split}", what, "", fix, "warning", "FC-DATA-120"))
    return findings


def of_files(findings: Sequence[Finding], survey: Survey) -> dict[Finding, tuple[str, int]]:
    """The split and index of the photo of each finding that is about a single photo."""
    places = {
        file: (split, measured.index)
        for split, measurements in survey.measurements.items()
        for measured in measurements
        for file in (survey.photo(split, measured.index), survey.file(split, measured.index))
    }
    return {finding: places[finding.file] for finding in findings if finding.file in places}
