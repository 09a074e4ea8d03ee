"""The tables of a data set's counts, and of the data sets that can be downloaded."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from fullconv.cli.tables.screen import table
from fullconv.data import ClassCounts, class_weights
from fullconv.data.class_weights import POWERS
from fullconv.data.published import PublishedData
from fullconv.download import RemoteFile
from fullconv.metrics import percent

if TYPE_CHECKING:
    from fullconv.checkpoints.installed import InstalledFile
    from fullconv.curation import LabelErrors
    from fullconv.curation.suggestions import Suggestions


def statistics_table(names: Sequence[str], counts: ClassCounts) -> Table:
    """One row a class: how often it appears, and its weight under each weighting."""
    listed = table(
        f"{counts.masks} masks",
        ("class", "share of pixels", "photos", *POWERS),
    )
    weights = [class_weights(counts, how) for how in POWERS]
    for index, name in enumerate(names):
        listed.add_row(
            escape(name),
            percent(float(counts.shares[index])),
            str(counts.photos[index]),
            *(f"{weight[index]:.2f}" for weight in weights),
        )
    return listed


def sizes_line(sizes: Sequence[tuple[tuple[int, int], int]]) -> str:
    """How many photos, and the commonest of their sizes (height, width)."""
    total = sum(count for _, count in sizes)
    shown = ", ".join(f"{w} x {h} ({count})" for (h, w), count in sizes[:4])
    more = f" and {len(sizes) - 4} more sizes" if len(sizes) > 4 else ""
    return f"{total} photos; width x height: {shown}{more}" if total else "no photo can be used"


def label_errors_table(errors: "LabelErrors", most: int = 10) -> Table:
    """The masks of a split with the likeliest label errors, and the likeliest of each."""
    names, split = errors.source.classes.names, errors.source.split
    title = (
        f"{split}: the {len(errors.masks)} masks ranked by their likely label errors, mean IU "
        f"{percent(errors.mean_iu)}"
    )
    columns = ("mask", "labelled", "predicted", "probability", "pixels", "at x, y", "cost in IU")
    listed = table(title, columns, left=3)
    for mask in errors.with_errors[:most]:
        region = mask.regions[0]
        listed.add_row(
            escape(mask.file),
            escape(names[region.label]),
            escape(names[region.prediction]),
            f"{region.confidence:.2f}",
            str(region.pixels),
            f"{region.box[1]}, {region.box[0]}",
            f"{100 * mask.cost:.2f}",
        )
    return listed


def suggestions_table(chosen: "Suggestions") -> Table:
    """The photos to label next, with the reasons in brief."""
    from fullconv.curation.reasons import KINDS  # loads torch

    columns = ("photo", *KINDS)
    listed = table("Photos to label next, the first one first", columns, left=len(columns))
    for suggestion in chosen.photos:
        briefs = {reason.kind: reason.brief for reason in suggestion.reasons}
        listed.add_row(escape(suggestion.name), *(escape(briefs.get(kind, "")) for kind in KINDS))
    return listed


def data_table(published: Iterable[PublishedData]) -> Table:
    """One row a data set."""
    columns = ("name", "what", "size", "check", "licence")
    listed = table("Data sets with public addresses", columns, left=len(columns))
    for column in listed.columns[1:]:
        column.no_wrap = False
    for dataset in published:
        listed.add_row(
            dataset.name, dataset.what, *size_and_check(dataset.file), dataset.file.licence
        )
    return listed


def size_and_check(file: "RemoteFile | InstalledFile") -> tuple[str, str]:
    """The size of a file and how it is verified, in words where that is not known."""
    size = file.size or getattr(file, "about", None)
    return f"{size / 2**20:.0f} MiB" if size else "unknown", file.verified_by
