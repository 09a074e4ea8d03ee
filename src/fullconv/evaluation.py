"""Data set x net -> scores: every photo at its own size, one confusion matrix.

Of overlapping classes it is one for each class, and the probabilities of all pixels are counted,
from which come the precision-recall curves.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fullconv.checkpoints import Checkpoint
from fullconv.classes import ClassSet
from fullconv.data import Dataset, Sample, Source, as_source, in_order_of, open_source
from fullconv.data.data_of_run import cache_of, trained_on, with_limit_of
from fullconv.data.sample import Mask
from fullconv.data.splits.overlapping import TaskChoice, for_task
from fullconv.data.splits.subset import split_lists
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes, Decision, classes_of
from fullconv.inference.engines.engine import Engine
from fullconv.inference.open_predictor import OpenedNet, open_engine
from fullconv.inference.photo_engine import with_tta
from fullconv.inference.photos.read_ahead import read_ahead
from fullconv.inference.tta import TTA
from fullconv.metrics import (
    Counts,
    Histogram,
    Matrix,
    MultilabelScores,
    PhotoMetrics,
    Scores,
    boundary_counts,
    boundary_width,
    confusion,
    counts_of,
    counts_of_planes,
    plane_counts,
)
from fullconv.modalities import AS_STORED, ReadOptions
from fullconv.notebook_progress import ProgressBar, in_notebook
from fullconv.python_arguments import as_path, said
from fullconv.visualize import planes_of

Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all."""
OnPhoto = Callable[[Sample, Classes, Matrix], object]
"""Called with a photo, its predicted classes and its own confusion matrix."""


def evaluate(
    engine: Engine | str | Path,
    source: Source | Dataset | str | Path | None = None,
    split: str = "val",
    progress: Progress | None = None,
    on_photo: OnPhoto | None = None,
    *,
    tta: str | TTA | None = None,
    boundary: float | None = None,
    options: ReadOptions = AS_STORED,
) -> Scores:
    """Score a net on a split: mean over classes from one confusion matrix over all pixels.

    ``engine`` is an Engine, or a run folder, checkpoint or exported file; ``source`` a
    Dataset, a Source, or what ``open_source`` opens (then ``split`` names the split); None: what
    the run was trained on. Photos are
    taken one by one at their own size; the next is read, in a thread, while the net runs. Of a net
    with several outputs these are the scores over the classes of all; ``Scores.of`` gives those of
    one. ``tta`` is test-time augmentation (`parse_tta`). With ``boundary``, a share of the photo's
    diagonal (0.02 in the paper), there is boundary IU too, which takes as long as a few confusion
    matrices. For classes that may overlap the scores are `MultilabelScores`. ``options`` say how
    the photos of a path are read, where not as in the training.
    Classes are matched by name. Raises UserError when they differ, a photo has no mask, or an
    option is none.
    """
    if not isinstance(split, str):
        raise UserError(f"split is a name, as val, not {said(split)}", "FC-DATA-102")
    if not hasattr(engine, "channels"):
        engine = as_path(engine, "the net")
    source = trained_on(engine) if source is None else source
    if isinstance(engine, str | Path):
        run, opened = engine, open_engine(engine)
        engine = opened.engine
        if isinstance(source, str | Path):
            source = open_for(opened, source, split, run=run, options=options)
        else:
            dataset = for_task(as_source(source, split), TaskChoice.of(opened.classes))
            source = in_order_of(dataset, opened.classes.names)
    if isinstance(source, str | Path):
        source = open_source(source, split, options=options)
    source = as_source(source, split)
    classes = source.classes
    _check_count(engine.channels, classes)
    engine = with_tta(engine, classes, tta)
    progress = progress or (ProgressBar("photos scored") if in_notebook() else None)
    return tally_of(engine, source, progress, on_photo, boundary).scores()


def tally_of(
    engine: Engine,
    source: Source,
    progress: Progress | None = None,
    on_photo: OnPhoto | None = None,
    boundary: float | None = None,
) -> "Tally | MultilabelTally":
    """The counts of all photos of ``source``, from which `evaluate` computes the scores.

    `join_tallies` joins those of the parts of a split that several processes have scored.
    """
    classes = source.classes
    tally = (MultilabelTally if classes.is_overlapping else Tally)(classes, boundary)
    with closing(read_ahead(source.__getitem__, len(source))) as samples:
        for done, sample in enumerate(samples, 1):
            prediction = tally.predicted(engine, sample)
            matrix = tally.add(sample, prediction)
            if on_photo:
                on_photo(sample, prediction, matrix)
            if progress:
                progress(done, len(source))
    return tally


def join_tallies(tallies: "Sequence[Tally | MultilabelTally]") -> "Tally | MultilabelTally":
    """The counts of a whole split from those of its N parts: part r has the photos r, r + N, ...

    The photos come in the order of the split, so that the scores are those of one process, to the
    last digit. The first one is changed, and returned.
    """
    first, *others = tallies
    for other in others:
        np.add(first.total, other.total, out=first.total)
    for name in ("names", "counts", "outlines"):
        setattr(first, name, _interleaved([getattr(tally, name) for tally in tallies]))
    if isinstance(first, MultilabelTally):
        first.add_histograms([t.histogram for t in others if isinstance(t, MultilabelTally)])
    return first


def _interleaved(parts: Sequence[Sequence[Any]]) -> list[Any]:
    longest = max(map(len, parts))
    return [part[place] for place in range(longest) for part in parts if place < len(part)]


