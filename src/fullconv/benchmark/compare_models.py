"""The whole comparison: what each net is, what it costs here, how well it does."""

import math
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from fullconv.benchmark.candidates import Candidate, find_candidates
from fullconv.benchmark.table import Comparison, Row
from fullconv.benchmark.timing import Progress, measure
from fullconv.checkpoints import load
from fullconv.classes.class_files import read_classes
from fullconv.data import Source, open_source, own_options
from fullconv.data.data_of_run import trained_on
from fullconv.data.reading.image import size_said
from fullconv.device import Precision, pick_device, pick_precision
from fullconv.errors import UserError
from fullconv.evaluation import evaluate, open_for
from fullconv.inference import TorchEngine
from fullconv.modalities import AS_STORED, ReadOptions, option_words
from fullconv.models import summarize
from fullconv.models.backbones.definition import Padding

SIZE = (375, 500)  # height and width of most of VOC's photos
CLASSES = 21  # VOC's
LOOKED_AT = 50  # photos that are asked for their size


@dataclass(frozen=True)
class Request:
    """The candidates of a comparison and how they are measured.

    ``nets`` are names, compared untrained, with ``padding`` and ``width``; ``runs`` are run folders
    or checkpoints. ``data`` (None: what each run was trained on) is scored in ``split``. ``size``
    (H, W) is by default that of most photos of ``data``, else 375x500. ``classes`` is a class file,
    or the number of classes of ``nets``: by default those of ``data``, else 21. ``options`` say how
    photos are read, where not as each run was trained; ``nets`` are shown as many bands.
    """

    data: str | None = None
    nets: Sequence[str] = ()
    runs: Sequence[Path] = ()
    size: tuple[int, int] | None = None
    split: str = "val"
    classes: str | None = None
    padding: Padding = "same"
    width: float = 1.0
    device: str = "auto"
    precision: Precision = "fp32"
    rounds: int = 3
    options: ReadOptions = AS_STORED

    def source(self, data: str) -> Source:
        """The photos that a net is scored on."""
        counted = self.classes is None or self.classes.isdecimal()
        classes = None if counted else self.classes
        return open_source(data, self.split, classes, options=self.options)

    def channels(self) -> int:
        """Bands of a photo that the untrained nets are shown."""
        own = own_options(self.data) if self.data else AS_STORED
        return self.options.over(own).channels

    def class_count(self, source: Source | None) -> int:
        """How many classes the untrained nets score."""
        if self.classes and self.classes.isdecimal():
            return int(self.classes)
        if source is not None:
            return len(source.classes)
        return len(read_classes(Path(self.classes).expanduser())) if self.classes else CLASSES

    def command(self) -> str:
        """The command that repeats it; of absolute paths the last part only, for privacy."""
        words = ["fullconv", "compare", *([short_path(self.data)] if self.data else [])]
        words += ["--nets", ",".join(self.nets)] if self.nets else []
        words += [word for run in self.runs for word in ("--runs", short_path(run))]
        for field in fields(self)[3:]:
            value = getattr(self, field.name)
            if field.name == "options":
                words += option_words(value)
            elif value != field.default:
                text = f"{value[0]}x{value[1]}" if field.name == "size" else short_path(str(value))
                words += [f"--{field.name}", text]
        return shlex.join(words)


def compare(request: Request, progress: Progress | None = None) -> Comparison:
    """Count, measure and score all that is asked for.

    All that can be refused (names, files, classes, sizes) is refused before anything is measured:
    UserError. ``progress`` counts forwards and scored photos together.
    """
    pick_precision(request.precision, pick_device(request.device))
    source = request.source(request.data) if request.data else None
    candidates = find_candidates(
        request.nets,
        request.runs,
        request.class_count(source),
        request.padding,
        request.width,
        request.channels() if request.nets else 3,
    )
    photos = [_photos(candidate, request) for candidate in candidates]
    size = request.size or (SIZE if source is None else photo_size(source))
    summaries = [summarize(candidate.spec, size) for candidate in candidates]
    turns = request.rounds * len(candidates)
    bar = _Bar(turns + sum(len(given[0]) for given in photos if given), progress)
    timings, machine = measure(
        candidates, size, request.device, request.precision, request.rounds, bar.part(turns)
    )
    rows = [Row(*parts) for parts in zip(candidates, summaries, timings, strict=True)]
    rows = [_scored(row, given, request, bar) for row, given in zip(rows, photos, strict=True)]
    return Comparison(rows, size, machine, request.rounds, request.command())


def short_path(path: str | Path) -> str:
    """A path as the files name it: as typed, but of an absolute one only the last part."""
    return Path(path).name if Path(path).is_absolute() else str(path)


def photo_size(source: Source) -> tuple[int, int]:
    """The (H, W) that most photos have, of at most 50 spread over the split."""
    chosen = range(0, len(source), math.ceil(len(source) / LOOKED_AT))
    sizes = Counter(_size(source, index) for index in chosen)
    return sizes.most_common(1)[0][0]


def _size(source: Source, index: int) -> tuple[int, int]:
    photo, _ = source.files(index)
    if photo is not None and (size := size_said(photo)):
        return size
    height, width = source[index].image.shape[:2]
    return height, width


Photos = tuple[Source, str]
"""The data that a run is scored on, and its name in the tables."""


def _photos(candidate: Candidate, request: Request) -> Photos | None:
    """UserError when a run does not fit them; None for an untrained net."""
    if candidate.run is None:
        return None
    data = request.data or trained_on(candidate.run)
    counted = request.classes is None or request.classes.isdecimal()
    classes = None if counted else request.classes
    try:
        net = load(candidate.run)
        source = open_for(net, data, request.split, classes, candidate.run, request.options)
    except UserError as error:
        raise UserError(f"{candidate.name}: {error}", error.code) from None
    many = "1 photo" if len(source) == 1 else f"{len(source)} photos"
    return source, f"{many} of {short_path(data)} ({source.split})"


def _scored(row: Row, photos: Photos | None, request: Request, bar: "_Bar") -> Row:
    """The row with the scores of its run."""
    if photos is None or row.candidate.run is None:
        return row
    source, called = photos
    run = load(row.candidate.run)
    engine = TorchEngine(run, request.device, request.precision)
    scores = evaluate(engine, source, progress=bar.part(len(source)))
    return replace(row, scores=scores, scored_on=called, classes=run.classes.names)


class _Bar:
    """One bar for parts that each count from 1."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress, self.begun = total, progress, 0

    def part(self, length: int) -> Progress:
        """The Progress of the next part, which has so many steps."""
        before = self.begun
        self.begun += length
        return lambda done, _: self.progress and self.progress(before + done, self.total)
