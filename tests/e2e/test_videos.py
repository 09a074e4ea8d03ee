"""Videos and cameras as typed: fullconv predict RUN clip.mp4, camera:0, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.inference import Predictor
from fullconv.inference.video import Device
from fullconv.inference.video import camera as cameras
from small_runs import small_run

av = pytest.importorskip("av", reason="needs fullconv[video]")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of a net with random weights."""
    return small_run(tmp_path_factory.mktemp("runs") / "first", ClassSet(tuple("abcd")))


@pytest.fixture
def clip(tmp_path):
    """Three frames of noise."""
    path = tmp_path / "in" / "clip.mp4"
    path.parent.mkdir()
    draw = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for _ in range(3):
            image = draw.integers(0, 256, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def test_picture(monkeypatch):
    """camera:0 is FFmpeg's moving test picture, 20 frames a second, for as long as it is asked."""

    def opened(name, *arguments):
        return Device("lavfi", "testsrc=size=64x48:rate=20,realtime", label=name)

    monkeypatch.setattr(cameras, "device_of", opened)


def decoded(path, form):
    with av.open(str(path)) as container:
        return [f.to_ndarray(format=form) for f in container.decode(container.streams.video[0])]


@pytest.mark.parametrize("out", ["maps", "maps/clip_overlay.mp4"])
def test_a_video_and_its_probabilities(inside, run, clip, tmp_path, out):
    said, _ = inside("predict", run, clip, "--out", tmp_path / out, "--probability")
    assert "3 frames" in said and "clip_probability.mp4" in said
    maps = tmp_path / "maps"
    assert sorted(p.name for p in maps.iterdir()) == ["clip_overlay.mp4", "clip_probability.mp4"]
    for picture, grey in zip(
        decoded(clip, "rgb24"), decoded(maps / "clip_probability.mp4", "gray"), strict=True
    ):
        wanted = Predictor(run, "cpu")(picture).probability_image
        assert np.abs(grey.astype(int) - wanted).max() <= 1


def test_probabilities_beside_a_video_never_replace_an_input(inside, run, clip, tmp_path):
    source = clip.rename(clip.with_name("a_probability.mp4"))
    other = clip.with_name("a.mp4")
    other.write_bytes(source.read_bytes())
    call = "predict", run, other, source, "--out", clip.parent
    error = inside(*call, "--probability", code=2)[1]
    assert "a_probability.mp4: the result would overwrite this video" in error
    assert sorted(p.name for p in clip.parent.iterdir()) == ["a.mp4", "a_probability.mp4"]


def test_a_photo_called_as_the_probabilities_of_another_is_refused(inside, run, tmp_path):
    for name in ("a.png", "a_probability.png"):
        Image.new("RGB", (40, 30), (200, 90, 10)).save(tmp_path / name)
    names = tmp_path / "a.png", tmp_path / "a_probability.png"
    call = "predict", run, *names, "--out", tmp_path / "out"
    assert "a_probability" in inside(*call, "--probability", code=2)[1]
    assert not (tmp_path / "out").exists()
    inside(*call)
    inside("predict", run, names[0], "--out", tmp_path / "out", "--probability")


@pytest.mark.parametrize("options", [["--scores"], ["--scores", "--probability"]])
def test_scores_of_a_video_are_refused(inside, run, clip, tmp_path, options):
    error = inside("predict", run, clip, "--out", tmp_path / "out", *options, code=2)[1]
    assert "FC-VIDEO-003" in error and "--scores" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [["--areas"], ["--to", "labelme"], ["--to", "geojson"]])
@pytest.mark.parametrize("beside", [False, True])
def test_what_a_video_has_no_results_of_is_refused(inside, run, clip, tmp_path, options, beside):
    Image.new("RGB", (32, 24)).save(tmp_path / "a.png")
    photos = [tmp_path / "a.png"] if beside else []
    _, error = inside("predict", run, clip, *photos, *options, "--out", tmp_path / "o", code=2)
    assert "clip.mp4: is a video" in error and options[0] in error and "FC-VIDEO-003" in error
    assert error.count("\n") == 1 and not (tmp_path / "o").exists()


def test_a_camera_until_so_many_frames(inside, run, tmp_path, test_picture):
    out = tmp_path / "live.mp4"
    call = "predict", run, "camera:0", "--out", out, "--max-frames", 4, "--probability"
    said, error = inside(*call)
    assert said.startswith("camera:0: 4 frames in ") and "dropped" in said
    assert "camera:0: 64 x 48, 20 frames a second; Ctrl-C ends it" in error
    assert len(decoded(out, "rgb24")) == 4
    assert len(decoded(tmp_path / "live_probability.mp4", "gray")) == 4
    before = out.read_bytes()
    assert "is there already" in inside(*call, code=2)[1] and out.read_bytes() == before
    inside("predict", run, "/dev/video0", "--seconds", "0.5", "--out", tmp_path / "maps",
           "--video", "classes")  # fmt: skip
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["video0_classes.mp4"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["camera:0", "camera:1"], "predicted alone"),
        (["camera:0", "photo.jpg"], "predicted alone"),
        (["photo.jpg", "--max-frames", 3], "--max-frames"),
        (["photo.jpg", "--seconds", 3], "--seconds"),
        (["camera:0", "--scores"], "--scores"),
        (["camera:0", "--to", "labelme"], "--to"),
        (["camera:0", "--frames"], "--frames"),
        (["camera:0", "--cluster", "auto"], "--cluster"),
        (["camera:0", "--out", "s3://bucket/x"], "--out in storage"),
        (["camera:0", "--seconds", 0], "seconds"),
    ],
)
def test_what_does_not_go_with_a_camera_is_one_line(
    inside, run, tmp_path, monkeypatch, arguments, says, test_picture
):
    monkeypatch.chdir(tmp_path)
    error = inside("predict", run, *arguments, code=2)[1]
    assert error.count("\n") <= 2 and says in error and "FC-VIDEO-003" in error
    assert not list(tmp_path.iterdir())


def test_a_camera_that_is_not_there(inside, run, tmp_path):
    call = "predict", run, "camera:977", "--out", tmp_path / "live.mp4"
    error = inside(*call, code=2)[1].splitlines()[-1]
    assert error.startswith("fullconv: camera:977: ") and "FC-VIDEO-008" in error
    assert not list(tmp_path.iterdir())


def test_shapes_for_a_tool_have_no_probability_pictures(inside, run, tmp_path):
    Image.new("RGB", (40, 30), (200, 90, 10)).save(tmp_path / "a.png")
    call = "predict", run, tmp_path / "a.png", "--to", "labelme", "--out", tmp_path / "out"
    assert "FC-LABELS-005" in inside(*call, "--probability", code=2)[1]
    assert not (tmp_path / "out").exists()
