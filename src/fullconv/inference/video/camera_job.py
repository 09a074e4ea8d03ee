"""`predict_camera`: the newest frame predicted each time, and written as a video until the end."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fullconv.classes.palettes import Palette
from fullconv.device import Precision
from fullconv.errors import UserError, one_line, printable
from fullconv.files.atomic import write_atomically
from fullconv.inference.engines.registry import AUTO, Say
from fullconv.inference.predictor import Predictor
from fullconv.inference.tiled_prediction import Tile
from fullconv.inference.tta import TTA
from fullconv.inference.video.camera import Device, LiveFrame, LiveInput, device_of
from fullconv.inference.video.encoder import Encoder, OpenVideo, Show
from fullconv.inference.video.pictures import (
    FramePictures,
    FrameProgress,
    Look,
    Timing,
    check_endings,
)
from fullconv.inference.video.segments import Coded
from fullconv.inference.video.video_file import pyav
from fullconv.signal_handlers import handled_by
from fullconv.visualize import Legend

TIME_BASE = Fraction(1, 90000)
"""A tick of the videos of cameras, in seconds: whole at all usual rates."""
_SAME = 0.5  # seconds within which a second signal counts as the same one
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@dataclass(frozen=True)
class CameraOutcome:
    """A recording of ``frames`` predicted frames over ``seconds`` of the camera's time.

    The video ``written`` has ``size`` (H, W); ``probabilities`` are the videos of the
    probabilities. ``dropped`` frames arrived while the net predicted another one. ``warning`` says
    why the recording ended, where it was not asked to.
    """

    written: Path
    frames: int
    dropped: int
    seconds: float
    size: tuple[int, int]
    warning: str = ""
    probabilities: tuple[Path, ...] = ()


def predict_camera(
    run: str | Path | Predictor,
    camera: str | Device,
    out: str | Path,
    *,
    max_frames: int | None = None,
    seconds: float | None = None,
    show: Show = "overlay",
    smooth: float = 0.0,
    alpha: float = 0.6,
    legend: Legend = "right",
    probability: bool = False,
    borders: bool = True,
    palette: Palette = "classes",
    device: str = "auto",
    precision: Precision = "fp32",
    engine: str = AUTO,
    tile: Tile | None = None,
    tta: str | TTA | None = None,
    report: FrameProgress = lambda done, total: None,
    say: Say = lambda note: None,
) -> CameraOutcome:
    """Predict the frames of ``camera`` and write the video ``out``; options as of `predict_video`.

    ``camera`` is 'camera:0', 'camera:NAME', '/dev/video0', or a `Device`. The recording ends after
    ``max_frames`` predicted frames, after ``seconds`` of the camera's time, at Ctrl-C or SIGTERM
    (where called in the main thread), or when the camera ends; then ``out`` appears, complete. A
    second Ctrl-C leaves no file. The net always gets the newest frame: frames that arrive meanwhile
    are dropped, and a predicted frame keeps the time of its arrival. ``report`` is called with the
    frames done and ``max_frames``; ``say`` when the first frame has arrived. Raises UserError for a
    camera that cannot be opened, an ``out`` that exists, and options with a wrong value;
    KeyboardInterrupt when it is ended before the first frame.
    """
    look, target = Look(show, smooth, alpha, legend, probability), Path(out)
    check_endings(target, show)
    _check_limits(max_frames, seconds)
    source = camera if isinstance(camera, Device) else device_of(camera)
    if not isinstance(run, Predictor):
        run = Predictor(run, device, precision, engine, tile, palette, borders, tta, say)  # pyright: ignore
    pictures = FramePictures(run, look, target)
    for path in pictures.targets:
        _check_free(path)
    with _stop_on_signals() as stop, LiveInput(source) as live:
        recording = _Recording(pictures, live, stop, max_frames, seconds)
        return recording.run(report, say)


def _check_limits(max_frames: int | None, seconds: float | None) -> None:
    if max_frames is not None and max_frames < 1:
        raise UserError(f"max_frames {max_frames}: is at least 1", "FC-VIDEO-003")
    if seconds is not None and not 0 < seconds < float("inf"):  # nor nan
        raise UserError(f"seconds {seconds}: is above 0", "FC-VIDEO-003")


def _check_free(path: Path) -> None:
    if path.exists():
        raise UserError(
            f"{printable(str(path))}: is there already, and what a camera saw cannot be seen "
            "again: choose another --out, or remove it",
            "FC-PREDICT-003",
        )


class _Stop:
    """Whether a signal has asked for the end; a second Ctrl-C raises KeyboardInterrupt.

    A second signal within `_SAME` seconds counts as the first: a shell and a program that runs this
    one may both send it.
    """

    def __init__(self) -> None:
        self.asked, self.when = False, 0.0

    def handle(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if not self.asked:
            self.asked, self.when = True, now
        elif number == signal.SIGINT and now - self.when > _SAME:
            raise KeyboardInterrupt


@contextmanager
def _stop_on_signals() -> Iterator[_Stop]:
    """The first signal of `_SIGNALS` asks for the end, during the block."""
    stop = _Stop()
    with handled_by(stop.handle, _SIGNALS):
        yield stop


class _Recording:
    """The frames of a camera, predicted, encoded and written."""

    def __init__(
        self,
        pictures: FramePictures,
        live: LiveInput,
        stop: _Stop,
        max_frames: int | None,
        seconds: float | None,
    ) -> None:
        self.pictures, self.live, self.stop = pictures, live, stop
        self.max_frames, self.seconds = max_frames, seconds
        self.done, self.last, self.size = 0, -1, (0, 0)
        self.changed = ""

    def run(self, report: FrameProgress, say: Say) -> CameraOutcome:
        """Record until the end."""
        first = self.live.next(self._is_stopped)
        if first is None:
            if self.stop.asked:
                raise KeyboardInterrupt
            raise UserError(
                f"{self.live.device}: gives no frame ({self.live.ended}): plug it in again, or "
                "name another camera",
                "FC-VIDEO-012",
            )
        targets = self.pictures.targets
        height, width = first.image.shape[:2]
        say(
            f"{self.live.device}: {width} x {height}, {float(self.live.rate):.3g} frames a second; "
            f"Ctrl-C ends it and completes {printable(str(targets[0]))}"
        )
        try:
            _write_together(targets, lambda files: self._record(files, first, report))
        except (pyav().error.FFmpegError, OSError) as error:
            reason = one_line(getattr(error, "strerror", None) or str(error))
            raise UserError(
                f"{printable(str(targets[0]))}: cannot be written: {reason}", "FC-FILE-002"
            ) from error
        warning = self.changed or ("" if self._is_complete() else self.live.ended)
        return CameraOutcome(
            targets[0], self.done, self.live.dropped, self.last * float(TIME_BASE), self.size,
            f"{self.live.device}: {warning}" if warning else "", targets[1:],
        )  # fmt: skip

    def _record(self, files: Sequence[IO[bytes]], first: LiveFrame, report: FrameProgress) -> None:
        tracks: list[_LiveTrack] = []
        with ExitStack() as closing:
            for image, pts in self._frames(first):
                pictures = self.pictures(image)
                if not tracks:
                    tracks = self._tracks(files, pictures, closing)
                for track, picture in zip(tracks, pictures, strict=True):
                    track.add(picture, pts)
                self.done, self.last = self.done + 1, pts
                report(self.done, self.max_frames)

    def _frames(self, first: LiveFrame) -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
        """Frames and their times in ticks, which rise, until the end."""
        frame: LiveFrame | None = first
        while frame is not None:
            if frame.image.shape != first.image.shape:
                self.changed = "the size of its frames changed, so the video ends there"
                return
            pts = max(self.last + 1, round((frame.seconds - first.seconds) / TIME_BASE))
            if self.seconds is not None and pts * float(TIME_BASE) >= self.seconds:
                return
            yield frame.image, pts
            frame = None if self._is_complete() else self.live.next(self._is_stopped)

    def _tracks(
        self, files: Sequence[IO[bytes]], pictures: Sequence[npt.NDArray[Any]], closing: ExitStack
    ) -> "list[_LiveTrack]":
        """The videos of pictures like these, which ``closing`` completes."""
        self.size = pictures[0].shape[0], pictures[0].shape[1]
        encoders = self.pictures.encoders(pictures, Timing(TIME_BASE, self.live.rate))
        together = zip(files, self.pictures.targets, encoders, strict=True)
        tracks = [_LiveTrack(file, target, encoder) for file, target, encoder in together]
        for track in tracks:
            closing.callback(track.close)
        return tracks

    def _is_stopped(self) -> bool:
        return self.stop.asked

    def _is_complete(self) -> bool:
        """Whether it ended as asked: by a signal, or after ``max_frames``."""
        return self.stop.asked or self.done == self.max_frames


class _LiveTrack:
    """A video that is encoded and written while its pictures come."""

    def __init__(self, file: IO[bytes], target: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self.video = OpenVideo(file, target.suffix.lower(), encoder.coding)
        self.before: Coded | None = None
        self.duration = encoder.coding.usual_duration

    def add(self, picture: npt.NDArray[Any], pts: int) -> None:
        """Encode a picture, and write what is ready."""
        self.encoder.add(picture, pts)
        self._write(self.encoder.taken())

    def close(self) -> None:
        """Write the rest; the last frame is shown as long as the one before."""
        self._write(self.encoder.finish())
        if self.before is not None:
            self.video.add(self.before, self.duration)
        self.video.close()

    def _write(self, frames: Sequence[Coded]) -> None:
        for frame in frames:
            if self.before is not None:
                self.duration = frame.pts - self.before.pts
                self.video.add(self.before, self.duration)
            self.before = frame


def _write_together(
    targets: Sequence[Path],
    write: Callable[[Sequence[IO[bytes]]], object],
    files: tuple[IO[bytes], ...] = (),
) -> None:
    """Write several files at once, each as `write_atomically`; the first appears last."""
    if len(files) == len(targets):
        write(files)
        return
    target = targets[len(files)]
    write_atomically(target, lambda file: _write_together(targets, write, (*files, file)))
