"""``fullconv inspect``: the page that shows what a data set is like."""

from collections.abc import Mapping, Sequence
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
    from fullconv.data import Source
    from fullconv.inference import Engine


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
    from fullconv.data.checks.check import counts_line
    from fullconv.report import write_inspection

    if out.is_dir():
        raise UserError(
            f"{out}: is a folder; name a file, as {out / 'inspect.html'}", "FC-FILE-004"
        )
    names = split or available_splits(data)
    read = read_options(bands, span, max_megapixels)
    net = _doubted_sources(run, device, data, names, classes, read) if run else None
    sources = {name: open_source(data, name, classes, options=read) for name in names}
    with screen.progress("reading") as progress:
        sources, _, line = with_measured_range(sources, progress)
        if line:
            print(f"note: {line}")
        result = survey(sources, progress, most)
    with screen.waiting("comparing photos and masks"):
        findings = findings_in(result)
    doubts, shown = {}, []
    if net is not None:
        from fullconv.report.pages.doubted_masks import doubt_pictures, doubts_for_page

        doubts = _doubts(*net, most)
        with screen.waiting("drawing the doubted masks"):
            pictures = {split: doubt_pictures(net[0], each) for split, each in doubts.items()}
            shown = doubts_for_page(doubts, pictures)
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
    print(f"{counts_line(findings)}, in {photos} photos")
    print(page)
    if doubts:
        from fullconv.report.pages.doubted_masks import write_doubts

        print(write_doubts(doubts, out.with_name(f"{out.stem}_doubted.csv")))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _doubted_sources(
    run: Path,
    device: str,
    data: str,
    splits: Sequence[str],
    classes: Path | None,
    read: ReadOptions,
) -> "tuple[Engine, dict[str, Source]]":
    """The net and the splits as it knows them, before any photo is read: errors come at once."""
    from fullconv.evaluation import open_for
    from fullconv.inference import open_engine

    opened = open_engine(fetched(run), device, say=say)
    return opened.engine, {s: open_for(opened, data, s, classes, run, read) for s in splits}


def _doubts(
    engine: "Engine", sources: "Mapping[str, Source]", most: int | None
) -> "dict[str, LabelDoubts]":
    """The doubted masks of each split that has masks."""
    from fullconv.cli import tables as screen
    from fullconv.curation import label_doubts

    doubts = {}
    for split, source in sources.items():
        try:
            with screen.progress(f"predicting {split}") as progress:
                doubts[split] = label_doubts(engine, source, progress, most)
        except UserError as error:
            if error.code != "FC-DATA-107":
                raise
            say(f"note: {split} has no masks that the net could doubt")
        if split == "train":
            say("note: a net doubts the masks less that it was trained on: it has learnt them")
    return doubts
