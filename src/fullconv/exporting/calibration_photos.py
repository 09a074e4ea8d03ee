"""Photos for int8: some show the ranges of the maps, others, held out, what int8 costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data import Sample, Source, TaskChoice, in_order_of, open_source
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.open_dataset import available_splits, is_known
from fullconv.data.splits.multimodal import Stacked
from fullconv.data.synthetic.shapes import looks_like
from fullconv.errors import UserError
from fullconv.inference.export_metadata import Description
from fullconv.inference.photos.find_photos import photos_in
from fullconv.modalities import AS_STORED, COLOR, ReadOptions

# Ranges settle long before NNCF's usual 300 photos; a photo held out says much, being all pixels.
MOST_SHOWN = 128
MOST_HELD_OUT = 64
HELD_OUT = 5  # every fifth photo, where the data has no split of its own for it
SIDE = 1024  # of a larger photo the middle: the ranges are the same, and the memory suffices


@dataclass(frozen=True, eq=False)
class Photos:
    """Some photos of a source, read when they are asked for.

    A sample is the middle of its photo, of the one ``size`` that the graph takes, else of at most
    SIDE x SIDE.
    """

    source: Source
    places: tuple[int, ...]
    size: tuple[int, int] | None

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Sample]:
        return (middle(self.source[place], self.size or (SIDE, SIDE)) for place in self.places)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Photos that are ``shown`` for the ranges, and those ``held_out``, to compare on."""

    shown: Photos
    held_out: Photos
    classes: ClassSet


def find_calibration(
    where: str | Path, known: Description, options: ReadOptions = AS_STORED
) -> Calibration:
    """The photos that ``where`` names: a file, a folder, a pattern, or a data set.

    A data set with the splits train and val shows the first and holds out the second; otherwise
    every fifth photo is held out. ``options`` say how photos are read, where not as in the
    training. Photos that the graph of ``known`` cannot take are left out.
    Raises UserError where fewer than one is left for each.
    """
    shown, held_out = _sources(where, known, options)
    if held_out is None:
        places = range(len(shown))
        held = places[HELD_OUT - 1 :: HELD_OUT] or places[1:]
        rest = [place for place in places if place not in held]
        parts = (shown, rest), (shown, held)
    else:
        parts = (shown, range(len(shown))), (held_out, range(len(held_out)))
    (first, rest), (second, held) = parts
    calibration = Calibration(
        _chosen(first, rest, MOST_SHOWN, known),
        _chosen(second, held, MOST_HELD_OUT, known),
        known.classes,
    )
    if not calibration.shown.places or not calibration.held_out.places:
        least = "x".join(map(str, known.size or (known.smallest, known.smallest)))
        raise UserError(
            f"{where}: calibrating takes at least two photos of {least} pixels or more, one of "
            "them to compare on; a hundred are better",
            "FC-EXPORT-006",
        )
    return calibration


def _sources(
    where: str | Path, known: Description, options: ReadOptions
) -> tuple[Source, Source | None]:
    """The data that sets the ranges, and the split held out; None where it must be split."""
    if not looks_like(str(where)) and not is_known(where):
        return _photos(where, known, options), None
    splits = available_splits(where)
    names = ["train", "val"] if {"train", "val"} <= set(splits) else splits[:1]
    outputs = [output.name for output in known.classes.outputs if output.name]
    expected, which = known.preprocessing, ("the net", str(where))
    task = TaskChoice.of(known.classes)
    outputs = [] if known.classes.is_overlapping else outputs
    read = None, options, expected.read_options, task
    sources = [open_source(where, n, None, expected.inputs, outputs, *read) for n in names]
    sources = [in_order_of(source, known.classes.names, which) for source in sources]
    return sources[0], sources[1] if len(sources) > 1 else None


def _photos(where: str | Path, known: Description, options: ReadOptions) -> Source:
    files = tuple(photos_in(where))
    names = tuple(str(file) for file in files)
    read = options.over(known.preprocessing.read_options)
    photos = PairSource(known.classes, "photos", names, files, (None,) * len(files), options=read)
    kinds = known.preprocessing.inputs
    return photos if kinds == (COLOR,) else Stacked((photos,), known.classes, kinds)


def _chosen(source: Source, places: Sequence[int], most: int, known: Description) -> Photos:
    """At most so many photos that fit, from all over the ``places``."""
    step = max(len(places) // most, 1)
    spread = [place for start in range(step) for place in places[start::step]]
    high, wide = known.size or (known.smallest, known.smallest)
    fitting = (
        place
        for place in spread
        if (image := source[place].image).shape[0] >= high and image.shape[1] >= wide
    )
    return Photos(source, tuple(islice(fitting, most)), known.size)


def middle(sample: Sample, size: tuple[int, int]) -> Sample:
    """The middle of a photo and its mask, of at most ``size`` (H, W)."""
    window = tuple(
        slice(start := max(n - most, 0) // 2, start + most)
        for n, most in zip(sample.image.shape[:2], size, strict=True)
    )
    image = np.ascontiguousarray(sample.image[window])
    return Sample(sample.name, image, None if sample.mask is None else sample.mask[window])
