"""What the commands print: tables and a progress bar."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from fullconv.benchmark.engine_table import EngineBenchmark
from fullconv.benchmark.table import (
    COMPUTED,
    MEASURED,
    Comparison,
    computed_cells,
    measured_cells,
    scored_cells,
    scored_head,
)
from fullconv.checkpoints import Conversion
from fullconv.checkpoints.download_weights import file_here
from fullconv.checkpoints.installed import InstalledFile
from fullconv.checkpoints.registry import Published
from fullconv.classes import Output
from fullconv.data import ClassCounts, class_weights
from fullconv.data.published import PublishedData
from fullconv.download import RemoteFile
from fullconv.duration import duration
from fullconv.geometry import chain
from fullconv.metrics import Interval, Scores, percent
from fullconv.models import Explanation, Summary
from fullconv.models.analysis.explain import Crop
from fullconv.models.backbones.definition import PAPER_PAD

PIPED = 120  # columns of a table where no terminal says how wide it is


def console() -> Console:
    """The screen; in a pipe or a file lines are not cut to 80 columns."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED)


def predicted(photos: int, errors: int, seconds: float, net: float | None) -> str:
    """How many photos were predicted and, where the net's time is known, its share of all."""
    done = photos - errors
    said = f"{done} of {photos} photos predicted"
    if not done or net is None:
        return said
    rate = done / seconds
    speed = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
    return f"{said} in {duration(seconds)} ({speed}, net {net / seconds:.0%})"


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, drawn while the block runs; gives the function that moves it.

    The function takes the photos done and the photos in all. Nothing is drawn where stderr is no
    terminal.
    """
    with _bar(what, MofNCompleteColumn()) as move:
        yield move


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A line on stderr that says what is done while the block runs; none without a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True).status(what):
        yield


@contextmanager
def download_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """As ``progress``, for bytes; in all None where the server does not say."""
    with _bar(what, DownloadColumn(binary_units=True), TransferSpeedColumn()) as move:
        yield move


@contextmanager
def _bar(what: str, *counts: ProgressColumn) -> Iterator[Callable[[int, int | None], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), *counts, TimeRemainingColumn())
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """An empty table; the first ``left`` columns are words, the others numbers."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        made.add_column(name, justify="left" if place < left else "right", no_wrap=place > 0)
    return made


def scores_tables(scores: Scores, output: Output) -> list[Table]:
    """The table of the classes of an output and the four scores, in percent."""
    whole = max(int(scores.pixels.sum()), 1)
    columns = {"IU": scores.iu, "accuracy": scores.accuracy, "precision": scores.precision}
    columns |= {"Dice": scores.dice}
    if scores.boundary_iu is not None:
        columns["boundary IU"] = scores.boundary_iu
    columns["share of pixels"] = scores.pixels / whole
    cells = {name: [percent(float(value)) for value in column] for name, column in columns.items()}
    if scores.intervals and scores.intervals.mean_iu.is_known:
        ends = {f"{100 * scores.intervals.level:.0f} % interval": map(between, scores.intervals.iu)}
        cells = {"IU": cells.pop("IU"), **ends, **cells}
    classes = table(output.name, ("class", *cells))
    for name, *values in zip(output.classes.names, *cells.values(), strict=True):
        classes.add_row(escape(name), *values)
    four = {"pixel accuracy": scores.pixel_accuracy, "mean accuracy": scores.mean_accuracy}
    four |= {"mean IU": scores.mean_iu, "frequency-weighted IU": scores.fw_iu}
    if scores.mean_boundary_iu is not None:
        four["mean boundary IU"] = scores.mean_boundary_iu
    means = table("", tuple(four), left=0)
    means.add_row(*map(percent, four.values()))
    return [classes, means]


def mean_iu_line(scores: Scores, output: Output) -> str | None:
    """'mean IU 63.1 (95 % interval 61.0 to 65.2, 101 photos)'; None where there is no interval.

    With the name of the output before it, where there are several.
    """
    found = scores.intervals
    if found is None or not found.mean_iu.is_known:
        return None
    interval = f"{100 * found.level:.0f} % interval {between(found.mean_iu)}"
    name = f"{escape(output.name)}: " if output.name else ""
    return f"{name}mean IU {percent(scores.mean_iu)} ({interval}, {found.photos} photos)"


def between(interval: Interval) -> str:
    """'61.0 to 65.2', in percent; '-' where there is none."""
    if not interval.is_known:
        return "-"
    return f"{percent(interval.low)} to {percent(interval.high)}"


def statistics_table(names: Sequence[str], counts: ClassCounts) -> Table:
    """One row a class: how often it appears, and its weight under either weighting."""
    made = table(
        f"{counts.masks} masks",
        ("class", "share of pixels", "photos", "median-frequency", "softened"),
    )
    whole = max(int(counts.pixels.sum()), 1)
    weights = class_weights(counts, "median-frequency"), class_weights(counts, "softened")
    for place, name in enumerate(names):
        made.add_row(
            escape(name),
            percent(counts.pixels[place] / whole),
            str(counts.photos[place]),
            *(f"{weight[place]:.2f}" for weight in weights),
        )
    return made


