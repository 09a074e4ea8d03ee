"""``fullconv compare``."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli import completion
from fullconv.cli.main import app
from fullconv.cli.options import Device, Precision, size_of
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS


@app.command()
def compare(
    data: Annotated[
        str | None,
        typer.Argument(help="Data set.  [default: for each run the one it was trained on]"),
    ] = None,
    nets: Annotated[
        list[str] | None,
        typer.Option(
            help="Nets to compare untrained, separated by commas.", autocompletion=completion.nets
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder, or a model.safetensors; can be repeated."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Height x width of the photo.  [default: DATA's photos, else 375x500]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.md, .csv and .png.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to score the runs on.")] = "val",
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class file, or the number of classes of --nets.  [default: DATA's, else 21]"
        ),
    ] = None,
    padding: Annotated[str, typer.Option(help="same or paper, of --nets.")] = "same",
    width: Annotated[
        float, typer.Option(help="Multiplies the channels of every layer of --nets.")
    ] = 1.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often each net is measured.")] = 3,
    device: Device = "auto",
    precision: Precision = "fp32",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Compare nets and runs: size, receptive field, time, memory, scores.

    Table 1 of the FCN paper, for this machine. Times and memory are measured, one photo at a
    time, all nets in turn; runs are scored on DATA, or on what they were trained on. For two or
    more runs scored on the same photos a paired bootstrap shows which are better.

    \b
    Examples:
      fullconv compare --nets fcn32s-caffenet,fcn32s-vgg16,fcn32s-googlenet --size 375x500
      fullconv compare photos/ --nets fcn8s-vgg16 --runs runs/a --runs runs/b --out comparison/
    """
    from fullconv.benchmark import Request, write_comparison
    from fullconv.benchmark import compare as compare_nets
    from fullconv.benchmark.table import notes
    from fullconv.cli import tables as screen
    from fullconv.report.score_files import refuse_data_set

    names = [name.strip() for given in nets or () for name in given.split(",")]
    request = Request(
        data, names, runs or (), size_of(size) if size else None, split, classes,
        padding, width, device, precision, rounds,  # pyright: ignore
        read_options(bands, span, max_megapixels),
    )  # fmt: skip
    if out and out.is_file():
        raise UserError(f"{out}: is a file; name a folder for the comparison", "FC-FILE-004")
    if out:
        refuse_data_set(out)
    with screen.progress("comparing") as progress:
        comparison = compare_nets(request, progress)
    shown = screen.console()
    for table in screen.comparison_tables(comparison):
        shown.print(table, "")
    for note in notes(comparison):
        shown.print(f"- {note}", markup=False)
    for path in write_comparison(comparison, out) if out else ():
        shown.print(path)
