"""Data set x net -> scores: every photo at its own size, one confusion matrix."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from fullconv.checkpoints import Checkpoint
from fullconv.classes import ClassSet
from fullconv.data import Dataset, Sample, Source, as_source, open_source
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes
from fullconv.inference.engines.engine import Engine
from fullconv.inference.open_predictor import Opened, open_engine
from fullconv.inference.photo_engine import with_tta
from fullconv.inference.read_ahead import read_ahead
from fullconv.inference.tta import TTA
from fullconv.metrics import (
    Counts,
    Matrix,
    PhotoMetrics,
    Scores,
    boundary_counts,
    boundary_width,
    confusion,
    counts_of,
)
from fullconv.modalities import AS_STORED, ReadOptions

Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all."""
Each = Callable[[Sample, Classes, Matrix], object]
"""Called with a photo, its predicted classes and its own confusion matrix."""


def evaluate(
    engine: Engine | str | Path,
    source: Source | Dataset | str | Path,
    split: str = "val",
    progress: Progress | None = None,
    each: Each | None = None,
    *,
    tta: str | TTA | None = None,
    boundary: float | None = None,
) -> Scores:
    """Score a net on a split: mean over classes from one confusion matrix over all pixels.

    ``engine`` is an Engine, or a run folder, checkpoint or exported file; ``source`` a
    Dataset, a Source, or what ``open_source`` opens (then ``split`` names the split). Photos are
    taken one by one at their own size; the next is read, in a thread, while the net runs. Of a net
    with several outputs these are the scores over the classes of all; ``Scores.of`` gives those of
    one. ``tta`` is test-time augmentation (`parse_tta`). With ``boundary``, a share of the photo's
    diagonal (0.02 in the paper), there is boundary IU too, which takes as long as a few confusion
    matrices.
    Raises UserError when the classes do not fit, a photo has no mask, or an option is none.
    """
    if isinstance(engine, str | Path):
        opened = open_engine(engine)
        engine = opened.engine
        if isinstance(source, str | Path):
            source = open_for(opened, source, split)
    if isinstance(source, str | Path):
        source = open_source(source, split)
    source = as_source(source, split)
    classes = source.classes
    check_classes(engine.channels, classes)
    engine = with_tta(engine, classes, tta)
    tally = _Tally(classes, boundary)
    with closing(read_ahead(source.__getitem__, len(source))) as samples:
        for done, sample in enumerate(samples, 1):
            prediction = engine.class_map(sample.image)
            matrix = tally.add(sample, prediction)
            if each:
                each(sample, prediction, matrix)
            if progress:
                progress(done, len(source))
    return tally.scores()


class _Tally:
    """The counts so far: of all photos together, and of each."""

    def __init__(self, classes: ClassSet, boundary: float | None) -> None:
        if boundary is not None:
            boundary_width((1, 1), boundary)  # refused before the first photo
        self.classes, self.boundary = classes, boundary
        self.total = np.zeros((len(classes), len(classes)), np.int64)
        self.names: list[str] = []
        self.counts: list[Counts] = []
        self.outlines: list[Counts] = []

    def add(self, sample: Sample, prediction: Classes) -> Matrix:
        """Count a photo; its confusion matrix."""
        if sample.mask is None:
            raise UserError(f"{sample.name}: has no mask, so it cannot be scored")
        compared = sample.mask, prediction, len(self.classes), self.classes.ignore
        matrix = confusion(*compared)
        self.total += matrix
        self.names.append(sample.name)
        self.counts.append(counts_of(matrix))
        if self.boundary is not None:
            self.outlines.append(boundary_counts(*compared, self.boundary))
        return matrix

    def scores(self) -> Scores:
        """Those of all photos, with the counts of each."""
        names, outlines = self.classes.names, None if self.boundary is None else self.outlines
        photos = PhotoMetrics.of(self.names, names, self.counts, outlines)
        return Scores.from_confusion(self.total, names, photos)


def open_for(
    net: Checkpoint | Opened,
    data: str | Path,
    split: str,
    classes: str | Path | None = None,
    options: ReadOptions = AS_STORED,
) -> Source:
    """Open a split with the inputs that a net sees and the label maps that it gives.

    ``classes`` is a class file instead of the data's own, for a net of one output;
    ``options`` say how photos are read, where not as in the training.
    """
    parts = net.classes.parts
    named = len(parts) > 1 or classes is None
    outputs = [name for name, _ in parts] if named else []
    known = net.preprocessing
    return open_source(data, split, classes, known.inputs, outputs, options, known.read_options)


def check_classes(channels: int, classes: ClassSet) -> None:
    """UserError unless a net that scores so many channels can be scored on ``classes``."""
    if channels != len(classes):
        raise UserError(
            f"the net scores {channels} classes, the data has {len(classes)} "
            f"({', '.join(classes.names[:4])}, ...): evaluate on data of the net's own classes"
        )
