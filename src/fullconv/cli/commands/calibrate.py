"""``fullconv calibrate``."""

from typing import Annotated

import typer

from fullconv.cli.main import app, say
from fullconv.cli.options import Device, Engine, Precision, Run, TestTime, Tiles, fetched, tile_of
from fullconv.errors import UserError


@app.command()
def calibrate(
    run: Run,
    data: Annotated[
        str | None, typer.Argument(help="Data set.  [default: the one the run was trained on]")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to calibrate on.")] = "val",
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Measure RUN as it is, with --tta or --engine too, or an exported file; store "
            "nothing.",
        ),
    ] = False,
    device: Device = "auto",
    precision: Precision = "fp32",
    tile: Tiles = None,
    tta: TestTime = "none",
    engine: Engine = "auto",
) -> None:
    """Calibrate the probabilities of a trained net: temperature scaling on a split.

    Finds the temperature (one for each output) that minimises the cross-entropy on the split when
    the logits are divided by it before the softmax, and stores it in the checkpoint. Class maps do
    not change. Prints the expected calibration error (ECE, 15 bins, over all labelled
    pixels) before and after, and writes the report of the run with a reliability diagram.

    \b
    Examples:
      fullconv calibrate runs/camvid
      fullconv calibrate runs/camvid data/camvid --split val
      fullconv calibrate runs/camvid --measure --tta mirror
      fullconv calibrate runs/camvid/model-int8.onnx data/camvid --measure
    """
    from fullconv.calibration.temperature_scaling import calibrate as fit
    from fullconv.calibration.temperature_scaling import checkpoint_of, measure_calibration
    from fullconv.checkpoints.temperature import Calibration
    from fullconv.cli import tables as screen
    from fullconv.inference import parse_tta
    from fullconv.report import write_report

    views = parse_tta(tta)
    if not measure and (views or engine != "auto"):
        option = "--tta" if views else "--engine"
        raise UserError(
            f"{option}: the temperature is fitted without it; leave it out, or add --measure to "
            f"measure the calibration with {option}",
            "FC-CALIBRATE-003",
        )
    net = {"device": device, "precision": precision, "tile": tile_of(tile)}
    file = None if measure else checkpoint_of(run)
    with screen.progress("measuring" if measure else "calibrating") as progress:
        calibration: Calibration
        if measure:
            calibration = measure_calibration(
                fetched(run), data, split, engine=engine, tta=views, progress=progress, **net
            )
        else:
            calibration = fit(run, data, split, progress=progress, **net)
    console = screen.console()
    for table in screen.calibration_tables(calibration):
        console.print(table, "")
    console.print(f"In percent, of {calibration.photos} photos ({split}), over labelled pixels.")
    if file is None:
        return
    for warning in screen.calibration_warnings(calibration, file.parent):
        say(f"note: {warning}")
    console.print(f"stored in {file}; class maps stay as they are", soft_wrap=True)
    if (file.parent / "config.toml").is_file():
        console.print(write_report(file.parent), soft_wrap=True)
