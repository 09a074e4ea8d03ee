"""``fullconv evaluate``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.cluster import (
    ClusterAddress,
    WorkerCpus,
    WorkerGpus,
    Workers,
    cluster_options,
)
from fullconv.cli.main import app, say
from fullconv.cli.options import (
    Device,
    Engine,
    Precision,
    Run,
    TestTime,
    Thresholds,
    Tiles,
    fetched,
    thresholds_of,
    tile_of,
    warn_of_origin,
    warn_of_tiles,
)
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import printable
from fullconv.modalities import MAX_MEGAPIXELS

if TYPE_CHECKING:
    from fullconv.classes import ClassSet
    from fullconv.metrics import Scores


@app.command()
def evaluate(
    run: Run,
    data: Annotated[
        str | None, typer.Argument(help="Data set.  [default: the one the run was trained on]")
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
    threshold: Thresholds = None,
    tune_thresholds: Annotated[
        bool,
        typer.Option(
            "--tune-thresholds",
            help="Write into RUN the threshold of the highest F1 (and IU) of each class here; of "
            "binary and multi-label nets.",
        ),
    ] = False,
    engine: Engine = "auto",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
    cluster: ClusterAddress = None,
    workers: Workers = None,
    worker_cpus: WorkerCpus = None,
    worker_gpus: WorkerGpus = None,
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
      fullconv evaluate runs/defects --tune-thresholds
      fullconv evaluate runs/camvid data/camvid --cluster auto
    """
    from fullconv.calibration.tune_thresholds import check_tunable
    from fullconv.cli import tables as screen
    from fullconv.data.data_of_run import trained_on
    from fullconv.evaluation import evaluate, open_for
    from fullconv.inference import open_engine, parse_tta, with_tiles
    from fullconv.metrics import WIDTH
    from fullconv.report import write_scores
    from fullconv.report.score_files import refuse_data_set, refuse_run_folder

    ray = cluster_options(cluster, workers, worker_cpus, worker_gpus)
    views = parse_tta(tta)
    if out:
        refuse_run_folder(out)
        refuse_data_set(out)
    width = boundary_width if boundary_width is not None else WIDTH if boundary else None
    opened = open_engine(fetched(run), device, precision, engine, say)
    opened = opened.with_thresholds(thresholds_of(threshold))
    if tune_thresholds:
        check_tunable(run, opened.classes)
    warn_of_origin(opened.origin)
    runner = with_tiles(opened.engine, opened.spec, tile_of(tile), say)
    warn_of_tiles(runner)
    read = read_options(bands, span, max_megapixels)
    place = data or trained_on(run)
    place = os.path.abspath(place) if ray and os.path.exists(place) else place
    source = open_for(opened, place, split, classes, run, read)
    with screen.progress(f"scoring {split}") as progress:
        if ray is None:
            scores = evaluate(runner, source, progress=progress, tta=views, boundary=width)
        else:
            from fullconv.cluster.evaluation import evaluate_on_cluster
            from fullconv.inference.storage.predictor_options import PredictorOptions

            options = PredictorOptions(
                str(fetched(run)), device, precision, engine, tile_of(tile),
                tta=None if views is None else tta, threshold=thresholds_of(threshold),
            )  # fmt: skip
            scores = evaluate_on_cluster(ray, options, source, say, progress, width)
    _print_scores(scores, opened.classes, f"{len(source)} photos ({split})")
    if tune_thresholds:
        _store_thresholds(run, scores)
    if out:
        for path in write_scores(scores, source.classes, out):
            screen.console().print(path)


def _print_scores(scores: "Scores", classes: "ClassSet", photos: str) -> None:
    """Print the tables of each output, or of the overlapping classes."""
    from fullconv.cli import tables as screen
    from fullconv.metrics import MultilabelScores

    console = screen.console()
    if isinstance(scores, MultilabelScores):
        parts = [(scores, "", screen.overlap_tables(scores))]
    else:
        outputs = [(scores.of(output.channels), output) for output in classes.outputs]
        parts = [
            (part, output.name, screen.scores_tables(part, output)) for part, output in outputs
        ]
    for part, name, tables in parts:
        for table in tables:
            console.print(table, "")
        if line := screen.mean_iu_line(part, name):
            console.print(line)
    matrix = "one confusion of each class" if classes.is_overlapping else "one confusion matrix"
    console.print(f"In percent, of {photos}, from {matrix}.")


def _store_thresholds(run: Path, scores: "Scores") -> None:
    """Write the best thresholds into the run, and print them with the gain in mean IU."""
    from fullconv.calibration.tune_thresholds import tune_thresholds
    from fullconv.metrics import MultilabelScores, percent

    assert isinstance(scores, MultilabelScores)
    tuned = tune_thresholds(run, scores)
    for name, before, after in zip(scores.names, scores.thresholds, tuned.thresholds, strict=True):
        print(f"{printable(name)}: threshold {before:g} -> {after:g}")
    print(
        f"mean IU {percent(scores.mean_iu)} -> {percent(tuned.mean_iu)} on these photos, "
        f"written to {printable(str(tuned.file))}; exports are made anew with 'fullconv export'"
    )
