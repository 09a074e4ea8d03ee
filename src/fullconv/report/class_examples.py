"""Examples of a class: windows of photos around it, everything else pale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fullconv.data.checks.survey import Survey
from fullconv.data.sample import Image, Mask
from fullconv.errors import UserError
from fullconv.report.embedded import jpeg, sized
from fullconv.visualize import as_photo, planes_of

SIDE = 200  # pixels of a picture
WINDOW = 2.2  # how much longer a window's side is than that of a square of the class's area
SMALLEST = 64  # pixels of a window's side
PICTURES = 240  # in all, so that a page of 150 classes stays at a few MB
PAPER = 130  # grey of what is black in the photo and not of the class


@dataclass(frozen=True)
class Example:
    """A photo's name, and a JPEG of the part that shows the class."""

    photo: str
    content: bytes


def example_pictures(survey: Survey, value: int) -> list[Example]:
    """Some photos that show the class ``value``, at most 4; fewer where there are many classes."""
    count = len(next(iter(survey.sources.values())).classes)
    most = min(4, PICTURES // count) if count <= PICTURES else int(value < PICTURES)
    examples = []
    for split, index in _chosen(survey, value, most):
        try:
            sample = survey.sources[split][index]
        except UserError:
            continue
        mask, number = sample.mask, value
        if mask is not None and survey.sources[split].classes.is_overlapping:
            mask, number = planes_of(mask)[value], 1
        if mask is not None and (mask == number).any():
            shown = window(as_photo(sample.image), mask, number)
            content = jpeg(sized(shown, SIDE, enlarge=True))
            examples.append(Example(Path(survey.photo(split, index)).name, content))
    return examples


def _chosen(survey: Survey, value: int, most: int) -> Sequence[tuple[str, int]]:
    """Photos where the class is large, spread over the split: ``train`` if it is there at all."""
    for split, measurements in survey.measurements.items():
        areas = [
            (measured.index, int(measured.counts[value]))
            for measured in measurements
            if measured.counts is not None
        ]
        shown = [(index, area) for index, area in areas if area]
        if shown:
            return [(split, index) for index in spread_places(shown, most)]
    return []


def spread_places(areas: Sequence[tuple[int, int]], most: int) -> list[int]:
    """The indices of ``most`` of (index, area), in order: large ones, and never neighbours.

    Neighbours are often frames of one video. The larger half is cut into ``most`` spans,
    and the largest within the middle half of each is taken: so a quarter of a span at least lies
    between it and the next span.
    """
    larger = sorted(areas, key=lambda entry: -entry[1])[: max(most, -(-len(areas) // 2))]
    larger.sort()
    chosen = []
    for span in np.array_split(np.arange(len(larger)), min(most, len(larger))):
        margin = len(span) // 4
        middle = span[margin : len(span) - margin]
        chosen.append(larger[max(middle, key=lambda i: larger[i][1])][0])
    return chosen


def window(image: Image, mask: Mask, value: int) -> Image:
    """The part of a photo (H, W, 3) around a class, uint8; what is not of the class is pale."""
    rows, columns = np.nonzero(mask == value)
    middle = np.median(rows), np.median(columns)
    nearest = int(np.argmin((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2))
    side = max(SMALLEST, round(WINDOW * math.sqrt(len(rows))))
    cut = tuple(
        _around(int(centre), side, length)
        for centre, length in zip((rows[nearest], columns[nearest]), mask.shape, strict=True)
    )
    part, inside = image[cut], (mask[cut] == value)[..., None]
    pale = PAPER + (1 - PAPER / 255) * part.mean(2, keepdims=True)
    return np.where(inside, part, pale).astype(np.uint8)


def _around(centre: int, side: int, length: int) -> slice:
    """A span of at most ``side`` pixels around ``centre`` within ``length``."""
    start = min(max(centre - side // 2, 0), max(length - side, 0))
    return slice(start, start + side)
