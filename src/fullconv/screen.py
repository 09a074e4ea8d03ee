"""What the commands print: tables and a progress bar."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fullconv.data import ClassCounts, class_weights
from fullconv.metrics import Scores
from fullconv.nets import Explanation, Summary
from fullconv.nets.backbone import PAPER_PAD
from fullconv.nets.explain import Crop

PIPED = 120  # columns of a table where no terminal says how wide it is


def console() -> Console:
    """The screen; in a pipe or a file lines are not cut to 80 columns."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, drawn while the block runs; gives the function that moves it.

    The function takes the photos done and the photos in all. Nothing is drawn where stderr is no
    terminal.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
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


def percent(value: float) -> str:
    """'62.7', and '-' for nan."""
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def scores_tables(scores: Scores) -> list[Table]:
    """The table of the classes and the four scores, in percent."""
    classes = table("", ("class", "IU", "accuracy", "share of pixels"))
    whole = max(int(scores.pixels.sum()), 1)
    for place, name in enumerate(scores.names):
        values = scores.iu[place], scores.accuracy[place], scores.pixels[place] / whole
        classes.add_row(escape(name), *(percent(float(value)) for value in values))
    names = ("pixel accuracy", "mean accuracy", "mean IU", "frequency-weighted IU")
    four = table("", names, left=0)
    four.add_row(*(percent(value) for value in scores.summary().values()))
    return [classes, four]


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
            str(net.receptive_field),
            f"{net.multiply_adds / 1e9:.1f} G",
        )
    return made


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
            str(row.field),
            f"{float(row.offset):g}",
            f"{row.bytes / 2**20:.1f} MiB",
            f"{row.multiply_adds / 1e9:.2f} G",
        )
    return made


def explanation_notes(explained: Explanation) -> list[str]:
    """What the table does not say: the coordinate map, the crops, the costs, the warnings."""
    high, wide = explained.score_size
    notes = [
        f"The coarsest score map is {high}x{wide}. Its pixel i sits at {explained.score_map} of "
        "the photo, the centre of the receptive field that it sees.",
        *_alignment(explained),
        f"One photo: {explained.cost.multiply_adds / 1e9:.1f} G multiply-adds, "
        f"{explained.cost.activation_bytes / 2**20:.0f} MiB of fp32 outputs of all layers.",
        f"Padding 'paper' makes {explained.cost_ratio:.2f} times the multiply-adds of 'same' here; "
        f"it pads {PAPER_PAD} where {explained.least_pad} would do.",
    ]
    return notes + [f"Warning: {text}" for text in explained.warnings]


def _alignment(explained: Explanation) -> list[str]:
    """How scores come to lie on the pixels they belong to."""
    if explained.spec.stretches:
        return [
            "No crop: the score map is stretched over the photo, as the published weights of this "
            "net were trained, not placed where its pixels sit."
        ]
    if explained.spec.padding == "same":
        where = "on the next finer score map" if explained.fuses_on_the_way else "on the photo"
        return [
            "No crop: with 'same' padding every score is upsampled to where its pixels sit and "
            f"added {where}."
        ]
    return [_crop_note(made) for made in explained.crops]


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
