"""A video predicted frame by frame, in segments that are on the disk before the next one begins."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.atomic import write_atomically
from fullconv.classes.palettes import Palette
from fullconv.device import Precision
from fullconv.download.cache import exclusive
from fullconv.errors import UserError, one_line, printable
from fullconv.inference.engines.registry import AUTO
from fullconv.inference.net_checksums import net_checksums
from fullconv.inference.photo_engine import PhotoEngine
from fullconv.inference.prediction import Prediction
from fullconv.inference.predictor import Predictor
from fullconv.inference.tiled import Tile
from fullconv.inference.tta import TTA
from fullconv.inference.video.encoder import MUXERS, Coding, Encoder, Show, check_sound, mux
from fullconv.inference.video.segments import LENGTH, Job, Segments
from fullconv.inference.video.video_file import Frame, VideoFile, open_video, pyav
from fullconv.modalities import MAX_MEGAPIXELS, is_of_photo
from fullconv.version import __version__
from fullconv.visualize import Legend, check_drawing, flattened


@dataclass(frozen=True)
class VideoOutcome:
    """What became of a video of so many ``frames``: ``written``, of ``size`` (H, W).

    ``earlier`` frames were on the disk before this call. ``warnings`` say what of the file is
    damaged.
    """

    written: Path
    frames: int
    earlier: int
    size: tuple[int, int]
    warnings: tuple[str, ...] = ()


def video_result(source: Path, stem: Path, show: Show = "overlay") -> Path:
    """The file of a result that is given no name: STEM_overlay.mp4, or as the source ends.

    MKV where the source is neither MP4 nor MOV; class maps need one of these.
    """
    ending = source.suffix.lower()
    if ending not in MUXERS or (show == "classes" and ending == ".mkv"):
        ending = ".mkv" if show == "overlay" else ".mov"
    return Path(f"{stem}_{show}{ending}")


def predict_video(
    run: str | Path | Predictor,
    path: str | Path,
    out: str | Path,
    *,
    show: Show = "overlay",
    smooth: float = 0.0,
    alpha: float = 0.6,
    legend: Legend = "right",
    borders: bool = True,
    palette: Palette = "classes",
    device: str = "auto",
    precision: Precision = "fp32",
    engine: str = AUTO,
    tile: Tile | None = None,
    tta: str | TTA | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    report: Callable[[int, int | None], object] = lambda done, total: None,
    say: Callable[[str], object] = lambda note: None,
) -> VideoOutcome:
    """Predict every frame of the video in ``path`` and write the video ``out``.

    ``run`` is what a Predictor opens, with the options of one, or a Predictor, whose own they are
    then. Frames lie upright, keep their time stamps, and the sound is copied packet by packet.
    ``show`` 'overlay' gives H.264 of the tinted frames (``alpha``, ``legend``, ``borders`` as in
    `Prediction.draw`; 'below' is taken for 'right', as the size has to stay), 'classes' the class
    of every pixel, exactly, as palette PNGs. ``smooth``, from 0 to below 1, is the share of the
    frames before in each frame's logits: an exponential mean over time. Killed and called again
    with the same arguments, it resumes after the last `LENGTH` frames that are on the disk; ``out``
    appears when it is whole. ``report`` is told the frames done and in all, None where nobody
    knows. Of a net with several outputs the first is shown; of classes that may overlap 'classes'
    is `visualize.flattened`: 0 where none is, else 1 + the class, the smallest on top. Raises
    UserError for what is no video, for a net that sees more than a photo, and for wrong options.
    """
    _check_options(show, smooth)
    legend = "right" if legend == "below" else legend
    check_drawing(alpha, legend)
    source, target = Path(path), Path(out)
    _check_target(source, target, show)
    pyav()
    if not isinstance(run, Predictor):
        run = Predictor(run, device, precision, engine, tile, palette, borders, tta, say)  # pyright: ignore
    _check_net(run)
    with open_video(source, max_megapixels) as video:
        check_sound(source, target)
        drawn = {"show": show, "smooth": smooth, "alpha": alpha, "legend": legend}
        work = _Work(run, video, target, drawn)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(target):
                return work.run(report, say)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(
                f"{printable(str(target))}: cannot be written: {reason}", "FC-FILE-002"
            ) from error


def _check_options(show: str, smooth: float) -> None:
    if show not in ("overlay", "classes"):
        raise UserError(f"{show!r} is unknown: show overlay or classes", "FC-VIDEO-003")
    if not 0 <= smooth < 1:  # nor nan
        raise UserError(
            f"smooth {smooth}: lies from 0 (each frame alone) to below 1", "FC-VIDEO-003"
        )


def _check_target(source: Path, target: Path, show: Show) -> None:
    endings = [e for e in MUXERS if show == "overlay" or e != ".mkv"]
    if target.suffix.lower() not in endings:
        raise UserError(
            f"{printable(str(target))}: a video of {show} is written to {', '.join(endings)}",
            "FC-VIDEO-003",
        )
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(
            f"{printable(str(target))}: would overwrite its source; choose another --out",
            "FC-PREDICT-003",
        )


def _check_net(predictor: Predictor) -> None:
    further = [kind for kind in predictor.inputs if not is_of_photo(kind)]
    if further or predictor.spec.in_channels != 3:
        sees = ", ".join(further) or f"{predictor.spec.in_channels} bands"
        raise UserError(
            f"the net sees {sees}, which a video does not have: predict photos with it",
            "FC-VIDEO-007",
        )


class _Work:
    """One video on its way: what is on the disk, and the frames that are left."""

    def __init__(
        self, predictor: Predictor, video: VideoFile, target: Path, drawn: dict[str, Any]
    ) -> None:
        self.predictor, self.video, self.target, self.drawn = predictor, video, target, drawn
        self.show: Show = drawn["show"]
        self.smooth: float = drawn["smooth"]
        self.mean: npt.NDArray[np.float32] | None = None
        if self.smooth:
            predictor.check_scores()

    def run(
        self, report: Callable[[int, int | None], object], say: Callable[[str], object]
    ) -> VideoOutcome:
        """Predict what is left, and write the result."""
        folder = self.target.with_name(f"{self.target.name}.partial")
        job = _job(self.predictor, self.video, self.drawn)
        segments = Segments(folder, job, stateful=bool(self.smooth))
        earlier, total = segments.frames, self.video.total
        if segments.stale:
            say(f"{folder}: has {', '.join(segments.stale)}, so it starts anew")
        elif earlier:
            say(f"{folder}: resuming after {earlier} frames")
        self.mean = segments.state()
        done = earlier
        report(done, total)
        frames = self.video.frames(earlier)
        for first in frames:
            encoder = None
            for frame in chain([first], islice(frames, LENGTH - 1)):
                picture = self._picture(frame)
                size = picture.shape[0], picture.shape[1]
                encoder = encoder or Encoder(self._coding(size), self._classes)
                encoder.add(picture, frame.pts, frame.duration)
                done += 1
                report(done, max(done, total) if total else None)
            assert encoder is not None
            segments.append(encoder.finish(), size, self.mean if self.smooth else None)
        size = segments.size()
        ending, coding = self.target.suffix.lower(), self._coding(size)
        try:
            write_atomically(
                self.target,
                lambda file: mux(file, ending, coding, segments.read(), self.video.path),
            )
        except pyav().error.FFmpegError as error:
            raise UserError(
                f"{printable(str(self.target))}: cannot hold this video ({one_line(str(error))}): "
                "name an .mkv or a .mov",
                "FC-VIDEO-004",
            ) from error
        segments.remove()
        return VideoOutcome(self.target, done, earlier, size, tuple(self._warnings()))

    @property
    def _classes(self) -> Any:
        """Those that the video shows: of overlapping ones the smallest lies on top."""
        classes = self.predictor.classes
        return classes.flat if classes.is_overlapping else classes.outputs[0].classes

    def _picture(self, frame: Frame) -> npt.NDArray[Any]:
        prediction = self._prediction(frame.image)
        if self.show == "classes":
            return flattened(prediction.mask, prediction.classes)[0]
        return prediction.draw(self.drawn["alpha"], self.drawn["legend"])

    def _prediction(self, image: npt.NDArray[np.uint8]) -> Prediction:
        if not self.smooth:
            return self.predictor.predict_batch([image])[0]
        scores = self.predictor.engine.scores(image)
        if self.mean is None:
            self.mean = np.array(scores, np.float32)
        else:
            self.mean += np.float32(1 - self.smooth) * (scores - self.mean)
        return self.predictor.of_scores(image, self.mean)

    def _coding(self, size: tuple[int, int]) -> Coding:
        video, deep = self.video, self.show == "classes" and len(self._classes.palette()) > 256
        return Coding(self.show, size, video.time_base, video.rate, video.sample_aspect, deep)

    def _warnings(self) -> Iterator[str]:
        video = self.video
        if video.damaged:
            yield f"{video.path}: {video.damaged} damaged parts were left out"
        if video.cut_off:
            yield f"{video.path}: {video.cut_off}: the file is cut off or damaged; copy it again"


def _job(predictor: Predictor, video: VideoFile, drawn: dict[str, Any]) -> Job:
    """What decides the result."""
    engine = predictor.engine
    views = engine.views.tta if isinstance(engine, PhotoEngine) and engine.views else None
    tiling = engine.tiling if isinstance(engine, PhotoEngine) else None
    inner = engine.engine if isinstance(engine, PhotoEngine) else engine
    status = video.path.stat()
    thresholds = predictor.classes.thresholds
    return {
        "net": net_checksums(predictor.path),
        **({"thresholds": list(thresholds)} if thresholds else {}),
        "engine": f"{predictor.engine_name} {getattr(inner, 'precision', 'fp32')}",
        "source": [str(video.path.resolve()), status.st_size, status.st_mtime_ns],
        "tile": tiling.tile if tiling else None,
        "test-time augmentation": repr(views),
        "look": {**drawn, "borders": predictor.borders},
        "palette": [list(color) for color in predictor.classes.colors],
        "version": __version__,
    }
