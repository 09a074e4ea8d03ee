"""What a class looks like: windows of photos around it, everything else pale."""

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
    for split, place in _chosen(survey, value, most):
        try:
            sample = survey.sources[split][place]
        except UserError:
            continue
        mask, number = sample.mask, value
        if mask is not None and survey.sources[split].classes.is_overlapping:
            mask, number = planes_of(mask)[value], 1
        if mask is not None and (mask == number).any():
            shown = window(as_photo(sample.image), mask, number)
            content = jpeg(sized(shown, SIDE, enlarge=True))
            examples.append(Example(Path(survey.photo(split, place)).name, content))
    return examples


def _chosen(survey: Survey, value: int, most: int) -> Sequence[tuple[str, int]]:
    """Photos spread over those where the class is large, of ``train`` if it is there at all."""
    by_split = []
    for split, looks in survey.looks.items():
        areas = [(int(each.counts[value]), each.place) for each in looks if each.counts is not None]
        by_split.append([(area, split, place) for area, place in areas if area])
    shown = next(filter(None, by_split), [])
    largest = sorted(shown, key=lambda each: -each[0])[: max(most, len(shown) // 3)]
    steps = [round(i) for i in np.linspace(0, len(largest) - 1, min(most, len(largest)))]
    return [largest[i][1:] for i in steps]


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
