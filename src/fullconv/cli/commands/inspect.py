"""``fullconv inspect``: the page that shows what a data set is like."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.main import app
from fullconv.cli.rasters import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS


@app.command()
def inspect(
    data: Annotated[str, typer.Argument(help="Data set.")],
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; can be given again.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("inspect.html"),
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
    classes. Each finding names the files and the fix. Exit code 1 if training would stumble.

    \b
    Examples:
      fullconv inspect photos/
      fullconv inspect VOCdevkit/VOC2012 --split train --split val --out voc.html
      fullconv inspect photos/ --most 500
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
    sources = {name: open_source(data, name, classes, options=read) for name in names}
    with screen.progress("reading") as progress:
        sources, _, line = with_measured_range(sources, progress)
        if line:
            print(f"note: {line}")
        result = survey(sources, progress, most)
    with screen.waiting("comparing photos and masks"):
        findings = findings_in(result)
        page = write_inspection(data, result, findings, out)
    console = screen.console()
    for name, source in sources.items():
        console.print(f"{name}: {screen.sizes_line(result.sizes(name))}")
        console.print(screen.statistics_table(source.classes.names, result.counts(name)), "")
    for line in listing(findings):
        print(line)
    photos = ", ".join(f"{len(source)} {name}" for name, source in sources.items())
    print(f"{counts_line(findings)}, in {photos} photos")
    print(page)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
