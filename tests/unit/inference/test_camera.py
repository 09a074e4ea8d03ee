"""Cameras by FFmpeg's moving test picture, which comes at a camera's pace without a device."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import islice

import numpy as np
import pytest

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.inference.video import camera as cameras
from fullconv.inference.video import predict_camera
from fullconv.inference.video.camera import Device, LiveInput, device_of, is_camera
from small_runs import small_run

av = pytest.importorskip("av", reason="needs fullconv[video]")

LATEST = 60  # the frame that a busy machine, which takes the newest, may begin with
CLASSES = ClassSet(("sky", "road", "car", "tree"), ((1, 2, 3), (90, 0, 0), (0, 90, 0), (0, 0, 90)))


def moving(rate=20, size="64x48", more=""):
    """A camera that never ends, its frames in time."""
    return Device("lavfi", f"testsrc=size={size}:rate={rate}{more},realtime", label="camera:test")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("run"), CLASSES)


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor(run, "cpu")


def decoded(path, form="rgb24"):
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.video[0]))
        return [f.to_ndarray(format=form) for f in frames], [f.pts * f.time_base for f in frames]


def source(number, rate=20, size="64x48"):
    """Frame ``number`` of the same picture, without a camera's pace."""
    with av.open(f"testsrc=size={size}:rate={rate}", format="lavfi") as container:
        frame = next(islice(container.decode(video=0), number, None))
        return frame.to_ndarray(format="rgb24")


class SlowPredictor(Predictor):
    """Takes 0.3 s more for a frame."""

    def predict_batch(self, images, scores=False, confidence=False):
        time.sleep(0.3)
        return super().predict_batch(images, scores, confidence)


def test_frames_are_those_of_the_camera_at_their_own_times(predictor, tmp_path):
    steps = []
    outcome = predict_camera(
        predictor, moving(), tmp_path / "live.mp4", max_frames=8, show="classes",
        report=lambda *step: steps.append(step),
    )  # fmt: skip
    assert steps == [(number, 8) for number in range(1, 9)]
    assert (outcome.frames, outcome.size, outcome.warning) == (8, (48, 64), "")
    shown, times = decoded(tmp_path / "live.mp4", "pal8")
    assert times[0] == 0 and len(shown) == 8
    numbers = [round(float(at) * 20) for at in times]
    assert [float(at) for at in times] == pytest.approx([n / 20 for n in numbers], abs=1e-4)
    assert sorted(set(numbers)) == numbers
    firsts = (predictor(source(n)).mask for n in range(LATEST))
    first = next(n for n, mask in enumerate(firsts) if np.array_equal(mask, shown[0][0]))
    np.testing.assert_array_equal(shown[7][0], predictor(source(first + numbers[7])).mask)
    assert outcome.seconds == pytest.approx(float(times[-1]), abs=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["live.mp4"]


def test_frames_are_dropped_and_nothing_is_late(run, tmp_path):
    """A net that takes six frames' time predicts every sixth, and ends with the camera's clock."""
    slow = SlowPredictor(run, "cpu")
    start = time.monotonic()
    outcome = predict_camera(slow, moving(), tmp_path / "live.mp4", seconds=2.5, legend="none")
    passed = time.monotonic() - start
    assert 2 <= outcome.frames <= 9 and outcome.dropped >= 2 * outcome.frames
    assert passed < 10  # opening, the last frame; all 50 frames would take 15 s
    _, times = decoded(tmp_path / "live.mp4")
    gaps = np.diff([float(at) for at in times])
    assert len(times) == outcome.frames and gaps.min() > 0.25 and times[-1] < 2.5


def test_probabilities_of_a_camera_are_a_video_beside(predictor, tmp_path):
    outcome = predict_camera(
        predictor, moving(), tmp_path / "live.mp4", max_frames=3, probability=True,
        show="classes", smooth=0.5,
    )  # fmt: skip
    assert outcome.probabilities == (tmp_path / "live_probability.mp4",)
    grey, times = decoded(tmp_path / "live_probability.mp4", "gray")
    classes, same_times = decoded(tmp_path / "live.mp4", "pal8")
    assert times == same_times and len(grey) == 3
    starts = (predictor(source(n)) for n in range(LATEST))
    first = next(one for one in starts if np.array_equal(one.mask, classes[0][0]))
    assert np.abs(grey[0].astype(int) - first.probability_image).max() <= 1


@pytest.mark.parametrize("ending", [".mkv", ".mov", ".mp4"])
def test_a_camera_that_ends_leaves_all_its_frames(predictor, tmp_path, ending):
    device = Device("lavfi", "testsrc=size=64x48:rate=20:duration=0.6,realtime", label="camera:9")
    out = tmp_path / f"live{ending}"
    outcome = predict_camera(predictor, device, out)
    assert outcome.warning.startswith("camera:9: ")
    assert len(decoded(out)[0]) == outcome.frames >= 1


@pytest.fixture
def as_in_a_terminal():
    """A test run in the background of a shell may have been started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SCRIPT = """
import signal, sys
from fullconv.inference.video import Device, predict_camera
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
device = Device("lavfi", "testsrc=size=64x48:rate=20,realtime")
outcome = predict_camera(sys.argv[1], device, sys.argv[2], device="cpu",
                         report=lambda done, total: print(done, flush=True))
print("frames", outcome.frames, outcome.warning)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_ends_it_with_a_complete_file(run, tmp_path, number):
    out = tmp_path / "live.mp4"
    call = [sys.executable, "-c", SCRIPT, str(run), str(out)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.strip() == "5":
                assert not out.exists()
                process.send_signal(number)
                process.send_signal(number)  # as a shell and a program around it both would
                break
        rest = process.stdout.read()
    assert process.returncode == 0
    frames = int(rest.split("frames ")[1])
    assert frames >= 5 and len(decoded(out)[0]) == frames
    assert [path.name for path in tmp_path.iterdir()] == ["live.mp4"]


def test_a_second_interrupt_leaves_nothing(predictor, tmp_path, as_in_a_terminal):
    def report(done, total):
        if done >= 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.6)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        predict_camera(predictor, moving(), tmp_path / "live.mp4", report=report)
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGINT) is before