def sizes_line(sizes: Sequence[tuple[tuple[int, int], int]]) -> str:
    """How many photos, and the commonest of their sizes (height, width)."""
    total = sum(count for _, count in sizes)
    shown = ", ".join(f"{w} x {h} ({count})" for (h, w), count in sizes[:4])
    more = f" and {len(sizes) - 4} more sizes" if len(sizes) > 4 else ""
    return f"{total} photos; width x height: {shown}{more}" if total else "no photo can be used"


def nets_table(summaries: Sequence[Summary], size: tuple[int, int]) -> Table:
    """One row a net."""
    made = table(
        f"Nets for 21 classes; multiply-adds at {size[0]}x{size[1]}, padding same",
        ("net", "conv layers", "parameters", "receptive field", "multiply-adds"),
    )
    for net in summaries:
        made.add_row(
            net.name,
            str(net.conv_layers),
            f"{net.parameters / 1e6:.1f} M",
            "all" if net.sees_everything else str(net.receptive_field),
            f"{net.multiply_adds / 1e9:.1f} G",
        )
    return made


def comparison_tables(comparison: Comparison) -> list[Table]:
    """What the nets are, counted; what they cost and reach, measured. One row a net in each."""
    height, width = comparison.size
    counted = table(f"On one photo of {height}x{width}", COMPUTED)
    found = table("Measured", ("net", *MEASURED, *scored_head(comparison)))
    for row in comparison.rows:
        counted.add_row(*map(escape, computed_cells(row)))
        scored = scored_cells(row, comparison)
        found.add_row(escape(row.candidate.name), *measured_cells(row), *scored)
    return [counted, found]


def engines_table(found: EngineBenchmark) -> Table:
    """The engines that were measured, the reference first."""
    first = found.rows[0]
    size = f"{found.size[0]}x{found.size[1]}"
    columns = ("engine", "file", "a photo", "memory", f"times {first.name}", f"as {first.name}")
    made = table(f"On one photo of {size}, {found.precision}, median", columns, left=2)
    for row in found.rows:
        if row.timing and first.timing:
            seconds, times = row.timing.median, first.timing.median / row.timing.median
            cells = f"{seconds:.3g} s", f"{row.timing.peak_mib} MiB", f"{times:.2f}"
            made.add_row(row.name, escape(str(row.typed)), *cells, percent_same(row.same))
    return made


def percent_same(share: float) -> str:
    """'99.9996%', and '100%' only where every pixel is."""
    return "100%" if share == 1 else f"{math.floor(share * 1e6) / 1e4:.4f}%"


def engine_notes(found: EngineBenchmark) -> list[str]:
    """What was left out and why, and what to type."""
    first, best, fastest = found.rows[0].name, found.recommended, found.fastest
    lines = [f"left out: {row.name}: {row.error}" for row in found.rows if row.error]
    lines.append(f"fastest with every class as {first} has it: {found.command(best)}")
    if fastest is not best:
        changed = 100 - 100 * fastest.same
        lines.append(f"faster, {changed:.2g}% of the pixels differ: {found.command(fastest)}")
    return lines


def conversion_tables(made: Conversion) -> list[Table]:
    """What became of every array: loaded, missing here, not needed from there; no empty table."""
    loaded = table("", ("loaded", "from", "shape"), left=2)
    missing = table("", ("missing", "shape", "how it starts"), left=3)
    not_needed = table("", ("not needed", "shape", "why"), left=3)
    for row in made.loaded:
        loaded.add_row(row.ours, escape(row.theirs), _shape(row.shape))
    for row in made.missing:
        missing.add_row(row.ours, _shape(row.shape), row.note)
    for row in made.not_needed:
        not_needed.add_row(escape(row.theirs), _shape(row.shape), escape(row.note))
    for column in (missing.columns[-1], not_needed.columns[-1]):
        column.no_wrap = False
    return [each for each in (loaded, missing, not_needed) if each.row_count]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "-"


def explanation_table(explained: Explanation) -> Table:
    """One row a layer."""
    height, width = explained.size
    made = table(
        f"{explained.spec.name} on {height}x{width}, padding {explained.spec.padding}",
        ("layer", "size", "channels", "stride", "field", "offset", "memory", "multiply-adds"),
    )
    for row in explained.rows:
        made.add_row(
            row.name,
            f"{row.height}x{row.width}",
            str(row.channels),
            str(row.stride),
            "all" if row.field is None else str(row.field),
            f"{float(row.offset):g}",
            f"{row.bytes / 2**20:.1f} MiB",
            f"{row.multiply_adds / 1e9:.2f} G",
        )
    return made


