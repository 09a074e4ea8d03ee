"""Cameras in ``fullconv predict``."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.help_panels import MORE
from fullconv.cli.main import say
from fullconv.cli.options import warn_of_origin, with_net
from fullconv.errors import UserError, printable

if TYPE_CHECKING:
    from fullconv.inference.storage.predictor_options import PredictorOptions
    from fullconv.inference.video.pictures import Look

MaxFrames = Annotated[
    int | None,
    typer.Option(
        "--max-frames",
        min=1,
        help="For a camera: end after so many predicted frames.  [default: until Ctrl-C]",
        rich_help_panel=MORE,
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        min=0,
        help="For a camera: end after so many seconds.  [default: until Ctrl-C]",
        rich_help_panel=MORE,
    ),
]


def camera_of(
    inputs: Sequence[str], limits: Mapping[str, object], others: Mapping[str, object]
) -> str | None:
    """The camera that is named, or None; UserError where it is not alone, or options do not fit.

    ``limits`` are the values of the options that are for cameras, ``others`` those of options that
    are not.
    """
    from fullconv.inference.video.camera import is_camera

    cameras = [name for name in inputs if is_camera(name) and not os.path.isfile(name)]
    given = [name for name, value in limits.items() if value is not None]
    if given and not cameras:
        raise UserError(
            f"{given[0]}: is for a camera, as camera:0, and none is named: leave it out",
            "FC-VIDEO-003",
        )
    if len(cameras) > 1 or (cameras and len(inputs) > 1):
        raise UserError(
            f"{printable(cameras[0])}: is a camera, which is predicted alone, until Ctrl-C: name "
            "the other inputs in a call of their own",
            "FC-VIDEO-003",
        )
    if cameras and (strange := [name for name, value in others.items() if value]):
        raise UserError(
            f"{strange[0]}: is not for a camera, as {printable(cameras[0])}: leave it out",
            "FC-VIDEO-003",
        )
    return cameras[0] if cameras else None


def camera_target(camera: str, out: Path, show: str) -> Path:
    """The file of a recording: ``out``, or a name in that folder."""
    from fullconv.cli.videos import is_file_of_video

    if is_file_of_video(out):
        return out
    name = re.sub(r"[^\w\-. ]", "-", camera.removeprefix("/dev/")).strip(" .")
    return out / f"{name}_{show}.mp4"


def predict_camera_input(
    options: "PredictorOptions",
    camera: str,
    target: Path,
    look: "Look",
    max_frames: int | None,
    seconds: float | None,
) -> None:
    """Predict what a camera sees until the end, and say what became of it."""
    from fullconv.cli import tables as screen
    from fullconv.duration import duration
    from fullconv.inference.video import camera as cameras
    from fullconv.inference.video.camera_job import predict_camera
    from fullconv.inference.video.video_file import pyav

    pyav()
    device = cameras.device_of(camera)
    predictor = with_net(options).open(say)
    warn_of_origin(predictor.origin)
    start = time.perf_counter()
    with screen.frame_progress(camera) as progress:
        outcome = predict_camera(
            predictor, device, target, max_frames=max_frames, seconds=seconds, **asdict(look),
            report=progress, say=lambda note: say(f"note: {note}"),
        )  # fmt: skip
    passed = time.perf_counter() - start
    height, width = outcome.size
    written = ", ".join(printable(str(path)) for path in (outcome.written, *outcome.probabilities))
    print(
        f"{printable(camera)}: {outcome.frames} frames in {duration(passed)} "
        f"({outcome.frames / passed:.2g}/s), {outcome.dropped} dropped; {written}, "
        f"{width} x {height}"
    )
    if outcome.warning:
        say(f"warning: {outcome.warning}")
