"""``fullconv predict``."""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.main import app
from fullconv.cli.options import (
    ColorsOf,
    Device,
    Engine,
    Precision,
    Run,
    TestTime,
    Tiles,
    change_of,
    fetched,
    say,
    say_cost,
    say_doubt,
    tile_of,
)
from fullconv.cli.rasters import (
    Bands,
    MaxMegapixels,
    Range,
    predict_rasters,
    read_options,
    refuse_scores,
)
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS, is_of_photo


@app.command()
def predict(
    run: Run,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Photos, folders, quoted patterns; - is a picture on standard input."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Instead of RUN: then all arguments are photos.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("pictures"),
    overlay: Annotated[bool, typer.Option(help="Write the photo tinted by its classes.")] = True,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="How much of the tint: 0 none, 1 all.")
    ] = 0.6,
    borders: Annotated[bool, typer.Option(help="Draw a line where two classes meet.")] = True,
    palette: ColorsOf = "classes",
    scores: Annotated[bool, typer.Option("--scores", help="Write the scores as .npy.")] = False,
    further: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="KIND=PATH",
            help="File or folder of a further input, as depth=depth/; can be given again.",
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    tile: Tiles = None,
    tta: TestTime = "none",
    engine: Engine = "auto",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Predict photos with a trained net.

    Writes for each photo NAME.png (the class of every pixel, as a palette picture of the photo's
    size) and NAME_overlay.jpg; where a net has several outputs, NAME_OUTPUT.png too. Further inputs
    (depth, ...) are looked for beside the folder images/, or where --input says. A photo that
    cannot be read is reported, the others go on, and the exit code is 1. Rasters (GeoTIFF and
    others; what is georeferenced or too large for a photo) become NAME.tif; killed and typed again,
    they go on where they were.

    \b
    Examples:
      fullconv predict runs/camvid photo.jpg
      fullconv predict runs/camvid folder/ 'more/**/*.png' --out pictures/
      fullconv predict runs/camvid/model.onnx photo.jpg
      fullconv predict --weights fcn-resnet50-voc photo.jpg
      fullconv predict runs/camvid photo.jpg --palette colour-blind
      fullconv predict runs/camvid aerial.png --tile auto
      fullconv predict runs/camvid photo.jpg --tta mirror,0.75,1,1.25
      fullconv predict runs/camvid scene.tif --out maps/
      fullconv predict runs/rgbd images/0001.jpg --input depth=depth/
      curl -s https://example.org/street.jpg | fullconv predict runs/camvid - --scores
    """
    from fullconv.cli import tables as screen
    from fullconv.inference import Predictor, find_inputs, parse_tta, predict_each
    from fullconv.inference.rasters import parted

    inputs = inputs or []
    if weights is not None:
        run, inputs = weights, [str(run), *inputs]
    if not inputs:
        raise UserError(f"no photos are named: fullconv predict {run} PHOTO")
    views = parse_tta(tta)
    read = read_options(bands, span, max_megapixels)
    photos, rasters = parted(find_inputs(inputs, out))
    if scores:
        refuse_scores(rasters)
    if views and rasters:
        raise UserError(f"{rasters[0]}: is a raster, which --tta is not for: leave it out")
    predictor = Predictor(
        fetched(run), device, precision, engine, tile_of(tile), palette, borders, views, say,
        read.bands, read.range, read.max_megapixels,
    )  # fmt: skip
    if scores:
        predictor.check_scores()
    say_doubt(predictor.origin)
    if photos:
        say_cost(predictor.engine)
    others = _further(further or (), predictor.inputs)
    errors, net, start = 0, 0.0, time.perf_counter()
    results = predict_each(
        predictor, photos, overlay=overlay, scores=scores, alpha=alpha, others=others
    )
    with screen.progress("predicting") as progress, closing(results):
        for done, outcome in enumerate(results, 1):
            progress(done, len(photos))
            net += outcome.seconds
            if outcome.error:
                errors += 1
                print(f"fullconv: {outcome.error}", file=sys.stderr)
    errors += predict_rasters(predictor, rasters, tile_of(tile), overlay, alpha)
    total, seconds = len(photos) + len(rasters), time.perf_counter() - start
    shared = screen.predicted(total, errors, seconds, None if rasters else net)
    print(f"{shared}, results in {out}")
    if errors:
        raise typer.Exit(1)


def _further(given: Sequence[str], inputs: Sequence[str]) -> dict[str, Path]:
    """The texts of --input by kind; UserError for a kind that the net does not see."""
    others = {
        kind: Path(path) for kind, path in (change_of(t, "--input depth=depth/") for t in given)
    }
    kinds = [kind for kind in inputs if not is_of_photo(kind)]
    strange = [kind for kind in others if kind not in kinds]
    if strange:
        needs = ", ".join(kinds) or "only the photo"
        raise UserError(f"--input {strange[0]}: no further input of this net; it needs {needs}")
    return others
