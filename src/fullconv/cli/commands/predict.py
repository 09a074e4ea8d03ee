"""``fullconv predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fullconv.cli.cameras import (
    MaxFrames,
    Seconds,
    camera_of,
    camera_target,
    predict_camera_input,
)
from fullconv.cli.cluster import (
    ClusterAddress,
    WorkerCpus,
    WorkerGpus,
    Workers,
    cluster_options,
)
from fullconv.cli.labels import Areas, Labels, Smallest, To, Tolerance, WithBackground
from fullconv.cli.main import app
from fullconv.cli.options import (
    ColorsOf,
    Device,
    Engine,
    Precision,
    Run,
    TestTime,
    Thresholds,
    Tiles,
    thresholds_of,
    tile_of,
    with_net,
)
from fullconv.cli.predict_files import predict_files
from fullconv.cli.predict_remote import predict_remote, refuse_local_options
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.cli.videos import EachFrame, Smooth, VideoShow, video_folder
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS

if TYPE_CHECKING:
    from fullconv.inference.prediction import DrawOptions

LegendPlace = Literal["none", "below", "right"]


@app.command()
def predict(
    run: Run,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Photos, videos, folders, quoted patterns, https://..., s3://..., camera:0; - is "
            "a picture, or a list of names, on standard input."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The net, in place of RUN; then all arguments are photos.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Folder for the results, also s3://...; of one video also its file.  [default: "
            "pictures, with --to labels]"
        ),
    ] = None,
    to: To = None,
    areas: Areas = False,
    overlay: Annotated[bool, typer.Option(help="Write the photo tinted by its classes.")] = True,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="Opacity of the class colours, 0 to 1.")
    ] = 0.6,
    legend: Annotated[
        LegendPlace,
        typer.Option(
            help="Where the legend of the overlay goes; with none and right the overlay has the "
            "photo's height, as a video needs it."
        ),
    ] = "below",
    borders: Annotated[bool, typer.Option(help="Draw a line where two classes meet.")] = True,
    palette: ColorsOf = "classes",
    scores: Annotated[
        bool, typer.Option("--scores", help="Write NAME_scores.npy: the logits, float32 (K, H, W).")
    ] = False,
    probability: Annotated[
        bool,
        typer.Option(
            "--probability",
            help="Write NAME_probability.png: the probability of each pixel's class, 0 to 255; for "
            "a raster .tif, for a video .mp4.",
        ),
    ] = False,
    video: VideoShow = "overlay",
    smooth: Smooth = 0.0,
    frames: EachFrame = False,
    max_frames: MaxFrames = None,
    seconds: Seconds = None,
    further: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="KIND=PATH",
            help="File or folder of a further input, as depth=depth/; can be repeated.",
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    tile: Tiles = None,
    tta: TestTime = "none",
    threshold: Thresholds = None,
    engine: Engine = "auto",
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
    tolerance: Tolerance = 1.0,
    smallest: Smallest = 0,
    with_background: WithBackground = False,
    cluster: ClusterAddress = None,
    workers: Workers = None,
    worker_cpus: WorkerCpus = None,
    worker_gpus: WorkerGpus = None,
) -> None:
    """Predict photos with a trained net.

    Writes for each photo NAME.png (the class of every pixel, as a palette picture of the photo's
    size) and NAME_overlay.jpg; for a net with several outputs NAME_OUTPUT.png too; for a
    multi-label net NAME_CLASS.png for each class, with 0 and 1. Further inputs (depth, ...) are
    looked for beside the folder images/, or where --input says. A photo that is missing or cannot
    be read is reported, the rest are predicted, and the exit code is 1.

    Rasters (GeoTIFF and others: georeferenced, or too large for a photo) become NAME.tif, videos
    NAME_overlay.mp4; if the command was interrupted, run it again and it resumes. A camera
    (camera:0, camera:NAME, /dev/video0) is predicted until Ctrl-C, as many frames as the net can
    follow. With --to the results are files that a labelling tool opens and `fullconv import` reads;
    for a raster NAME.geojson is written too. Photos and --out can be in storage (s3://, gs://,
    hf://), and photos in Parquet files with the columns path and bytes; there, and with --cluster,
    finished photos are recorded beside the results, and the same command run again predicts only
    the rest.

    \b
    Examples:
      fullconv predict runs/camvid photo.jpg
      fullconv predict runs/camvid folder/ 'more/**/*.png' --out pictures/
      fullconv predict runs/camvid/model.onnx photo.jpg
      fullconv predict --weights fcn-resnet50-voc photo.jpg
      fullconv predict runs/camvid photo.jpg --palette colour-blind
      fullconv predict runs/camvid frames/ --legend right
      fullconv predict runs/camvid aerial.png --tile auto
      fullconv predict runs/camvid photo.jpg --tta mirror,0.75,1,1.25
      fullconv predict runs/camvid scene.tif --out maps/ --probability
      fullconv predict runs/camvid clip.mp4 --out clip_classes.mp4 --smooth 0.5
      fullconv predict runs/camvid camera:0 --out live.mp4 --seconds 60
      find photos -newer old.txt | fullconv predict runs/camvid -
      fullconv predict runs/rgbd images/0001.jpg --input depth=depth/
      fullconv predict runs/camvid photos/ --to labelme --out labels/
      fullconv predict runs/camvid scene.tif --to geojson --areas --out maps/
      fullconv predict runs/defects photo.jpg --threshold 0.3
      fullconv predict runs/camvid s3://bucket/photos/ --out s3://bucket/maps/
      fullconv predict runs/camvid photos.parquet --out maps/ --cluster auto
      curl -s https://example.org/street.jpg | fullconv predict runs/camvid - --scores
    """
    from fullconv.inference import find_inputs, parse_tta
    from fullconv.inference.storage.addresses import is_stored, local_path
    from fullconv.inference.storage.predictor_options import PredictorOptions
    from fullconv.inference.video.pictures import Look
    from fullconv.visualize import check_drawing

    inputs = inputs or []
    if weights is not None:
        run, inputs = weights, [str(run), *inputs]
    if not inputs:
        raise UserError(f"no photos are named: fullconv predict {run} PHOTO", "FC-PREDICT-001")
    parse_tta(tta)
    read = read_options(bands, span, max_megapixels)
    check_drawing(alpha, legend)
    look = Look(video, smooth, alpha, legend, probability)
    options = PredictorOptions(
        str(run), device, precision, engine, tile_of(tile), palette, borders,
        None if tta == "none" else tta, read.bands, read.range, read.max_megapixels,
        thresholds_of(threshold),
    )  # fmt: skip
    place = local_path(out or ("labels" if to else "pictures"))
    camera = camera_of(
        inputs,
        {"--max-frames": max_frames, "--seconds": seconds},
        {
            "--to": to, "--areas": areas, "--frames": frames, "--input": further,
            "--scores": scores, "--cluster": cluster, "--out in storage": is_stored(place),
        },
    )  # fmt: skip
    if camera is not None:
        target = camera_target(camera, Path(place), video)
        predict_camera_input(options, camera, target, look, max_frames, seconds)
        return
    ray = cluster_options(cluster, workers, worker_cpus, worker_gpus)
    recorded = ray is not None or is_stored(place)
    if recorded:
        refuse_local_options(place, to, areas, frames, further)
    entries = find_inputs(inputs, place if recorded else video_folder(Path(place)), frames)
    drawn: DrawOptions = {
        "overlay": overlay, "alpha": alpha, "legend": legend, "scores": scores,
        "probability": probability,
    }  # fmt: skip
    if recorded or (any(entry.stored for entry in entries) and not (to or areas or further)):
        errors = predict_remote(with_net(options), entries, place, drawn, ray)
    else:
        labels = Labels.asked(Path(place), to, tolerance, smallest, with_background, areas)
        errors = predict_files(options, entries, Path(place), drawn, look, labels, further or ())
    if errors:
        raise typer.Exit(1)
