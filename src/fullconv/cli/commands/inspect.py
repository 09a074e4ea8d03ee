"""``fullconv inspect``: the page that shows what a data set is like."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.main import app, say
from fullconv.cli.options import Device, fetched
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.files.write_targets import check_page_target
from fullconv.modalities import MAX_MEGAPIXELS, ReadOptions

if TYPE_CHECKING:
    from fullconv.curation import LabelErrors
    from fullconv.data import Source
    from fullconv.inference import Engine


@app.command()
def inspect(
    data: Annotated[str, typer.Argument(help="Data set.")],
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; can be repeated.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("inspect.html"),
    run: Annotated[
        Path | None,
        typer.Option(
            help="A trained net (run folder, checkpoint, exported file): rank the masks by "
            "likely label errors, on the page and in a CSV beside it."
        ),
    ] = None,
    device: Device = "auto",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
    most: Annotated[
        int | None, typer.Option(min=1, help="Read at most this many photos of each split.")
    ] = None,
) -> None:
    """Write a page that shows a data set and what looks wrong in it, with a summary here.

    The page works offline. It has how often each class appears, sizes, examples of each class and
    the class weights that follow; and what looks wrong: the errors of 'fullconv check', masks that
    look shifted, exchanged or averaged, duplicate masks, photos that are in two splits, rare
    classes. Each finding names the files and the fix. With --run also likely label errors: where a
    trained net is confident of another class, and what that costs in IU. Exit code 1 if the data
    cannot be trained on.

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
    check_page_target(out)
    names = split or available_splits(data)
    read = read_options(bands, span, max_megapixels)
    net = _label_error_sources(run, device, data, names, classes, read) if run else None
    sources = {name: open_source(data, name, classes, options=read) for name in names}
    with screen.progress("reading") as progress:
        sources, _, line = with_measured_range(sources, progress)
        if line:
            print(f"note: {line}")
        result = survey(sources, progress, most)
    with screen.waiting("comparing photos and masks"):
        findings = findings_in(result)
    errors, shown = {}, []
    if net is not None:
        from fullconv.report.pages import label_error_section as section

        errors = _label_errors(*net, most)
        if note := _of_own_masks(run, data, errors):
            say(note)
        with screen.waiting("drawing the likely errors"):
            drawn = {
                split: section.label_error_pictures(net[0], of) for split, of in errors.items()
            }
            shown = section.label_errors_for_page(errors, drawn)
    page = write_inspection(data, result, findings, out, shown, str(run))
    console = screen.console()
    for name, source in sources.items():
        console.print(f"{name}: {screen.sizes_line(result.sizes(name))}")
        console.print(screen.statistics_table(source.classes.names, result.counts(name)), "")
    for of_split in errors.values():
        console.print(screen.label_errors_table(of_split), "")
    for line in listing(findings):
        print(line)
    photos = ", ".join(f"{len(source)} {name}" for name, source in sources.items())
    print(f"{counts_line(findings)}, in {photos} photos")
    print(page)
    if errors:
        from fullconv.report.pages.label_error_section import write_label_errors

        print(write_label_errors(errors, out.with_name(f"{out.stem}_label_errors.csv")))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _label_error_sources(
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


def _label_errors(
    engine: "Engine", sources: "Mapping[str, Source]", most: int | None
) -> "dict[str, LabelErrors]":
    """The likely label errors of each split that has masks."""
    from fullconv.cli import tables as screen
    from fullconv.curation import find_label_errors

    errors = {}
    for split, source in sources.items():
        try:
            with screen.progress(f"predicting {split}") as progress:
                errors[split] = find_label_errors(engine, source, progress, most)
        except UserError as error:
            if error.code != "FC-DATA-107":
                raise
            say(f"note: {split} has no masks to rank")
    return errors


def _of_own_masks(run: Path | None, data: str, splits: Collection[str]) -> str:
    """What is said where the net may have learnt the errors that it is to find; '' elsewhere."""
    from fullconv.data.data_of_run import trained_on

    if "train" not in splits:
        return ""
    try:
        place = trained_on(run)
    except UserError:
        return (
            "note: if the net was trained on the masks of train, it has learnt some of their errors"
        )
    if place != data and Path(place).resolve() != Path(data).resolve():
        return ""
    return "note: the net was trained on the masks of train, so it has learnt some of their errors"
