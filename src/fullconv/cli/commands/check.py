"""``fullconv check``."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.check_fix import refuse_in_place, write_fixed_copy
from fullconv.cli.main import app
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="Data set.")],
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; can be repeated.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
    again: Annotated[
        bool, typer.Option("--again", help="Also read what is unchanged since the last check.")
    ] = False,
    fix: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Write a corrected copy into this new folder: errors with one safe correction "
            "are corrected, photos with other errors left out. DATA itself is not changed.",
        ),
    ] = None,
    ignore: Annotated[
        list[int] | None,
        typer.Option(
            metavar="VALUE",
            help="For --fix: a mask value of unlabelled pixels, besides the class file's. With 0, "
            "classes count from 1 (reduce_zero_label). Can be repeated.",
        ),
    ] = None,
) -> None:
    """Look for errors in a data set: every photo and mask is read once.

    Photos and masks that have not changed since the last check are not read again. Names each file,
    the likely cause and the fix, and counts what is left out or in no split.
    Exit code 1 if training would stop at an error. With --fix OUT a copy is written in which 0/255
    masks, class numbers from 1, sizes that differ by a whole factor, masks turned against their
    photo's EXIF orientation and colours saved as BGR are corrected, with a page that shows each
    before and after; exit code 1 then means that photos were left out of it.

    \b
    Examples:
      fullconv check photos/
      fullconv check VOCdevkit/VOC2012 --split train --split val
      fullconv check photos/ --again
      fullconv check photos/ --fix photos_fixed/
      fullconv check photos/ --fix photos_fixed/ --ignore 0
    """
    from fullconv.cli import tables as screen
    from fullconv.data import (
        available_splits,
        listing,
        open_source,
        own_options,
        with_measured_range,
    )
    from fullconv.data import check as check_data
    from fullconv.data.checks.check import counted_line, counts_line

    if fix is not None:
        refuse_in_place(data, fix)
    elif ignore:
        raise UserError("--ignore: goes with --fix OUT, the copy to write", "FC-CLI-001")
    names, read = split or available_splits(data), read_options(bands, span, max_megapixels)
    sources = {name: open_source(data, name, classes, options=read) for name in names}
    with screen.progress("checking") as progress:
        sources, _, line = with_measured_range(sources, progress)
        if line:
            print(f"note: {line}")
        lines: list[str] = []

        def counted(read: int, total: int) -> None:
            lines.append(counted_line(read, total))

        findings = check_data(sources, progress, counted, again)
    for line in filter(None, lines):
        print(line)
    for line in listing(findings):
        print(line)
    photos = ", ".join(f"{len(source)} {name}" for name, source in sources.items())
    print(f"{counts_line(findings)}, in {photos} photos")
    if fix is not None:
        own = read.over(own_options(data, classes))
        whole = write_fixed_copy(data, sources, fix, own, ignore or ())
        raise typer.Exit(0 if whole else 1)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
