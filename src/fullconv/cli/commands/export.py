"""``fullconv export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fullconv.cli.main import app
from fullconv.cli.options import Run, fetched, size_of, warn_of_origin
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.modalities import AS_STORED, MAX_MEGAPIXELS

if TYPE_CHECKING:
    from fullconv.exporting import Int8Check


@app.command()
def export(
    run: Run,
    to: Annotated[
        Literal["onnx", "openvino", "torch", "web"],
        typer.Option(
            help=".onnx, OpenVINO's .xml and .bin, torch.export's .pt2, or an .html page that "
            "segments photos in a browser, offline."
        ),
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="File to write.  [default: model.onnx, ... in the run]")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Fixed height x width, with a batch of 1.  [default: any size and batch]"
        ),
    ] = None,
    preprocess: Annotated[
        bool,
        typer.Option(help="Put the preprocessing into the graph: its input is a uint8 RGB photo."),
    ] = True,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="INT8 quantization: a quarter of the size, and faster."),
    ] = False,
    calibrate: Annotated[
        str | None,
        typer.Option(
            help="For --int8: calibration photos (folder or quoted pattern) like those it will "
            "predict, or a data set, on which the loss of mean IU is measured too."
        ),
    ] = None,
    accept_drop: Annotated[
        bool,
        typer.Option("--accept-drop", help="Write int8 even if it differs too much from the net."),
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="FP16 weights: half the size; for GPUs and phones.")
    ] = False,
    output: Annotated[
        Literal["scores", "classes"],
        typer.Option(help="Output: float32 logits (scores), or uint8 classes (argmax inside)."),
    ] = "scores",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Export a trained net for ONNX Runtime, OpenVINO, plain torch or a browser.

    The file takes photos of any size in any batch, and holds the classes, their colours and the
    preprocessing. It is run and compared with the net at several odd sizes first; if they differ,
    nothing is written. predict and evaluate take it like a run folder.

    \b
    Examples:
      fullconv export runs/camvid
      fullconv export runs/camvid --to openvino --out camvid.xml
      fullconv export runs/camvid --size 360x480 --no-preprocess --out opencv.onnx
      fullconv export runs/camvid --to openvino --int8 --calibrate photos/
      fullconv export runs/camvid --half --output classes
      fullconv export runs/camvid --to web --out demo.html
      fullconv predict runs/camvid/model.onnx photo.jpg
    """
    from fullconv.cli import tables as screen
    from fullconv.exporting import export as export_net
    from fullconv.exporting.export import default_path

    read = read_options(bands, span, max_megapixels)
    _refuse_options(int8, calibrate, accept_drop)
    if calibrate is None and read != AS_STORED:
        raise UserError(
            "--bands, --range and --max-megapixels say how the photos of --calibrate are read: "
            "give that too, or leave them out",
            "FC-EXPORT-001",
        )
    pair = size_of(size) if size else None
    target = out or default_path(run, to, int8, half, output)
    weights = fetched(run)
    if to == "web":
        _fetch_web_runtime()
    with screen.progress("calibrating and comparing") as progress:
        exported = export_net(
            weights, to, target, pair, preprocess, calibrate, accept_drop, progress, output, half,
            read,
        )  # fmt: skip
    known, worst = exported.description, max(exported.checks, key=lambda check: check.difference)
    warn_of_origin(known.origin)
    print(f"{known.spec.name}, {known.spec.classes} classes, padding {known.spec.padding}")
    print(f"in:    image {known.dtype} {_shape(known.shape)}, {_meaning(known)}")
    print(f"out:   {known.output} {known.dtype_out} {_shape(known.shape_out)}")
    same = min(check.same for check in exported.checks)
    same_classes = f"; at least {same:.2%} of the pixels keep their class" if half else ""
    what = "scores differ" if output == "scores" else "where classes differ, their scores do"
    print(
        f"check: {', '.join(check.size for check in exported.checks)}: {what} by at most "
        f"{worst.difference:.2g} of {worst.largest:.3g}{same_classes}"
    )
    if exported.int8:
        print("\n".join(_int8_lines(exported.int8)))
    print(f"written to {', '.join(map(str, exported.paths))}")
    if to == "web":
        page, mebibytes = exported.paths[0], exported.paths[0].stat().st_size / 2**20
        print(f"next: open {page} ({mebibytes:.1f} MiB) in a browser; it needs no network")
    else:
        print(f"next: fullconv predict {exported.paths[0]} PHOTO")


def _fetch_web_runtime() -> None:
    """ONNX Runtime Web, downloaded into the cache with a bar where it is not there."""
    from fullconv.cli.tables import download_progress
    from fullconv.exporting.web import fetch_runtime

    with download_progress("downloading ONNX Runtime Web") as progress:
        fetch_runtime(progress)


def _refuse_options(int8: bool, calibrate: str | None, accept_drop: bool) -> None:
    """UserError for options of int8 of which one lacks the other."""
    if int8 and calibrate is None:
        raise UserError(
            "--int8 needs photos like those the net will see: --calibrate FOLDER, a hundred or "
            "more, or a data set",
            "FC-EXPORT-001",
        )
    if not int8 and (calibrate is not None or accept_drop):
        raise UserError(
            "--calibrate and --accept-drop are for --int8: give that too", "FC-EXPORT-001"
        )


def _int8_lines(check: "Int8Check") -> list[str]:
    """The effect of int8, in three lines."""
    (slow, fast), (large, small) = check.seconds, check.bytes
    lines = [
        f"int8:  calibrated on {check.shown} photos; on {check.photos} others {check.same:.2%} of "
        "the pixels keep their class"
    ]
    if check.mean_iu:
        fp32, int8 = (100 * value for value in check.mean_iu)
        lines.append(f"       mean IU {int8:.2f}, in fp32 {fp32:.2f}")
    lines.append(
        f"       {fast:.3g} s a photo here, in fp32 {slow:.3g}; {small / 2**20:.1f} MiB, in fp32 "
        f"{large / 2**20:.1f}"
    )
    return lines


def _shape(shape: tuple[str | int, ...]) -> str:
    return "x".join(map(str, shape))


def _meaning(known) -> str:
    inputs = "+".join(known.preprocessing.inputs)
    if known.preprocess:
        return "RGB 0 to 255" if inputs == "color" else f"{inputs}, RGB 0 to 255"
    return f"{inputs}, prepared: {known.preprocessing.order}, (x * scale - mean) / std"
