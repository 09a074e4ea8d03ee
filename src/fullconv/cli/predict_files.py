"""``fullconv predict`` of files on this machine, into a folder: photos, rasters and videos."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fullconv.cli.labels import Labels, predict_for_tool
from fullconv.cli.main import say
from fullconv.cli.options import change_of, warn_of_origin, warn_of_tiles, with_net
from fullconv.cli.photo_results import show_results
from fullconv.cli.rasters import predict_rasters, refuse_scores
from fullconv.cli.videos import (
    check_videos,
    predict_videos,
    refuse_photo_options,
    video_folder,
    videos_of,
)
from fullconv.errors import UserError, printable
from fullconv.modalities import is_of_photo

if TYPE_CHECKING:
    from fullconv.classes import ClassSet
    from fullconv.inference import Input, Predictor
    from fullconv.inference.prediction import DrawOptions
    from fullconv.inference.storage.predictor_options import PredictorOptions
    from fullconv.inference.video.pictures import Look


def predict_files(
    options: "PredictorOptions",
    entries: "Sequence[Input]",
    out: Path,
    drawn: "DrawOptions",
    look: "Look",
    labels: Labels,
    further: Sequence[str],
) -> int:
    """Predict all ``entries`` into ``out``; how many could not be.

    What is asked is checked before the net is opened, which may be a download. ``further`` are the
    texts of --input.
    """
    from fullconv.cli import tables as screen
    from fullconv.inference.batch_predict import remove_abandoned_results
    from fullconv.inference.rasters import split_rasters
    from fullconv.inference.rasters.job import refuse_result_clashes

    missing = [entry for entry in entries if entry.error]
    videos, pictures = videos_of([entry for entry in entries if not entry.error])
    photos, rasters = split_rasters(pictures)
    scores, probability = drawn.get("scores", False), look.probability
    labels.check(photos, rasters, scores, probability)
    refuse_photo_options(videos, labels)
    _refuse_file_as_folder(out)
    check_videos(videos, entries, out, look.show, scores, probability)
    refuse_scores(rasters, scores)
    if options.tta and rasters:
        raise UserError(
            f"{rasters[0]}: is a raster, and --tta is for photos: leave --tta out", "FC-PREDICT-008"
        )
    predictor = with_net(options).open(say)
    if scores or probability:
        predictor.check_scores()
    refuse_result_clashes(rasters, entries, predictor.classes, probability)
    has_pictures = drawn.get("overlay", True) and (labels.tool is None or bool(rasters))
    _warn(predictor, photos, has_pictures and drawn.get("legend") != "none")
    extra_inputs = _extra_inputs(further, predictor.inputs)
    remove_abandoned_results(rasters)
    start = time.perf_counter()
    if labels.tool is not None and not rasters:
        errors, net = predict_for_tool(predictor, photos + missing, labels, extra_inputs)
    else:
        errors, net = _predict_photos(predictor, photos + missing, drawn, extra_inputs, labels)
    errors += predict_rasters(
        predictor, rasters, options.tile, drawn.get("overlay", True), look.alpha,
        drawn.get("legend", "below"), probability, labels.raster_done,
    )  # fmt: skip
    labels.finish()
    if total := len(entries) - len(videos):
        passed = time.perf_counter() - start
        shared = screen.predicted(total, errors, passed, None if rasters else net)
        print(f"{shared}, results in {printable(str(video_folder(out)))}")
    return errors + predict_videos(predictor, videos, out, look)


def _refuse_file_as_folder(out: Path) -> None:
    """UserError where --out has the name of a picture, though results go into a folder."""
    from fullconv.data.reading.image import SUFFIXES

    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise UserError(
            f"--out {printable(str(out))}: is called as a picture, and results go into a folder, "
            f"as {printable(str(out.with_suffix('')))}",
            "FC-PREDICT-020",
        )


def _predict_photos(
    predictor: "Predictor",
    photos: "Sequence[Input]",
    drawn: "DrawOptions",
    extra_inputs: Mapping[str, Path],
    labels: Labels,
) -> tuple[int, float]:
    """Write the pictures of all ``photos``; the errors, and the net's seconds."""
    from fullconv.inference import predict_each

    results = predict_each(predictor, photos, extra_inputs=extra_inputs, keep=labels.keep, **drawn)
    return show_results(results, len(photos))


def _warn(predictor: "Predictor", photos: "Sequence[Input]", has_legend: bool) -> None:
    """On stderr, what the user should know of the net before it predicts."""
    warn_of_origin(predictor.origin)
    if photos:
        warn_of_tiles(predictor.engine)
    if has_legend:
        _say_undrawable([output.classes for output in predictor.classes.flat.outputs])


def _extra_inputs(given: Sequence[str], inputs: Sequence[str]) -> dict[str, Path]:
    """The texts of --input by kind; UserError for a kind that the net does not see."""
    extra_inputs = {
        kind: Path(path) for kind, path in (change_of(t, "--input depth=depth/") for t in given)
    }
    kinds = [kind for kind in inputs if not is_of_photo(kind)]
    strange = [kind for kind in extra_inputs if kind not in kinds]
    if strange:
        needs = ", ".join(kinds) or "only the photo"
        raise UserError(
            f"--input {strange[0]}: no further input of this net; it needs {needs}",
            "FC-PREDICT-006",
        )
    return extra_inputs


def _say_undrawable(outputs: "Sequence[ClassSet]") -> None:
    """On stderr, which class names the pictures show as numbers, for want of a font."""
    from fullconv.visualize import undrawable

    names = [name for classes in outputs for name in undrawable(classes.names)]
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        say(
            f"note: no font of this system has all letters of {shown}: the pictures show the "
            "numbers of these classes; install a font such as Noto Sans CJK or Noto Color Emoji"
        )
