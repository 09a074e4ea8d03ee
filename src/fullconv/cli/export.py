"""``fullconv export``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fullconv.cli.app import app
from fullconv.cli.options import Run, fetched, say_doubt, size_of


@app.command()
def export(
    run: Run,
    to: Annotated[
        Literal["onnx", "openvino", "torch"],
        typer.Option(help=".onnx, OpenVINO's .xml and .bin, or torch.export's .pt2."),
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="File to write.  [default: model.onnx, ... in the run]")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Height x width of the only photos it takes, one at a time; left out: any."
        ),
    ] = None,
    preprocess: Annotated[
        bool, typer.Option(help="Put the preprocessing into the graph: uint8 RGB photos go in.")
    ] = True,
) -> None:
    """Export a trained net for ONNX Runtime, OpenVINO or plain torch.

    The file takes photos of any size in any batch, and holds the classes, their colours and the
    preprocessing. It is run and compared with the net at several odd sizes first; if they differ,
    nothing is written. predict and evaluate take it like a run folder.

    \b
    Examples:
      fullconv export runs/camvid
      fullconv export runs/camvid --to openvino --out camvid.xml
      fullconv export runs/camvid --size 360x480 --no-preprocess --out opencv.onnx
      fullconv predict runs/camvid/model.onnx photo.jpg
    """
    from fullconv.export import export as export_net
    from fullconv.export.export import place

    pair = size_of(size) if size else None
    target = out or place(run, to)
    made = export_net(fetched(run), to, target, pair, preprocess)
    known, worst = made.description, max(made.checks, key=lambda each: each.difference)
    say_doubt(known.origin)
    height, width = known.size or ("H", "W")
    batch = known.shape[0]
    print(f"{known.spec.name}, {known.spec.classes} classes, padding {known.spec.padding}")
    print(f"in:    image {known.dtype} {_shape(known.shape)}, {_meaning(known)}")
    print(f"out:   scores float32 {_shape((batch, known.spec.classes, height, width))}")
    print(
        f"check: {', '.join(each.size for each in made.checks)}: scores differ by at most "
        f"{worst.difference:.2g} of {worst.largest:.3g}"
    )
    print(f"written to {', '.join(map(str, made.paths))}")
    print(f"next: fullconv predict {made.paths[0]} PHOTO")


def _shape(shape: tuple[str | int, ...]) -> str:
    return "x".join(map(str, shape))


def _meaning(known) -> str:
    inputs = "+".join(known.preprocessing.inputs)
    if known.preprocess:
        return "RGB 0 to 255" if inputs == "color" else f"{inputs}, RGB 0 to 255"
    return f"{inputs}, prepared: {known.preprocessing.order}, (x * scale - mean) / std"
