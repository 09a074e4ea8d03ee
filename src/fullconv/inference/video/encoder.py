"""Pictures to a video: H.264 of overlays, PNGs of class maps and probabilities, and their files."""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.errors import UserError, printable
from fullconv.inference.video.segments import Coded
from fullconv.inference.video.video_file import opened, pyav

Show = Literal["overlay", "classes"]
"""The picture of each frame of the video: the tinted frame, or the class of every pixel."""
Picture = Literal["overlay", "classes", "probability"]
"""The picture of each video that is written; a probability is grey, 255 is certain."""

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Endings of the files that are written, and FFmpeg's names of their formats."""
QUALITY = "18"  # x264's crf: hardly to be told from the original
_BT709 = 1
_LIMITED = 1


@dataclass(frozen=True)
class Coding:
    """How frames of ``size`` (H, W) are encoded; times are in ticks of ``time_base`` seconds."""

    picture: Picture
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None = None
    deep: bool = False

    @property
    def codec(self) -> str:
        """FFmpeg's name of the encoder."""
        return "libx264" if self.picture == "overlay" else "png"

    @property
    def pixels(self) -> str:
        """FFmpeg's name of the layout of a pixel; PNG has palettes of up to 256 classes."""
        if self.picture == "overlay":
            return "yuv420p"
        if self.picture == "probability":
            return "gray"
        return "gray16be" if self.deep else "pal8"

    @property
    def stored(self) -> tuple[int, int]:
        """The size in the file: H.264 wants even sides, so a row or a column may be repeated."""
        height, width = self.size
        return (height + height % 2, width + width % 2) if self.picture == "overlay" else self.size

    @property
    def usual_duration(self) -> int:
        """The duration of a frame in ticks, where nothing else states it."""
        return max(1, round(1 / (self.rate * self.time_base)))

    def configure(self, context: Any) -> None:
        """Set up an encoder; two set up here write the same header."""
        context.height, context.width = self.stored
        context.pix_fmt, context.time_base, context.framerate = (
            self.pixels,
            self.time_base,
            self.rate,
        )
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        context.flags |= pyav().codec.context.Flags.global_header
        if self.picture == "overlay":
            # Without B-frames the order of frames is that of time, and segments can be joined.
            # Without x264's macroblock tree the same frames give the same bytes: with it, one video
            # in twenty differed, also with one thread, but not without its SIMD code.
            context.options = {"crf": QUALITY, "preset": "veryfast", "bf": "0", "mbtree": "0"}
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED


class Encoder:
    """Encodes one segment."""

    def __init__(self, coding: Coding, classes: ClassSet) -> None:
        self.coding = coding
        self.context = pyav().CodecContext.create(coding.codec, "w")
        coding.configure(self.context)
        self.palette = _palette(classes)
        self.frames: list[Coded] = []
        self.durations: dict[int, int] = {}

    def add(self, picture: npt.NDArray[Any], pts: int, duration: int = 0) -> None:
        """Encode a picture: RGB (H, W, 3), of a class map the classes (H, W), or grey (H, W)."""
        frame = self._frame(picture)
        frame.pts, frame.time_base = pts, self.coding.time_base
        self.durations[pts] = duration
        self._take(self.context.encode(frame))

    def finish(self) -> list[Coded]:
        """Every frame that was not taken, after the last was added."""
        self._take(self.context.encode(None))
        return self.taken()

    def taken(self) -> list[Coded]:
        """The frames that are ready, which are forgotten here."""
        frames, self.frames = self.frames, []
        return frames

    def _take(self, packets: Sequence[Any]) -> None:
        self.frames += [
            Coded(bytes(p), p.pts, bool(p.is_keyframe), self.durations.pop(p.pts)) for p in packets
        ]

    def _frame(self, picture: npt.NDArray[Any]) -> Any:
        frame_of = pyav().VideoFrame.from_ndarray
        if self.coding.picture == "overlay":
            even = [(0, side % 2) for side in picture.shape[:2]]
            padded = np.pad(picture, [*even, (0, 0)], "edge")
            frame = frame_of(np.ascontiguousarray(padded), format="rgb24")
            return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        if self.coding.picture == "probability":
            return frame_of(np.ascontiguousarray(picture, np.uint8), format="gray")
        if self.coding.deep:
            return frame_of(np.ascontiguousarray(picture, np.uint16), format="gray16be")
        return frame_of((np.ascontiguousarray(picture, np.uint8), self.palette), format="pal8")


def _palette(classes: ClassSet) -> npt.NDArray[np.uint8]:
    """The colours of the classes as FFmpeg has palettes: opaque, (256, 4)."""
    palette = np.full((256, 4), 255, np.uint8)
    colors = classes.palette()[:256]
    palette[: len(colors), 1:] = colors
    return palette