class Tally:
    """The counts so far: of all photos together, and of each."""

    def __init__(self, classes: ClassSet, boundary: float | None) -> None:
        if boundary is not None:
            boundary_width((1, 1), boundary)  # refused before the first photo
        self.classes, self.boundary = classes, boundary
        self.total = np.zeros((len(classes), len(classes)), np.int64)
        self.names: list[str] = []
        self.counts: list[Counts] = []
        self.outlines: list[Counts] = []

    def predicted(self, engine: Engine, sample: Sample) -> Classes:
        """The classes of a photo."""
        return engine.class_map(sample.image)

    def add(self, sample: Sample, prediction: Classes) -> Matrix:
        """Count a photo; its confusion matrix."""
        compared = _mask_of(sample), prediction, len(self.classes), self.classes.ignore
        matrix = confusion(*compared)
        self.total += matrix
        self.names.append(sample.name)
        self.counts.append(counts_of(matrix))
        if self.boundary is not None:
            self.outlines.append(boundary_counts(*compared, self.boundary))
        return matrix

    def scores(self) -> Scores:
        """The scores of all photos, with the counts of each."""
        names, outlines = self.classes.names, None if self.boundary is None else self.outlines
        photos = PhotoMetrics.of(self.names, names, self.counts, outlines)
        return Scores.from_confusion(self.total, names, photos)


class MultilabelTally:
    """The counts of overlapping classes: of each its confusion, and its probabilities."""

    def __init__(self, classes: ClassSet, boundary: float | None) -> None:
        if boundary is not None:
            boundary_width((1, 1), boundary)  # refused before the first photo
        self.classes, self.boundary = classes, boundary
        self.total = np.zeros((len(classes), 2, 2), np.int64)
        self.names: list[str] = []
        self.counts: list[Counts] = []
        self.outlines: list[Counts] = []
        self.histogram: Histogram | None = Histogram(len(classes))
        self.decision = Decision.of(classes)

    def predicted(self, engine: Engine, sample: Sample) -> Classes:
        """The classes of a photo, whose probabilities are counted where the engine has them."""
        mask = _mask_of(sample)
        if self.histogram is None:
            return engine.class_map(sample.image)
        try:
            logits = engine.scores(sample.image)
        except UserError as error:
            if error.code != "FC-PREDICT-016":  # a graph that gives classes alone
                raise
            self.histogram = None
            return engine.class_map(sample.image)
        probabilities = self.decision.probabilities(torch.from_numpy(logits)).numpy()
        self.histogram.add(mask, probabilities)
        return classes_of(logits, self.decision)

    def add(self, sample: Sample, prediction: Classes) -> Matrix:
        """Count a photo; the sum of its confusions over the classes, (2, 2)."""
        mask = _mask_of(sample)
        confusions = plane_counts(mask, prediction)
        self.total += confusions
        self.names.append(sample.name)
        self.counts.append(counts_of_planes(confusions))
        if self.boundary is not None:
            planes = zip(planes_of(mask), planes_of(prediction), strict=True)
            parts = [
                boundary_counts(*pair, 2, self.classes.ignore, self.boundary)[:, 1]
                for pair in planes
            ]
            self.outlines.append(np.stack(parts, 1))
        return confusions.sum(0)

    def add_histograms(self, others: Sequence[Histogram | None]) -> None:
        """Count the probabilities of others too; none remain where one of them has none."""
        for other in others:
            if self.histogram is None or other is None:
                self.histogram = None
            else:
                self.histogram.counts += other.counts

    def scores(self) -> MultilabelScores:
        """The scores of all photos, with the counts of each."""
        names, outlines = self.classes.names, None if self.boundary is None else self.outlines
        photos = PhotoMetrics.of(self.names, names, self.counts, outlines)
        curves = None if self.histogram is None else self.histogram.curves()
        thresholds = self.classes.thresholds
        return MultilabelScores.of_planes(self.total, names, thresholds, photos, curves)


def _mask_of(sample: Sample) -> Mask:
    if sample.mask is None:
        raise UserError(
            f"{sample.name}: has no mask, so it cannot be scored; add one or leave it out",
            "FC-DATA-107",
        )
    return sample.mask


def open_for(
    net: Checkpoint | OpenedNet,
    data: str | Path,
    split: str,
    classes: str | Path | None = None,
    run: str | Path | None = None,
    options: ReadOptions = AS_STORED,
) -> Source:
    """Open a split with the inputs of a net and the label maps of its outputs.

    ``classes`` is a class file instead of the data's own, for a net of one output; ``run`` is the
    run of the net, which has the lists of a split by seed. ``options`` say how photos are read,
    where not as in the training; photos as large as in the training are allowed. Classes are
    matched by name: masks in another order are renumbered (`in_order_of`), other names raise
    UserError.
    """
    parts = net.classes.parts
    named = len(parts) > 1 or classes is None
    outputs = [name for name, _ in parts] if named else []
    lists, known = None if run is None else split_lists(Path(run)), net.preprocessing
    options = with_limit_of(run, options)
    source = open_source(
        data, split, classes, known.inputs, outputs, lists, options, known.read_options,
        TaskChoice.of(net.classes), cache_of(run),
    )  # fmt: skip
    return in_order_of(source, net.classes.names, ("the net", str(data)))


def _check_count(channels: int, classes: ClassSet) -> None:
    """UserError unless a net that scores so many channels can be scored on ``classes``.

    Of an engine that was handed in the names are not known.
    """
    if channels != len(classes):
        raise UserError(
            f"the net scores {channels} classes, the data has {len(classes)} "
            f"({', '.join(classes.names[:4])}, ...): evaluate on data of the net's own classes",
            "FC-CLASS-009",
        )
