"""Cameras, as FFmpeg's device formats have them: which one is meant, and its newest frame.

v4l2 on Linux, avfoundation on macOS, dshow on Windows. A camera gives frames at its own pace: a
thread takes each as it comes, and who asks gets the newest, so that nothing is shown late.
"""

import errno
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError, one_line, printable
from fullconv.inference.video.video_file import Turn, pyav

PREFIX = "camera:"
PATIENCE = 10.0
"""Seconds without a frame after which a camera counts as gone."""
_LINUX = re.compile(r"/dev/(video\d+|v4l/.+)")
_POLL = 0.1  # seconds after which a wait looks whether it is to end
_EMPTY = 0.002  # seconds until a device that has no frame yet is asked again

Listed = Sequence[tuple[str, str]]
"""The cameras of a machine: what FFmpeg opens, and what people call it."""


@dataclass(frozen=True)
class Device:
    """A camera of PyAV: ``name`` of the device ``format``, ``options``, ``label`` in messages.

    Any format of FFmpeg that gives frames as they come will do, as lavfi does.
    """

    format: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    label: str = ""

    def __str__(self) -> str:
        return printable(self.label or self.name)


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A frame, upright, uint8 RGB (H, W, 3), and its time in ``seconds`` of the camera's clock."""

    image: npt.NDArray[np.uint8]
    seconds: Fraction


def is_camera(name: str) -> bool:
    """Whether a name means a camera: camera:0, camera:NAME, /dev/video0."""
    return name.startswith(PREFIX) or bool(_LINUX.fullmatch(name))


def device_of(
    name: str, system: str = sys.platform, listed: Callable[[str], Listed] | None = None
) -> Device:
    """The device that a name means on a ``system``, of the cameras that ``listed`` gives.

    camera:N is the Nth camera, from 0, camera:NAME the one that is called so. Raises UserError
    where no camera has that number or name, as far as the system lists them.
    """
    listed = listed or listed_cameras
    if _LINUX.fullmatch(name):
        return Device("v4l2", name, label=name)
    wanted = name.removeprefix(PREFIX).strip()
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 5 else None
    if system.startswith("linux"):
        if number is not None:
            return Device("v4l2", f"/dev/video{number}", label=name)
        return Device("v4l2", _named(name, wanted, listed("v4l2")), label=name)
    if system == "darwin":
        cameras = () if number is not None else listed("avfoundation")
        place = wanted if number is not None else _named(name, wanted, cameras, pass_on=True)
        return Device("avfoundation", place, {"framerate": "30"}, name)
    if system == "win32":
        cameras = listed("dshow")
        if number is None:
            return Device("dshow", f"video={_named(name, wanted, cameras, True)}", label=name)
        if number >= len(cameras):
            raise _no_camera(name, f"{len(cameras)} cameras are listed", cameras)
        return Device("dshow", f"video={cameras[number][0]}", label=name)
    raise UserError(
        f"{printable(name)}: cameras are read on Linux, macOS and Windows, not on {system}: record "
        "a clip and name it",
        "FC-VIDEO-011",
    )


def listed_cameras(form: str) -> Listed:
    """The cameras of this machine; none where PyAV cannot list them."""
    av = pyav()
    try:
        devices = av.enumerate_input_devices(form)
    except (AttributeError, ValueError, OSError, av.error.FFmpegError):  # PyAV 16 has no such list
        return []
    return [
        (device.name, device.description)
        for device in devices
        if "video" in device.media_types or not device.media_types
    ]


def _named(name: str, wanted: str, cameras: Listed, pass_on: bool = False) -> str:
    """FFmpeg's name of the camera that people call ``wanted``.

    With ``pass_on`` it may be what people call it, where no camera is listed.
    """
    for place, label in cameras:
        if wanted and wanted.casefold() in (place.casefold(), label.casefold()):
            return place
    if wanted and pass_on and not cameras:
        return wanted
    raise _no_camera(name, "no camera is called so", cameras)


def _no_camera(name: str, reason: str, cameras: Listed) -> UserError:
    labels = ", ".join(f"{PREFIX}{printable(label or place)}" for place, label in cameras)
    here = f"the cameras are {labels}" if labels else "no camera is found on this machine"
    return UserError(f"{printable(name)}: cannot be opened ({reason}); {here}", "FC-VIDEO-008")


