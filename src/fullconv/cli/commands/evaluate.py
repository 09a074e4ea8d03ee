"""``fullconv evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.main import app, say
from fullconv.cli.options import (
    Device,
    Engine,
    Precision,
    Run,
    TestTime,
    Tiles,
    fetched,
    tile_of,
    warn_of_origin,
    warn_of_tiles,
)
from fullconv.cli.rasters import Bands, MaxMegapixels, Range, read_options
from fullconv.modalities import MAX_MEGAPIXELS


@app.command()
def evaluate(
    run: Run,
    data: Annotated[
        str | None, typer.Argument(help="Data set; left out: the one the run was trained on.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    out: Annotated[
        Path | None, typer.Option(help="Folder for scores.json, confusion.png and photos.csv.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    tile: Tiles = None,
    tta: TestTime = "none",
    boundary: Annotated[
        bool,
        typer.Option("--boundary", help="Compute boundary IU too: the quality of the outlines."),
    ] = False,
    boundary_width: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Width of the outlines for --boundary, as a share of the photo's diagonal.  "
            "[default: 0.02]",
        ),
    ] = None,
    engine: Engine = "auto",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Score a trained net on a data set.

    Prints the table of the classes and the four scores of the FCN paper, from one confusion
    matrix over all pixels of the split, every photo at its own size; and a 95 % confidence interval
    of the mean IU, by bootstrap over the photos.

    \b
    Examples:
      fullconv evaluate runs/camvid
      fullconv evaluate runs/camvid data/camvid --split test --out scores/
      fullconv evaluate runs/shapes shapes --precision bf16
      fullconv evaluate runs/camvid/model.onnx data/camvid
      fullconv evaluate runs/camvid --tta mirror,0.75,1,1.25 --boundary
    """
    from fullconv.cli import tables as screen
    from fullconv.data.open_dataset import trained_on
    from fullconv.evaluation import evaluate, open_for
    from fullconv.inference import open_engine, parse_tta, with_tiles
    from fullconv.metrics import WIDTH
    from fullconv.report import write_scores

    views = parse_tta(tta)
    width = boundary_width if boundary_width is not None else WIDTH if boundary else None
    opened = open_engine(fetched(run), device, precision, engine, say)
    warn_of_origin(opened.origin)
    runner = with_tiles(opened.engine, opened.spec, tile_of(tile), say)
    warn_of_tiles(runner)
    read = read_options(bands, span, max_megapixels)
    source = open_for(opened, data or trained_on(run), split, classes, run, read)
    with screen.progress(f"scoring {split}") as progress:
        scores = evaluate(runner, source, progress=progress, tta=views, boundary=width)
    console = screen.console()
    for output in opened.classes.outputs:
        part = scores.of(output.channels)
        for table in screen.scores_tables(part, output):
            console.print(table, "")
        if line := screen.mean_iu_line(part, output):
            console.print(line)
    console.print(f"In percent, of {len(source)} photos ({split}), from one confusion matrix.")
    if out:
        for path in write_scores(scores, source.classes, out):
            console.print(path)
