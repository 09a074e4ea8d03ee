"""``fullconv predict`` from and to storage and on a cluster, with a record of what is done."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fullconv.cli.main import say, say_error
from fullconv.cli.options import warn_of_origin, warn_of_tiles
from fullconv.errors import UserError, printable

if TYPE_CHECKING:
    from fullconv.cluster.connection import ClusterOptions
    from fullconv.inference import Input, PhotoResult, Predictor
    from fullconv.inference.prediction import DrawOptions
    from fullconv.inference.rasters import RasterOutcome
    from fullconv.inference.rasters.raster_tiles import Blocks
    from fullconv.inference.storage.outputs import Output
    from fullconv.inference.storage.predictor_options import PredictorOptions


def refuse_local_options(
    out: str, to: str | None, areas: bool, frames: bool, further: Sequence[str] | None
) -> None:
    """UserError for options that need the results, or the photos, on this machine."""
    options = {"--to": to, "--areas": areas, "--frames": frames, "--input": further}
    if refused := [name for name, value in options.items() if value]:
        raise UserError(
            f"{refused[0]}: is not for results in storage or from a cluster, as "
            f"{printable(out)}: predict on this machine into a folder",
            "FC-CLUSTER-002",
        )


def predict_remote(
    options: "PredictorOptions",
    entries: "Sequence[Input]",
    out: str,
    drawn: "DrawOptions",
    cluster: "ClusterOptions | None",
) -> int:
    """Predict what is not done yet, by a cluster or here; the number of inputs with an error."""
    from fullconv.inference.storage import manifest
    from fullconv.inference.storage import predict_stored as stored
    from fullconv.inference.storage.outputs import output_at
    from fullconv.inference.storage.stored_rasters import split_rasters

    start = time.perf_counter()
    errors = [entry.error for entry in entries if entry.error]
    errors += [_video_error(entry) for entry in entries if not entry.error and _is_video(entry)]
    output = output_at(out)
    usable = [entry for entry in entries if not entry.error and not _is_video(entry)]
    photos, rasters = split_rasters(stored.with_relative_results(usable, Path(out)))
    predictor = _open_predictor(options, photos, rasters, drawn)
    job = manifest.start(output, options.decides(drawn))
    done = manifest.records(output, job)
    photos_left, photos_done = stored.not_done(photos, done)
    rasters_left, rasters_done = stored.not_done(rasters, done)
    if earlier := photos_done + rasters_done:
        say(f"{earlier} of {len(photos) + len(rasters)} photos are already done")
    predict: Callable[..., Iterable[PhotoResult]] = partial(stored.predict_recorded, predictor)
    blocks: Blocks | None = None
    with ExitStack() as connection:
        if cluster is not None and (photos_left or rasters_left):
            predict, blocks = _on_cluster(cluster, options, connection)
        results = predict(photos_left, output, job, **drawn) if photos_left else ()
        net = _collect(results, len(photos_left), errors)
        _predict_rasters(predictor, rasters_left, output, job, drawn, blocks, errors)
    for error in errors:
        say_error(error)
    total = len(photos_left) + len(rasters_left) + len(entries) - len(usable)
    net_seconds = None if cluster or rasters_left else net
    _print_summary(total, len(errors), time.perf_counter() - start, net_seconds, output)
    return len(errors)


def _open_predictor(
    options: "PredictorOptions",
    photos: "Sequence[Input]",
    rasters: "Sequence[Input]",
    drawn: "DrawOptions",
) -> "Predictor":
    """The predictor of a job, after all checks of its options and inputs."""
    from fullconv.cli.rasters import refuse_scores
    from fullconv.inference.rasters.job import refuse_result_clashes
    from fullconv.inference.storage.predict_stored import check_photos
    from fullconv.visualize import check_drawing

    check_drawing(drawn.get("alpha", 0.6), drawn.get("legend", "below"))
    scores, probability = drawn.get("scores", False), drawn.get("probability", False)
    refuse_scores(rasters, scores)
    predictor = options.open(say)
    if scores or probability:
        predictor.check_scores()
    warn_of_origin(predictor.origin)
    if photos:
        warn_of_tiles(predictor.engine)
    check_photos(predictor, photos, probability)
    refuse_result_clashes(rasters, (), predictor.classes, probability)
    return predictor


def _on_cluster(
    cluster: "ClusterOptions", options: "PredictorOptions", connection: ExitStack
) -> "tuple[Callable[..., Iterable[PhotoResult]], Blocks]":
    """The function that predicts photos on a cluster, and the one that computes rows of tiles."""
    from fullconv.cluster.connection import connected
    from fullconv.cluster.photos import predict_on_cluster
    from fullconv.cluster.rasters import blocks_by_cluster

    pool = connection.enter_context(connected(cluster))
    predict = partial(predict_on_cluster, cluster, options, pool.workers, say)
    return predict, blocks_by_cluster(cluster, options, say)


def _print_summary(
    total: int, errors: int, seconds: float, net: float | None, output: "Output"
) -> None:
    from fullconv.cli import tables as screen

    line = screen.predicted(total, errors, seconds, net)
    line = line if total else "no photos are left to predict"
    print(f"{line}, results in {printable(output.address)}")


def _collect(results: "Iterable[PhotoResult]", total: int, errors: list[UserError]) -> float:
    """Show progress while ``results`` arrive; the seconds of the net.

    Errors are added to ``errors`` in the order of the photos.
    """
    from fullconv.cli import tables as screen

    net = 0.0
    with screen.progress("predicting") as progress:
        for done, result in enumerate(results, 1):
            progress(done, total)
            net += result.seconds
            if result.error:
                errors.append(result.error)
    return net


def _predict_rasters(
    predictor: "Predictor",
    rasters: "Sequence[Input]",
    output: "Output",
    job: str,
    drawn: "DrawOptions",
    blocks: "Blocks | None",
    errors: list[UserError],
) -> None:
    from fullconv.cli import tables as screen
    from fullconv.cli.rasters import raster_account
    from fullconv.inference.rasters import predict_raster
    from fullconv.inference.storage.manifest import Recorder
    from fullconv.inference.storage.predict_stored import record_of
    from fullconv.inference.storage.stored_rasters import predict_raster_to

    for entry in rasters:
        try:
            with screen.progress(entry.result.name) as progress:

                def predict(
                    source: Path, stem: Path, progress: Callable[[int, int], None] = progress
                ) -> "RasterOutcome":
                    return predict_raster(
                        predictor, source, stem, overlay=drawn.get("overlay", True),
                        alpha=drawn.get("alpha", 0.6), legend=drawn.get("legend", "below"),
                        probability=drawn.get("probability", False), report=progress,
                        say=lambda note: say(f"note: {note}"), blocks=blocks,
                    )  # fmt: skip

                outcome, names = predict_raster_to(output, entry, predict)
            recorder = Recorder(output, job)
            recorder.add(record_of(entry, names))
            recorder.flush()
            print(raster_account(entry, outcome, f"{output.address}/{names[0]}"))
        except UserError as error:
            errors.append(error)


def _is_video(entry: "Input") -> bool:
    from fullconv.cli.videos import videos_of

    return bool(videos_of([entry])[0])


def _video_error(entry: "Input") -> UserError:
    return UserError(
        f"{entry}: is a video, which is predicted from a file of this disk into a folder, "
        "without --cluster",
        "FC-CLUSTER-002",
    )