def test_no_thread_outlives_a_recording(predictor, tmp_path):
    predict_camera(predictor, moving(), tmp_path / "live.mp4", max_frames=1)
    assert not [thread for thread in threading.enumerate() if thread.name == "camera"]


def test_a_camera_that_gives_nothing_is_an_error(predictor, tmp_path, monkeypatch):
    device = Device("lavfi", "testsrc=size=64x48:rate=0.6,realtime", label="camera:0")
    with LiveInput(device) as live:
        assert live.next(lambda: False) is not None  # to open it may take a while
        monkeypatch.setattr(cameras, "PATIENCE", 0.5)
        assert live.next(lambda: False) is None
        assert "0.5 seconds" in live.ended
    empty = Device(
        "lavfi", "testsrc=size=64x48:rate=20:duration=0.00001,select=0", label="camera:1"
    )
    with pytest.raises(UserError) as caught:
        predict_camera(predictor, empty, tmp_path / "live.mp4")
    assert caught.value.code in ("FC-VIDEO-008", "FC-VIDEO-012")
    assert str(caught.value).startswith("camera:1: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "FC-VIDEO-009", "group"),
        (OSError(errno.EBUSY, "Device or resource busy"), "FC-VIDEO-010", "another program"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "FC-VIDEO-008", "No such file"),
        (OSError(errno.ENODEV, "No such device"), "FC-VIDEO-008", "No such device"),
        (ValueError("no container format 'v4l2'"), "FC-VIDEO-011", "v4l2"),
    ],
)
def test_why_a_camera_cannot_be_opened(predictor, tmp_path, monkeypatch, raised, code, says):
    def refuse(*arguments, **options):
        raise raised

    monkeypatch.setattr(av, "open", refuse)
    monkeypatch.setattr(cameras, "listed_cameras", lambda form: [("/dev/video7", "Eye")])
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UserError) as caught:
        predict_camera(predictor, "camera:0", tmp_path / "live.mp4")
    message = str(caught.value)
    assert caught.value.code == code and message.startswith("camera:0: ") and says in message
    assert "\n" not in message and ("camera:Eye" in message) == (code == "FC-VIDEO-008")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks v4l2")