def check_sound(source: Path, target: Path) -> None:
    """UserError where the format of ``target`` cannot hold the sound of ``source``."""
    taken = _takes(target)
    with opened(source) as container:
        for stream in container.streams.audio:
            name = stream.codec_context.name if stream.codec_context else "unknown"
            if name not in taken:
                others = [e for e in (".mov", ".mkv", ".mp4") if name in _takes(Path(e[1:] + e))]
                fix = f"name one that ends in {' or '.join(others)}" if others else "convert it"
                raise UserError(
                    f"{printable(str(target))}: {target.suffix} cannot hold the sound of "
                    f"{printable(str(source))} ({name}): {fix}",
                    "FC-VIDEO-004",
                )


def _takes(target: Path) -> frozenset[str]:
    """Names of the decoders and encoders of what a format holds."""
    with pyav().open(io.BytesIO(), "w", format=MUXERS[target.suffix.lower()]) as container:
        return frozenset(container.supported_codecs)


class OpenVideo:
    """A video that is being written into an open file, in the format of its ``ending``."""

    def __init__(self, file: IO[bytes], ending: str, coding: Coding) -> None:
        # Where a track begins is said in ticks of the whole file, of which MP4 has 1000 a second.
        ticks = {"movie_timescale": str(min(coding.time_base.denominator, 2**31 - 1))}
        options = {} if ending == ".mkv" else ticks
        self.container = pyav().open(file, "w", format=MUXERS[ending], container_options=options)
        self.coding, self.stream = coding, self.container.add_stream(coding.codec, rate=coding.rate)
        coding.configure(self.stream.codec_context)
        self.stream.time_base = coding.time_base

    def add(self, frame: Coded, duration: int) -> None:
        """Write a frame that is shown for ``duration`` ticks."""
        packet = pyav().Packet(frame.content)
        packet.stream, packet.time_base = self.stream, self.coding.time_base
        packet.pts = packet.dts = frame.pts
        packet.duration, packet.is_keyframe = duration, frame.key
        self.container.mux_one(packet)

    def close(self) -> None:
        """Write the end of the file."""
        self.container.close()


def mux(
    file: IO[bytes], ending: str, coding: Coding, frames: Iterator[Coded], source: Path | None
) -> None:
    """Write the video into an open file, with the sound of ``source``, packet by packet."""
    with ExitStack() as opening:
        original = opening.enter_context(opened(source)) if source else None
        video = OpenVideo(file, ending, coding)
        opening.callback(video.close)
        sound = _SoundOf(original, video) if original else None
        for frame, duration in _with_durations(frames, coding):
            if sound:
                sound.copy_until(frame.pts * coding.time_base)
            video.add(frame, duration)
        if sound:
            sound.copy_until(None)


class _SoundOf:
    """Copies the sound of the file ``original`` to ``video``, up to the time of each frame."""

    def __init__(self, original: Any, video: OpenVideo) -> None:
        self.container = video.container
        sounds = {
            sound.index: _copied(video.container, sound)
            for sound in original.streams.audio
            if sound.codec_context
        }
        self.packets = _sound(original, sounds)
        self.heard = next(self.packets, None)

    def copy_until(self, seconds: Fraction | None) -> None:
        """Write the packets up to a time, None up to the end."""
        while self.heard is not None and (seconds is None or _seconds(self.heard) <= seconds):
            self.container.mux_one(self.heard)
            self.heard = next(self.packets, None)


def _copied(container: Any, sound: Any) -> Any:
    stream = container.add_stream_from_template(sound)
    if language := sound.metadata.get("language"):
        stream.metadata["language"] = language
    return stream


def _with_durations(frames: Iterator[Coded], coding: Coding) -> Iterator[tuple[Coded, int]]:
    """Each frame with its distance to the next; the last with what it states, or the usual."""
    before = next(frames, None)
    for frame in frames:
        assert before is not None
        yield before, frame.pts - before.pts
        before = frame
    if before is not None:
        yield before, before.duration or coding.usual_duration


def _sound(original: Any, sounds: dict[int, Any]) -> Iterator[Any]:
    """The packets of all sound, as they lie in the file; up to where it is damaged."""
    if not sounds:
        return
    try:
        for packet in original.demux(*(original.streams[index] for index in sounds)):
            if packet.dts is not None and packet.size:
                packet.stream = sounds[packet.stream_index]
                yield packet
    except pyav().error.FFmpegError:
        return


def _seconds(packet: Any) -> Fraction:
    return packet.dts * packet.time_base
