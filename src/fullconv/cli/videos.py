"""Videos in ``fullconv predict``."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import typer

from fullconv.cli.help_panels import MORE
from fullconv.cli.main import say, say_error
from fullconv.errors import UserError, printable

if TYPE_CHECKING:
    from fullconv.cli.labels import Labels
    from fullconv.inference import Input, Predictor, VideoOutcome
    from fullconv.inference.video.pictures import Look

VideoShow = Annotated[
    Literal["overlay", "classes"],
    typer.Option(
        "--video",
        help="For a video: write the tinted frames, or the exact class of every pixel.",
        rich_help_panel=MORE,
    ),
]
Smooth = Annotated[
    float,
    typer.Option(
        "--smooth",
        metavar="0..1",
        min=0,
        max=0.999,
        help="For a video: average the logits over time; the share of the frames before, as 0.5.",
        rich_help_panel=MORE,
    ),
]
EachFrame = Annotated[
    bool,
    typer.Option(
        "--frames",
        help="Predict every frame of an animation and every page of a TIFF, as NAME/0001.png.",
        rich_help_panel=MORE,
    ),
]


def video_folder(out: Path) -> Path:
    """The folder of the results, where ``out`` may be the file of a video."""
    return out.parent if is_file_of_video(out) else out


def _is_video(suffix: str) -> bool:
    from fullconv.data.reading.formats import VIDEO_SUFFIXES

    return suffix in VIDEO_SUFFIXES


def is_file_of_video(out: Path) -> bool:
    """Whether ``out`` names the file of one video."""
    return _is_video(out.suffix.lower()) and not out.is_dir()


def videos_of(entries: "Sequence[Input]") -> "tuple[list[Input], list[Input]]":
    """The videos among the inputs, by their endings, and the others."""
    videos = [entry for entry in entries if _is_video(_suffix(entry))]
    return videos, [entry for entry in entries if not _is_video(_suffix(entry))]


def _suffix(entry: "Input") -> str:
    if entry.url:
        return PurePosixPath(urlsplit(entry.url).path).suffix.lower()
    return entry.file.suffix.lower() if entry.file else ""


def refuse_photo_options(videos: "Sequence[Input]", labels: "Labels") -> None:
    """UserError for --to and --areas, which a video has no results of."""
    option = "--to" if labels.tool else "--areas" if labels.areas is not None else ""
    if videos and option:
        raise UserError(
            f"{videos[0]}: is a video, and {option} is for photos and rasters: leave it out, or "
            "save its frames as photos (ffmpeg -i VIDEO %04d.png)",
            "FC-VIDEO-003",
        )


def check_videos(
    videos: "Sequence[Input]",
    entries: "Sequence[Input]",
    out: Path,
    show: Literal["overlay", "classes"],
    scores: bool,
    probability: bool,
) -> None:
    """UserError where the options do not fit the inputs."""
    if is_file_of_video(out) and (len(videos) != 1 or len(entries) != 1):
        raise UserError(
            f"--out {printable(str(out))}: is the file of one video, and "
            f"{len(videos)} videos and {len(entries) - len(videos)} other inputs are named: name a "
            "folder",
            "FC-VIDEO-003",
        )
    if videos and scores:
        raise UserError(
            f"{videos[0]}: is a video, whose scores are not written; leave --scores out: "
            "--probability writes a video of probabilities",
            "FC-VIDEO-003",
        )
    files = {entry.file.resolve() for entry in entries if entry.file}
    for target in _targets(videos, out, show, probability):
        if target.resolve() in files:
            raise UserError(
                f"{printable(str(target))}: the result would overwrite this video; choose another "
                "--out",
                "FC-PREDICT-003",
            )


def _targets(
    videos: "Sequence[Input]", out: Path, show: Literal["overlay", "classes"], probability: bool
) -> list[Path]:
    from fullconv.inference.video import probability_results

    results = [_target(video, out, show) for video in videos]
    return results + [path for r in results if probability for path in probability_results(r)]


def _target(video: "Input", out: Path, show: Literal["overlay", "classes"]) -> Path:
    from fullconv.inference.video import video_result

    if is_file_of_video(out):
        return out
    return video_result(video.file or Path(urlsplit(video.url or "").path), video.result, show)  # pyright: ignore


def predict_videos(
    predictor: "Predictor", videos: "Sequence[Input]", out: Path, look: "Look"
) -> int:
    """Predict each of ``videos``; how many could not be."""
    from fullconv.cli import tables as screen
    from fullconv.inference import predict_video
    from fullconv.inference.photos.remote_photos import MOST_VIDEO, fetched

    errors = 0

    def one(video: "Input", file: Path) -> None:
        start = time.perf_counter()
        with screen.frame_progress(file.name) as progress:
            outcome = predict_video(
                predictor, file, _target(video, out, look.show), **asdict(look), report=progress,
                say=_note, max_megapixels=predictor.read_options.max_megapixels,
            )  # fmt: skip
        print(_account(video, outcome, time.perf_counter() - start))
        for warning in outcome.warnings:
            say(f"warning: {warning}")

    for video in videos:
        try:
            if video.file:
                one(video, video.file)
                continue
            assert video.url
            with (
                screen.download_progress(str(video)) as progress,
                fetched(video.url, MOST_VIDEO, progress) as file,
            ):
                one(video, file)
        except UserError as error:
            errors += 1
            say_error(error)
    return errors


def _note(text: str) -> None:
    say(f"note: {text}")


def _account(video: "Input", outcome: "VideoOutcome", seconds: float) -> str:
    """The result of a video in one line."""
    from fullconv.duration import duration

    height, width = outcome.size
    new = outcome.frames - outcome.earlier
    written = ", ".join(printable(str(path)) for path in (outcome.written, *outcome.probabilities))
    done = f", {outcome.earlier} of them already done" if outcome.earlier else ""
    return (
        f"{video}: {outcome.frames} frames{done} in {duration(seconds)} ({new / seconds:.2g}/s); "
        f"{written}, {width} x {height}"
    )
