"""A video opened by PyAV: upright frames with their time stamps, and what else is in the file.

Formats are those of a list, and nothing but the file itself is opened: playlists (HLS, concat,
DASH), devices and network protocols are refused by FFmpeg's own allow-lists.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.image import check_size
from fullconv.errors import UserError, one_line, printable
from fullconv.modalities import MAX_MEGAPIXELS, ReadOptions

DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg"
"""FFmpeg's names of the formats that are opened."""
_LONGEST_STEP = 2**40  # ticks; a time stamp further away is a damaged one

RGB = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame; ``pts`` is its time in ticks of the stream, ``duration`` 0 if not stated."""

    pts: int
    duration: int
    number: int
    decoded: Any
    turn: "Turn"

    @property
    def image(self) -> RGB:
        """Upright, uint8 RGB (H, W, 3)."""
        return self.turn(self.decoded.to_ndarray(format="rgb24"))


@dataclass(frozen=True)
class Turn:
    """How a frame as stored becomes upright: transposed first, then mirrored."""

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    @classmethod
    def of(cls, frame: Any) -> "Turn":
        """By the display matrix of a decoded frame; other angles than right ones are left alone.

        The matrix takes (x, y) to (a x + c y, b x + d y).
        """
        matrix = _matrix_of(frame)
        if matrix is None:
            return cls()
        a, b, c, d = (round(float(matrix[place]) / 65536) for place in (0, 1, 3, 4))
        if (a, d) == (0, 0) and abs(b) == abs(c) == 1:
            return cls(True, c < 0, b < 0)
        if (b, c) == (0, 0) and abs(a) == abs(d) == 1:
            return cls(False, a < 0, d < 0)
        return cls()

    def __call__(self, image: RGB) -> RGB:
        if self.transposed:
            image = image.swapaxes(0, 1)
        if self.left_right:
            image = image[:, ::-1]
        if self.up_down:
            image = image[::-1]
        return np.ascontiguousarray(image)


def _matrix_of(frame: Any) -> npt.NDArray[np.int32] | None:
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(data), np.int32)
    return None


class VideoFile:
    """An open video; use `open_video`.

    ``stored`` is the size of its frames as stored (H, W), ``time_base`` the seconds of a tick;
    ``turn`` is known from the first frame on. ``damaged`` counts what could not be decoded so far,
    and ``cut_off`` says at the end where less came than the header promised.
    """

    def __init__(self, path: Path, container: Any) -> None:
        self.path, self.container = path, container
        self.stream = container.streams.best("video")
        self.damaged = 0
        self.cut_off: str | None = None
        if self.stream is None or self.stream.codec_context is None:
            raise _no_video(path, "it has no picture")
        self.stored = self.stream.codec_context.height, self.stream.codec_context.width
        self.time_base: Fraction = self.stream.time_base or Fraction(1, 1000)
        self.turn: Turn | None = None

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average; 25 where nothing says so."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return Fraction(rate) if rate and 0 < rate < 10000 else Fraction(25)

    @property
    def is_avi(self) -> bool:
        """Whether each tick is a frame, of which some may only repeat the one before."""
        return self.container.format.name == "avi"

    @property
    def total(self) -> int | None:
        """How many frames there should be."""
        seconds = self.seconds
        if self.stream.frames:
            return int(self.stream.frames)
        return None if seconds is None else max(1, round(seconds * float(self.rate)))

    @property
    def seconds(self) -> float | None:
        """How long it is, by its header; None where that says nothing."""
        if self.stream.frames and self.is_avi:  # FFmpeg's duration is that of what is left of it
            return float(self.stream.frames * self.time_base)
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        return self.container.duration / 1e6 if self.container.duration else None

    @property
    def sample_aspect(self) -> Fraction | None:
        """Width of a stored pixel by its height, as upright; None where it is a square."""
        aspect = self.stream.sample_aspect_ratio
        if not aspect or aspect == 1 or aspect < 0:
            return None
        return 1 / aspect if self.turn and self.turn.transposed else aspect

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """The frames from number ``start`` on; those before are decoded, as the others need them.

        Time stamps rise strictly: one that is missing or does not is a tick, or the usual distance,
        behind the one before. Raises UserError where not one frame can be decoded, and where the
        size changes on the way.
        """
        step = max(1, round(1 / (self.rate * self.time_base)))
        number, last, end = 0, None, 0
        for decoded in self._decoded():
            if (decoded.height, decoded.width) != self.stored:
                raise UserError(
                    f"{self.path}: frame {number} is {decoded.width} x {decoded.height}, the first "
                    f"one {self.stored[1]} x {self.stored[0]}: cut it where the size changes",
                    "FC-VIDEO-005",
                )
            if self.turn is None:
                self.turn = Turn.of(decoded)
            pts = decoded.pts if decoded.pts is not None else decoded.dts
            if last is not None and (pts is None or pts <= last or pts - last > _LONGEST_STEP):
                pts = last + (step if pts is None or pts - last > _LONGEST_STEP else 1)
            last = pts if pts is not None else 0
            duration = max(0, int(decoded.duration or 0))
            end = last + (duration or step)
            if number >= start:
                yield Frame(last, duration, number, decoded, self.turn)
            number += 1
        if not number:
            raise _no_video(self.path, "no frame of it can be decoded")
        self._note_end(end, number)

    def _note_end(self, end: int, number: int) -> None:
        start = int(self.stream.start_time or 0)
        done = float((end - start) * self.time_base)
        if self.seconds is not None and done < 0.9 * self.seconds - 0.5:
            self.cut_off = f"ends after {done:.1f} of {self.seconds:.1f} s"
            return
        # A count that follows from the rate alone is a guess where the rate varies.
        least = 0.9 * self.stream.frames if self.stream.frames else 0.5 * (self.total or 0)
        if number < least - 1 and not self.is_avi:
            self.cut_off = f"{number} frames decode, about {self.total} should be there"

    def _decoded(self) -> Iterator[Any]:
        """The decoded frames, in order; damaged ones are counted."""
        from av.error import EOFError as EndOfFile
        from av.error import FFmpegError

        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the file ends within a packet
                self.damaged += 1
                packet = None
            if packet is not None and packet.size and packet.is_corrupt:
                self.damaged += 1
            try:
                decoded = self.stream.codec_context.decode(packet)
            except (EOFError, EndOfFile):
                return
            except FFmpegError:
                self.damaged += 1
                decoded = []
            yield from decoded
            if packet is None or not packet.size:
                return


@contextmanager
def open_video(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[VideoFile]:
    """The video in a file, for the block; UserError for what is none, and without PyAV."""
    name = printable(str(path))
    with opened(path, max_megapixels) as container:
        video = VideoFile(path, container)
        if min(video.stored) < 1:
            raise _no_video(path, "its header states no size")
        check_size(video.stored, name, ReadOptions(max_megapixels=max_megapixels))
        video.stream.codec_context.options = {"max_pixels": _max_pixels(max_megapixels)}
        video.stream.thread_type = "AUTO"
        yield video


@contextmanager
def opened(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[Any]:
    """The container of a file, by the allow-lists; UserError as `open_video`."""
    av = pyav()
    if not path.is_file():
        raise UserError(f"{printable(str(path))}: no such file", "FC-FILE-003")
    try:
        container = av.open(
            f"file:{path.resolve()}",
            options={"max_pixels": _max_pixels(max_megapixels)},
            container_options={"format_whitelist": DEMUXERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise _no_video(path, one_line(getattr(error, "strerror", None) or str(error))) from error
    with container:
        if not set(container.format.name.split(",")) <= set(DEMUXERS.split(",")):
            raise _no_video(path, f"{container.format.name} is no format that is opened")
        yield container


def _max_pixels(max_megapixels: float) -> str:
    """The limit of pixels for FFmpeg, which counts padding too."""
    return str(min(2**31 - 1, int(max_megapixels * 1.2e6) + 2**20))


def _no_video(path: Path, reason: str) -> UserError:
    return UserError(
        f"{printable(str(path))}: is no video that can be read ({reason}); copy it again, or save "
        "it as MP4, MOV, MKV, WebM or AVI",
        "FC-VIDEO-002",
    )


def pyav() -> Any:
    """PyAV, quiet; UserError where it is not installed."""
    try:
        import av
        from av import logging
    except ImportError as error:
        raise UserError(
            "PyAV is not installed, which reads and writes videos: pip install 'fullconv[video]'",
            "FC-VIDEO-001",
        ) from error
    logging.set_level(logging.PANIC)
    return av