def explanation_notes(explained: Explanation) -> list[str]:
    """What the table does not say: the coordinate map, the crops, the costs, the warnings."""
    high, wide = explained.score_size
    which = "coarsest score map" if len(explained.spec.strides) > 1 else "score map"
    notes = [
        f"The {which} is {high}x{wide}. Its pixel i sits at {explained.score_map} of "
        f"the photo, {_sits(explained)}.",
        *_alignment(explained),
        f"One photo: {explained.cost.multiply_adds / 1e9:.1f} G multiply-adds, "
        f"{explained.cost.activation_bytes / 2**20:.0f} MiB of fp32 outputs of all layers.",
    ]
    if explained.cost_ratio is not None:
        notes.append(
            f"Padding 'paper' makes {explained.cost_ratio:.2f} times the multiply-adds of 'same' "
            f"here; it pads {PAPER_PAD} where {explained.least_pad} would do."
        )
    return notes + [f"Warning: {text}" for text in explained.warnings]


def _sits(explained: Explanation) -> str:
    """What of a score pixel lies where it sits."""
    definition, coarsest = explained.spec.definition, explained.spec.strides[0]
    if definition.sees_everything(coarsest):
        return "where what it belongs to lies; it sees all of the photo"
    if definition.map(coarsest) != chain(definition.windows(coarsest)):
        return "which is not the centre of the receptive field that it sees"
    return "the centre of the receptive field that it sees"


def _alignment(explained: Explanation) -> list[str]:
    """How scores come to lie on the pixels they belong to."""
    if explained.spec.stretches:
        return [
            "No crop: the score map is stretched over the photo, as the published weights of this "
            "net were trained, not placed where its pixels sit."
        ]
    if explained.spec.is_pyramid:
        return [
            "Each map of the pyramid is upsampled to where its pixels sit on the next finer one, "
            "added there and blended; the finest is scored."
        ]
    if explained.spec.is_deconv and explained.spec.padding == "same":
        return ["The coarser scores are summed on the finest score map.", *_deconv_notes(explained)]
    if explained.spec.padding == "same":
        where = "on the next finer score map" if explained.fuses_on_the_way else "on the photo"
        return [
            "No crop: with 'same' padding every score is upsampled to where its pixels sit and "
            f"added {where}."
        ]
    return [_crop_note(made) for made in explained.crops]


def _deconv_notes(explained: Explanation) -> list[str]:
    """The deconvolutions that mix the classes; their pads are the crops."""
    return [
        f"{made.deconv.name} (kernel {made.deconv.kernel}, stride {made.deconv.stride}, pad "
        f"{made.pixels}): learned, mixes the classes, adds a bias, to "
        f"{AIMS.get(made.cropped, made.cropped)}."
        for made in explained.crops
    ]


def _crop_note(made: Crop) -> str:
    deconv, aim = made.deconv, AIMS.get(made.cropped, made.cropped)
    how = f"{deconv.name} (kernel {deconv.kernel}, stride {deconv.stride}): "
    if made.pixels < 0:
        return how + f"begins {-made.pixels} pixels inside {aim}: those get no score of their own."
    return how + (
        f"then a crop of {made.pixels} lines it up with {aim}, the difference of the two maps' "
        "offsets."
    )


AIMS = {"score": "the photo"}


def weights_tables(published: Iterable[Published]) -> list[Table]:
    """One table a source and licence, one row for each of its weights."""
    tables: dict[tuple[str, str], Table] = {}
    for each in published:
        key, is_package = (each.source, each.file.licence), isinstance(each.file, InstalledFile)
        if key not in tables:
            title = f"{each.source}; licence: {each.file.licence}"
            last = "package" if is_package else "cache"
            columns = ("name", "net", "classes", "format", "size", "check", last)
            tables[key] = table(title, columns, left=len(columns))
        row = (each.name, each.net, each.classes, each.format, *_file(each.file), _kept(each))
        tables[key].add_row(*row)
    return list(tables.values())


def data_table(published: Iterable[PublishedData]) -> Table:
    """One row a data set."""
    columns = ("name", "what", "size", "check", "licence")
    made = table("Data sets with public addresses", columns, left=len(columns))
    for column in made.columns[1:]:
        column.no_wrap = False
    for each in published:
        made.add_row(each.name, each.what, *_file(each.file), each.file.licence)
    return made


def _kept(weights: Published) -> str:
    """Whether their file is on this machine; which package would bring it, where one does."""
    if isinstance(weights.file, InstalledFile):
        return "installed" if file_here(weights) else weights.file.package
    return "yes" if file_here(weights) else ""


def _file(file: RemoteFile | InstalledFile) -> tuple[str, str]:
    """Its size and what it is verified by, in words where they are not known."""
    size = file.size if isinstance(file, InstalledFile) else file.size or file.about
    return f"{size / 2**20:.0f} MiB" if size else "unknown", file.verified_by
