"""``fullconv inspect``: the page that shows what a data set is like."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.main import app, say
from fullconv.cli.options import Device, fetched
from fullconv.cli.rasters import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS, ReadOptions

if TYPE_CHECKING:
    from fullconv.curation import LabelDoubts
    from fullconv.inference import OpenedNet


@app.command()
def inspect(
    data: Annotated[str, typer.Argument(help="Data set.")],
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; can be given again.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("inspect.html"),
    run: Annotated[
        Path | None,
        typer.Option(
            help="A trained net (run folder, checkpoint, exported file): rank the masks by how "
            "much it doubts them, on the page and in a CSV beside it."
        ),
    ] = None,
    device: Device = "auto",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
    most: Annotated[
        int | None, typer.Option(min=1, help="Look at so many photos of each split only.")
    ] = None,
) -> None:
    """Look through a data set as a person would: a page that works offline, and a summary here.

    How often each class appears, sizes, examples of each class, the loss weights that would
    follow; and what looks wrong: the errors of 'fullconv check', masks that look shifted, exchanged
    or averaged, a mask that stands twice, photos of one split that are in another, too, rare
    classes. Each finding names the files and the fix. With --run also the masks that a trained net
    doubts: where it is sure of another class, and what that costs in IU. Exit code 1 if training
    would stumble.

    \b
    Examples:
      fullconv inspect photos/
      fullconv inspect VOCdevkit/VOC2012 --split train --split val --out voc.html
      fullconv inspect photos/ --most 500
      fullconv inspect photos/ --split val --run runs/first
    """
    from fullconv.cli import tables as screen
    from fullconv.data import (
        available_splits,
        findings_in,
        listing,
        open_source,
        survey,
        with_measured_range,
    )
    from fullconv.data.checks.check import said_counts
    from fullconv.report import write_inspection

    if out.is_dir():
        raise UserError(
            f"{out}: is a folder; name a file, as {out / 'inspect.html'}", "FC-FILE-004"
        )
    opened = _opened(run, device) if run is not None else None
    names = split or available_splits(data)
    read = read_options(bands, span, max_megapixels)
    sources = {name: open_source(data, name, classes, options=read) for name in names}
    with screen.progress("reading") as progress:
        sources, _, line = with_measured_range(sources, progress)
        if line:
            print(f"note: {line}")
        result = survey(sources, progress, most)
    with screen.waiting("comparing photos and masks"):
        findings = findings_in(result)
    doubts, shown = {}, []
    if opened is not None:
        from fullconv.report.doubted_masks import doubt_pictures, doubts_for_page

        doubts = _doubts(opened, data, names, classes, run, read)
        with screen.waiting("drawing the doubted masks"):
            shown = doubts_for_page(
                doubts, {k: doubt_pictures(opened.engine, d) for k, d in doubts.items()}
            )
    page = write_inspection(data, result, findings, out, shown, str(run))
    console = screen.console()
    for name, source in sources.items():
        console.print(f"{name}: {screen.sizes_line(result.sizes(name))}")
        console.print(screen.statistics_table(source.classes.names, result.counts(name)), "")
    for of_split in doubts.values():
        console.print(screen.doubts_table(of_split), "")
    for line in listing(findings):
        print(line)
    photos = ", ".join(f"{len(source)} {name}" for name, source in sources.items())
    print(f"{said_counts(findings)}, in {photos} photos")
    print(page)
    if doubts:
        from fullconv.report.doubted_masks import write_doubts

        print(write_doubts(doubts, out.with_name(f"{out.stem}_doubted.csv")))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _opened(run: Path, device: str) -> "OpenedNet":
    """The net, opened before the photos are read: an error in its name is told at once."""
    from fullconv.inference import open_engine

    return open_engine(fetched(run), device, say=say)


def _doubts(
    opened: "OpenedNet",
    data: str,
    splits: Sequence[str],
    classes: Path | None,
    run: Path | None,
    read: ReadOptions,
) -> "dict[str, LabelDoubts]":
    """The doubted masks of each split that has masks."""
    from fullconv.cli import tables as screen
    from fullconv.curation import label_doubts
    from fullconv.evaluation import open_for

    doubts = {}
    for split in splits:
        source = open_for(opened, data, split, classes, run, read)
        if all(source.files(place)[1] is None for place in range(len(source))):
            say(f"note: {split} has no masks that the net could doubt")
            continue
        with screen.progress(f"predicting {split}") as progress:
            doubts[split] = label_doubts(opened.engine, source, progress)
        if split == "train":
            say("note: a net doubts the masks less that it was trained on: it has learnt them")
    return doubts