@pytest.mark.parametrize("name", ["camera:977", "/dev/video977", "camera:No Such Eye", "camera:"])
def test_a_camera_that_is_not_there_is_one_line(predictor, tmp_path, name):
    with pytest.raises(UserError) as caught:
        predict_camera(predictor, name, tmp_path / "live.mp4")
    assert caught.value.code == "FC-VIDEO-008" and str(caught.value).startswith(f"{name}: ")
    assert not list(tmp_path.iterdir())


def test_a_format_that_this_pyav_lacks_is_named(predictor, tmp_path):
    with pytest.raises(UserError) as caught:
        predict_camera(predictor, Device("nodevice", "0"), tmp_path / "live.mp4")
    assert caught.value.code == "FC-VIDEO-011" and "nodevice" in str(caught.value)


LISTED = [("/dev/video2", "Front Eye"), ("@device_1", "Bildkamera ü")]


@pytest.mark.parametrize(
    ("name", "system", "form", "opened"),
    [
        ("camera:0", "linux", "v4l2", "/dev/video0"),
        ("/dev/video1", "linux", "v4l2", "/dev/video1"),
        ("/dev/v4l/by-id/usb-Eye", "linux", "v4l2", "/dev/v4l/by-id/usb-Eye"),
        ("camera:front eye", "linux", "v4l2", "/dev/video2"),
        ("camera:1", "darwin", "avfoundation", "1"),
        ("camera:Bildkamera ü", "darwin", "avfoundation", "@device_1"),
        ("camera:1", "win32", "dshow", "video=@device_1"),
        ("camera:Front Eye", "win32", "dshow", "video=/dev/video2"),
    ],
)
def test_names_lead_to_devices_on_each_system(name, system, form, opened):
    device = device_of(name, system, lambda asked: LISTED if asked == form else [])
    assert (device.format, device.name, str(device)) == (form, opened, name)


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_a_name_that_no_camera_has_is_told_the_names_there_are(system):
    with pytest.raises(UserError) as caught:
        device_of("camera:Rear Eye", system, lambda form: LISTED)
    assert caught.value.code == "FC-VIDEO-008"
    assert "camera:Front Eye, camera:Bildkamera ü" in str(caught.value)


@pytest.mark.parametrize("name", ["photo.jpg", "cameras/", "/dev/null", "/dev/stdin", "-"])
def test_other_names_are_no_cameras(name):
    assert not is_camera(name) and is_camera("camera:x") and is_camera("/dev/video10")


@pytest.mark.parametrize(
    ("out", "options", "code"),
    [
        ("o.gif", {}, "FC-VIDEO-003"),
        ("o.mkv", {"show": "classes"}, "FC-VIDEO-003"),
        ("o.mp4", {"max_frames": 0}, "FC-VIDEO-003"),
        ("o.mp4", {"seconds": 0.0}, "FC-VIDEO-003"),
        ("o.mp4", {"seconds": float("nan")}, "FC-VIDEO-003"),
        ("o.mp4", {"smooth": 1.0}, "FC-VIDEO-003"),
        ("there.mp4", {}, "FC-PREDICT-003"),
        ("there_overlay.mp4", {"probability": True}, "FC-PREDICT-003"),
    ],
)
def test_wrong_options_are_errors_before_anything_is_recorded(
    predictor, tmp_path, out, options, code
):
    for name in ("there.mp4", "there_probability.mp4"):
        (tmp_path / name).write_bytes(b"seen once")
    with pytest.raises(UserError) as caught:
        predict_camera(predictor, moving(), tmp_path / out, **options)
    assert caught.value.code == code
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"seen once"}
    assert len(list(tmp_path.iterdir())) == 2