class LiveInput:
    """An open device: a thread reads it, and `next` gives the newest frame.

    ``dropped`` frames came while another one was being dealt with. ``ended`` says why no more come,
    where the device ended by itself. Use it in a ``with`` block.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.dropped, self.ended = 0, ""
        self.rate = Fraction(30)
        self._came = threading.Condition()
        self._newest: tuple[Any, Fraction] | None = None
        self._error: Exception | None = None
        self._open = True
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def __enter__(self) -> "LiveInput":
        pyav()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._came:
            self._open = False
        self._thread.join(timeout=2)  # a camera that hangs ends with the process

    def next(self, is_stopped: Callable[[], bool]) -> LiveFrame | None:
        """The newest frame that was not given yet, waited for; None where no more come.

        That is so when ``is_stopped`` says so, or the device has ended. Raises UserError where it
        cannot be opened, or gives no first frame.
        """
        end = time.monotonic() + PATIENCE
        with self._came:
            while not is_stopped():
                if self._error:
                    raise self._error
                if self._newest:
                    decoded, seconds = self._newest
                    self._newest = None
                    image = Turn.of(decoded)(decoded.to_ndarray(format="rgb24"))
                    return LiveFrame(image, seconds)
                if self.ended:
                    return None
                if time.monotonic() > end:
                    self.ended = f"no frame came for {PATIENCE:g} seconds"
                    return None
                self._came.wait(_POLL)
        return None

    def _run(self) -> None:
        try:
            with _opened(self.device) as container:
                self._read(container)
        except Exception as error:  # raised by `next`, in the thread that asks
            with self._came:
                self._error = error
                self._came.notify()

    def _read(self, container: Any) -> None:
        """Take frames until the end, the newest in place of one that nobody has asked for."""
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # threads of whole frames would hold some back
        rate = stream.average_rate or stream.guessed_rate
        if rate and 0 < rate < 1000:
            self.rate = Fraction(rate)
        reason = "it has no more frames"
        try:
            for packet in _packets(container, stream):
                if not self._open:
                    return
                for decoded in _decoded(stream, packet):
                    self._take(decoded)
        except (OSError, pyav().error.FFmpegError) as error:  # as one that is unplugged
            reason = _reason(error)
        with self._came:
            self.ended = reason
            self._came.notify()

    def _take(self, decoded: Any) -> None:
        stated = decoded.pts is not None and decoded.time_base
        seconds = decoded.pts * decoded.time_base if stated else Fraction(time.monotonic())
        with self._came:
            self.dropped += self._newest is not None
            self._newest = decoded, seconds
            self._came.notify()


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    while True:
        try:
            yield from container.demux(stream)
            return
        except BlockingIOError:  # avfoundation: there is none yet
            time.sleep(_EMPTY)


def _decoded(stream: Any, packet: Any) -> list[Any]:
    """The frames of a packet; none of a damaged one."""
    try:
        return stream.codec_context.decode(packet if packet.size else None)
    except (pyav().error.FFmpegError, EOFError):
        return []


def _opened(device: Device) -> Any:
    """The container of a device; UserError where it cannot be opened."""
    av = pyav()
    error: Exception | None = None
    for options in [device.options, {}] if device.options else [{}]:
        try:
            container = av.open(device.name, format=device.format, container_options=dict(options))
        except (av.error.FFmpegError, OSError, ValueError) as raised:
            error = error or raised
            continue
        if container.streams.video and container.streams.video[0].codec_context:
            return container
        container.close()
        raise _no_camera(str(device), "it gives no pictures", [])
    assert error is not None
    raise _refusal(device, error) from error


def _refusal(device: Device, error: Exception) -> UserError:
    """Why a device was not opened."""
    number = getattr(error, "errno", None)
    if isinstance(error, ValueError) and not isinstance(error, pyav().error.FFmpegError):
        return UserError(
            f"{device}: this PyAV has no {device.format}, by which FFmpeg reads cameras here: "
            "pip install --force-reinstall av, or record a clip and name it",
            "FC-VIDEO-011",
        )
    if number in (errno.EACCES, errno.EPERM):
        return UserError(f"{device}: may not be opened; {_permission()}", "FC-VIDEO-009")
    if number == errno.EBUSY:
        return UserError(
            f"{device}: is used by another program: close that, or name another camera",
            "FC-VIDEO-010",
        )
    cameras = listed_cameras(device.format)
    refusal = _no_camera(str(device), _reason(error), cameras)
    if sys.platform in ("darwin", "win32"):
        return UserError(f"{refusal}; {_permission()}", refusal.code)
    return refusal


def _permission() -> str:
    """How this system lets a program use its cameras."""
    if sys.platform == "darwin":
        return "allow the terminal in System Settings > Privacy & Security > Camera"
    if sys.platform == "win32":
        return "allow desktop apps in Settings > Privacy > Camera"
    return (
        "add yourself to the group of the camera: sudo usermod -aG video $USER, then log in again"
    )


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or str(error))
