"""`predict_video`: frame by frame, in segments that are written before the next one begins."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO

from fullconv.classes.palettes import Palette
from fullconv.device import Precision
from fullconv.download.cache import exclusive
from fullconv.errors import UserError, one_line, printable
from fullconv.files.atomic import write_atomically
from fullconv.inference.engines.registry import AUTO, Say
from fullconv.inference.net_checksums import net_checksums
from fullconv.inference.photo_engine import PhotoEngine
from fullconv.inference.predictor import Predictor
from fullconv.inference.tiled_prediction import Tile
from fullconv.inference.tta import TTA
from fullconv.inference.video.encoder import Coding, Encoder, Show, check_sound, mux
from fullconv.inference.video.pictures import (
    FramePictures,
    FrameProgress,
    Look,
    Timing,
    check_endings,
)
from fullconv.inference.video.segments import LENGTH, Job, Segments, Track
from fullconv.inference.video.video_file import Frame, VideoFile, open_video, pyav
from fullconv.modalities import MAX_MEGAPIXELS
from fullconv.python_arguments import as_path
from fullconv.version import __version__
from fullconv.visualize import Legend


@dataclass(frozen=True)
class VideoOutcome:
    """A predicted video: the file ``written``, with ``frames`` frames of ``size`` (H, W).

    ``earlier`` frames were predicted by an interrupted call before this one. ``warnings`` say which
    parts of the source are damaged. ``probabilities`` are the videos of the probabilities.
    """

    written: Path
    frames: int
    earlier: int
    size: tuple[int, int]
    warnings: tuple[str, ...] = ()
    probabilities: tuple[Path, ...] = ()


def predict_video(
    run: str | Path | Predictor,
    path: str | Path,
    out: str | Path,
    *,
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
    max_megapixels: float = MAX_MEGAPIXELS,
    report: FrameProgress = lambda done, total: None,
    say: Say = lambda note: None,
) -> VideoOutcome:
    """Predict every frame of the video in ``path`` and write the video ``out``.

    ``run`` is opened by a `Predictor` with the options from ``borders`` to ``tta``; these are not
    used where it is a Predictor already. Frames are turned upright and keep their time stamps; the
    sound is copied. ``show`` 'overlay' writes H.264 of the tinted frames (``alpha``, ``legend``,
    ``borders`` as in `Prediction.draw`; 'below' counts as 'right', because the size must not
    change), 'classes' the class of every pixel, lossless, as palette PNGs. ``smooth``, from 0 to
    below 1, is the weight of the earlier frames in an exponential moving average of the logits.
    With ``probability`` a second video beside ``out`` (`probability_results`) has the probability
    of each pixel's class: lossless grey PNGs of the frame's size, 255 is certain; of overlapping
    classes one video each. Of a net with several outputs the first is shown; of overlapping classes
    'classes' is `visualize.flattened`: 0 where there is none, else 1 + the class, the smallest on
    top. ``out`` appears when it is complete; after an interruption the same call resumes after the
    last complete segment of `LENGTH` frames. ``report`` is called after each frame, ``say`` with
    notes. Raises UserError for a file that is no video, for a net with other inputs than a photo,
    and for options with a wrong value.
    """
    look = Look(show, smooth, alpha, legend, probability)
    source, target = as_path(path, "the video"), as_path(out, "out")
    check_endings(target, show)
    _check_not_source(source, [target])
    pyav()
    if not isinstance(run, Predictor):
        run = Predictor(run, device, precision, engine, tile, palette, borders, tta, say)  # pyright: ignore
    pictures = FramePictures(run, look, target)
    _check_not_source(source, pictures.targets)
    with open_video(source, max_megapixels) as video:
        check_sound(source, target)
        job = _VideoJob(pictures, video)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(target):
                return job.run(report, say)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(
                f"{printable(str(target))}: cannot be written: {reason}", "FC-FILE-002"
            ) from error


def _check_not_source(source: Path, targets: Sequence[Path]) -> None:
    for target in targets:
        if target.exists() and source.exists() and target.samefile(source):
            raise UserError(
                f"{printable(str(target))}: would overwrite its source; choose another --out",
                "FC-PREDICT-003",
            )


class _VideoJob:
    """The prediction of one video, from its finished segments on."""

    def __init__(self, pictures: FramePictures, video: VideoFile) -> None:
        self.pictures, self.video = pictures, video
        self.target = pictures.targets[0]

    def run(self, report: FrameProgress, say: Say) -> VideoOutcome:
        """Predict the frames that are left, and write the result."""
        folder = self.target.with_name(f"{self.target.name}.partial")
        job = _job_key(self.pictures, self.video)
        smooth = bool(self.pictures.look.smooth)
        segments = Segments(folder, job, stateful=smooth)
        earlier, total = segments.frames, self.video.total
        if segments.stale:
            say(f"{folder}: has {', '.join(segments.stale)}, so it starts anew")
        elif earlier:
            say(f"{folder}: resuming after {earlier} frames")
        self.pictures.mean = segments.state()
        done = earlier
        report(done, total)
        frames = self.video.frames(earlier)
        for first in frames:
            encoders = None
            for frame in chain([first], islice(frames, LENGTH - 1)):
                encoders = self._encoded(frame, encoders)
                done += 1
                report(done, max(done, total) if total else None)
            assert encoders is not None
            tracks = [Track(encoder.finish(), encoder.coding.size) for encoder in encoders]
            segments.append(tracks, self.pictures.mean if smooth else None)
        for number in reversed(range(len(self.pictures.targets))):  # the video itself comes last
            self._write(segments, number)
        size = segments.size()
        segments.remove()
        target, *probabilities = self.pictures.targets
        warnings = tuple(self._warnings())
        return VideoOutcome(target, done, earlier, size, warnings, tuple(probabilities))

    def _encoded(self, frame: Frame, encoders: list[Encoder] | None) -> list[Encoder]:
        """Encode the pictures of a frame, by new encoders where there are none."""
        pictures = self.pictures(frame.image)
        encoders = encoders or self.pictures.encoders(pictures, self._timing)
        for encoder, picture in zip(encoders, pictures, strict=True):
            encoder.add(picture, frame.pts, frame.duration)
        return encoders

    def _write(self, segments: Segments, number: int) -> None:
        """Write the file of a target, the first with the sound."""
        target = self.pictures.targets[number]
        coding = self.pictures.coding(number, segments.size(number), self._timing)
        try:
            write_atomically(target, lambda file: self._mux(file, coding, segments, number))
        except pyav().error.FFmpegError as error:
            raise UserError(
                f"{printable(str(target))}: cannot hold this video ({one_line(str(error))}): "
                "name an .mkv or a .mov",
                "FC-VIDEO-004",
            ) from error

    def _mux(self, file: IO[bytes], coding: Coding, segments: Segments, number: int) -> None:
        ending = self.pictures.targets[number].suffix.lower()
        sound = None if number else self.video.path
        mux(file, ending, coding, segments.read(number), sound)

    @property
    def _timing(self) -> Timing:
        return Timing(self.video.time_base, self.video.rate, self.video.sample_aspect)

    def _warnings(self) -> Iterator[str]:
        video = self.video
        if video.damaged:
            yield f"{video.path}: {video.damaged} damaged parts were left out"
        if video.cut_off:
            yield f"{video.path}: {video.cut_off}: the file is cut off or damaged; copy it again"


def _job_key(pictures: FramePictures, video: VideoFile) -> Job:
    """All that decides the result: finished segments of another job are not used."""
    predictor = pictures.predictor
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
        "look": {**asdict(pictures.look), "borders": predictor.borders},
        "palette": [list(color) for color in predictor.classes.colors],
        "version": __version__,
    }
