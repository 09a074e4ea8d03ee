"""``fullconv nets`` and ``explain``: what there is to know of a net before any training."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli import completion
from fullconv.cli.main import app
from fullconv.cli.options import size_of
from fullconv.errors import UserError, printable


@app.command()
def nets(
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Show a table too: parameters, receptive field, and multiply-adds at this size.",
        ),
    ] = None,
) -> None:
    """List the nets by name, the recommended ones first.

    \b
    Examples:
      fullconv nets
      fullconv nets --size 375x500
      fullconv explain fcn8s-vgg16
    """
    from fullconv.models.registry import BACKBONES, RECOMMENDED, heads

    pair = size_of(size) if size else None
    width = max(map(len, RECOMMENDED))
    print("Recommended:")
    for name, why in RECOMMENDED.items():
        print(f"  {name:{width}}  {why}")
    if pair:
        _print_table(pair)
        return
    print("All, as HEAD-BACKBONE:")
    width = max(map(len, BACKBONES))
    for name, backbone in BACKBONES.items():
        print(f"  {name:{width}}  {' '.join(heads(backbone))}")
    print(
        "And every backbone of timm: fpn4s-timm.convnext_tiny, fcn8s-timm.resnet50d, ... "
        "(pip install 'fullconv[timm]')."
    )
    print("next: fullconv nets --size 375x500, or fullconv explain NET")


def _print_table(size: tuple[int, int]) -> None:
    from fullconv.cli import tables as screen
    from fullconv.models import NetSpec, available, summarize

    summaries, names = [], available()
    with screen.progress("counting") as progress:
        for name in names:
            summaries.append(summarize(NetSpec(name, 21), size))
            progress(len(summaries), len(names))
    screen.console().print(screen.nets_table(summaries, size), "")


@app.command()
def explain(
    net: Annotated[
        str,
        typer.Argument(
            help="Name of a net, as 'fullconv nets' lists them.", autocompletion=completion.nets
        ),
    ],
    size: Annotated[str, typer.Option(help="Height x width of the photo.")] = "375x500",
    padding: Annotated[str, typer.Option(help="same, paper, or none.")] = "same",
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 21,
    width: Annotated[float, typer.Option(help="Multiplies the channels of every layer.")] = 1.0,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.")] = None,
    graph: Annotated[
        str | None,
        typer.Option(help="Print the net as a graph instead: dot (Graphviz) or mermaid."),
    ] = None,
) -> None:
    """Show what a net does to a photo, layer by layer.

    Sizes, strides, receptive fields, offsets, memory and multiply-adds of each layer; the
    deconvolutions and crops, and why they are needed; warnings.

    \b
    Examples:
      fullconv explain fcn8s-vgg16 --size 375x500
      fullconv explain fcn32s-vgg16 --size 500x500 --padding paper
      fullconv explain fcn8s-vgg16 --size 224x224 --padding none --plot vgg.png
      fullconv explain fcn8s-vgg16 --graph dot | dot -Tsvg > vgg.svg
    """
    from fullconv.files.write_targets import check_target
    from fullconv.models import NetSpec
    from fullconv.models import explain as explain_net

    if os.path.exists(net):
        _refuse_file(net)
    spec = NetSpec(net, classes, padding=padding, width=width)  # pyright: ignore
    if plot and plot.suffix.lower() != ".png":
        raise UserError(f"--plot {printable(str(plot))}: is a PNG: end it in .png", "FC-NET-009")
    if plot:
        check_target(plot)
    if graph:
        from fullconv.models.analysis.graph import graph_of, written

        typer.echo(written(graph_of(spec, size_of(size)), graph))
        return
    from fullconv.cli import tables as screen

    explained = explain_net(spec, size_of(size))
    shown = screen.console()
    shown.print(screen.explanation_table(explained), "")
    for note in screen.explanation_notes(explained):
        shown.print(f"- {note}", markup=False)
    if plot:
        from fullconv.report import explanation_picture, write_file

        write_file(plot, explanation_picture(explained))
        shown.print(f"Drawn in {plot}")


def _refuse_file(path: str) -> None:
    """UserError for a run or checkpoint in place of a net's name, with the command for its net.

    Nothing of what is neither: its name is refused as that of a net.
    """
    from fullconv.checkpoints.checkpoint import described, find
    from fullconv.checkpoints.checkpoint_file import read_header

    try:
        file = find(path)
        spec = described(file, read_header(file)[0])[0]
    except UserError:
        return
    command = f"fullconv explain {shlex.quote(spec.name)} --classes {spec.classes}"
    command += f" --width {spec.width:g}" if spec.width != 1 else ""
    command += f" --padding {spec.padding}" if spec.padding != "same" else ""
    raise UserError(
        f"{printable(path)}: explain takes the name of a net, not a run; for its net: {command}",
        "FC-NET-010",
    )
