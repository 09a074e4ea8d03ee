"""Videos made here by PyAV: every frame of the result against the net on the decoded frame."""

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit, softmax

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.checkpoints.temperature import Calibration
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference import Predictor, predict_video
from fullconv.inference.video import job
from fullconv.inference.video.encoder import Coding, Encoder
from fullconv.inference.video.segments import LENGTH
from fullconv.models import TORCH
from fullconv.visualize import flattened
from small_runs import small_net, small_run

av = pytest.importorskip("av", reason="needs fullconv[video]")

CLASSES = ClassSet(("sky", "road", "car", "tree"), ((1, 2, 3), (90, 0, 0), (0, 90, 0), (0, 0, 90)))
TICKS = 12800


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor(small_run(tmp_path_factory.mktemp("run"), CLASSES), "cpu")


def scene(number, size):
    height, width = size
    coarse = np.random.default_rng(7).integers(0, 256, (6, 8, 3), np.uint8)
    rows, columns = np.arange(height) * 6 // height, np.arange(width) * 8 // width
    return np.roll(coarse[rows][:, columns], number, 1)


def write_clip(
    path, frames=12, size=(48, 64), codec="libx264", times=None, sound="aac", rotation=None,
    pixels="yuv420p", **options,
):  # fmt: skip
    """A clip of moving boxes, 25 frames a second unless ``times`` (ticks) are given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        stream.codec_context.options = options
        if times is not None:
            stream.codec_context.time_base = Fraction(1, TICKS)
        if rotation is not None:
            stream.set_display_rotation(**rotation)
        voice = container.add_stream(sound, rate=44100, layout="mono") if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(scene(number, size), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice:
            wave = np.sin(np.arange(44100 * frames // 25) / 20).astype(np.float32)
            kind = voice.codec_context.format.name
            scale, dtype = {"f": (1, np.float32), "s": (2**15 - 1, np.int16)}[kind[0]]
            if kind.startswith("s32"):
                scale, dtype = 2**31 - 129, np.int32
            data = (wave * scale).astype(dtype)
            for start in range(0, len(wave), 1024):
                block = av.AudioFrame.from_ndarray(data[None, start : start + 1024], kind, "mono")
                block.sample_rate, block.pts, block.time_base = 44100, start, Fraction(1, 44100)
                container.mux(voice.encode(block))
            container.mux(voice.encode(None))
    return path


def decoded(path, form="rgb24"):
    """Pictures and times in seconds of a video."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.video[0]))
        return [f.to_ndarray(format=form) for f in frames], [f.pts * f.time_base for f in frames]


def packets(path):
    """Bytes and times of the sound."""
    with av.open(str(path)) as container:
        return [
            (bytes(packet), packet.pts * packet.time_base)
            for packet in container.demux(audio=0)
            if packet.size
        ]


def classes_shown(path):
    return [values for values, _ in decoded(path, "pal8")[0]]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mov", {"codec": "mpeg4"}),
        ("a.mkv", {}),
        ("a.avi", {"codec": "mpeg4", "sound": "libmp3lame"}),
        ("a.ts", {"codec": "mpeg4"}),
        ("odd.mp4", {"size": (47, 63), "pixels": "yuv444p"}),
    ],
)
def test_every_frame_has_the_classes_that_the_net_gives_it(predictor, tmp_path, name, options):
    clip = write_clip(tmp_path / name, **options)
    out = tmp_path / "classes.mp4"
    outcome = predict_video(predictor, clip, out, show="classes")
    pictures, times = decoded(clip)
    assert outcome.frames == len(pictures) == 12 and outcome.warnings == ()
    for picture, shown in zip(pictures, classes_shown(out), strict=True):
        np.testing.assert_array_equal(shown, predictor(picture).mask)
    assert decoded(out)[1] == pytest.approx(times, abs=1e-9)
    (_, palette) = decoded(out, "pal8")[0][0]
    assert [tuple(color[1:]) for color in palette[:4].tolist()] == list(CLASSES.colors)
    if name != "a.ts":  # ADTS in MPEG-TS has a header in each packet
        copied, wanted = packets(out), packets(clip)
        assert [content for content, _ in copied] == [content for content, _ in wanted]
        # AVI and MKV round times otherwise than MP4 does.
        assert [t for _, t in copied] == pytest.approx([t for _, t in wanted], abs=2e-3)


def test_the_overlay_shows_what_predict_draws(predictor, tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    outcome = predict_video(predictor, clip, tmp_path / "o.mp4", legend="none", alpha=0.5)
    assert outcome.size == (48, 64)
    for picture, shown in zip(decoded(clip)[0], decoded(tmp_path / "o.mp4")[0], strict=True):
        wanted = predictor(picture).draw(0.5, "none")
        assert np.abs(wanted.astype(int) - shown).mean() < 12  # chroma is halved, and lossy
    assert packets(tmp_path / "o.mp4") == packets(clip)
    beside = predict_video(predictor, clip, tmp_path / "beside.mkv", legend="below")
    assert beside.size == predictor(decoded(clip)[0][0]).draw(0.6, "right").shape[:2]
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.codec_context.name) == (25, "h264")
        assert stream.codec_context.colorspace == 1  # BT.709, and says so


def test_frames_keep_their_times_at_a_variable_rate(predictor, tmp_path):
    times = np.cumsum(np.random.default_rng(3).integers(100, 3000, 20)).tolist()
    clip = write_clip(tmp_path / "vfr.mp4", frames=20, times=times)
    predict_video(predictor, clip, tmp_path / "o.mp4")
    assert decoded(tmp_path / "o.mp4")[1] == decoded(clip)[1]
    found = decoded(clip)[1]  # the clip's own start is rounded to milliseconds
    assert [t - found[0] for t in found] == [Fraction(t - times[0], TICKS) for t in times]


@pytest.mark.parametrize(
    "rotation",
    [
        {"degrees": 90}, {"degrees": -90}, {"degrees": 180},
        {"degrees": 0, "hflip": True}, {"degrees": 0, "vflip": True},
        {"degrees": 90, "hflip": True}, {"degrees": -90, "vflip": True},
    ],
)  # fmt: skip
def test_rotated_videos_are_seen_upright(predictor, tmp_path, rotation):
    clip = write_clip(tmp_path / "turned.mp4", frames=2, rotation=rotation, sound=None)
    predict_video(predictor, clip, tmp_path / "o.mp4", show="classes")
    for stored, shown in zip(decoded(clip)[0], classes_shown(tmp_path / "o.mp4"), strict=True):
        np.testing.assert_array_equal(shown, predictor(upright(clip, stored)).mask)


def upright(clip, stored):
    """As FFmpeg's own documentation says: each pixel by the display matrix of the file."""
    content = clip.read_bytes()
    place = content.index(b"tkhd") + 4 + 40  # ISO 14496-12, 8.3.2, version 0
    a, b, _, c, d, *_ = np.frombuffer(content[place : place + 36], ">i4") / 65536
    y, x = np.mgrid[: stored.shape[0], : stored.shape[1]]
    right, down = (a * x + c * y).round().astype(int), (b * x + d * y).round().astype(int)
    right, down = right - right.min(), down - down.min()
    turned = np.zeros((down.max() + 1, right.max() + 1, 3), np.uint8)
    turned[down, right] = stored
    return turned


@pytest.mark.parametrize("smooth", [0.9])
def test_smoothing_is_the_exponential_mean_of_the_logits(predictor, tmp_path, smooth):
    clip = write_clip(tmp_path / "a.mp4", frames=LENGTH + 6, sound=None)
    predict_video(predictor, clip, tmp_path / "o.mp4", show="classes", smooth=smooth)
    mean = None
    different = 0
    for picture, shown in zip(decoded(clip)[0], classes_shown(tmp_path / "o.mp4"), strict=True):
        scores = predictor(picture).scores.astype(np.float64)
        mean = scores if mean is None else smooth * mean + (1 - smooth) * scores
        assert (shown != mean.argmax(0)).mean() < 1e-3  # rounding decides between equals
        different += int((shown != scores.argmax(0)).sum())
    assert different


SCRIPT = """
import sys, fullconv
from fullconv.inference import predict_video
run, clip, out, smooth = sys.argv[1:]
options = {"show": "classes", "smooth": float(smooth), "probability": True}
predict_video(run, clip, out, device="cpu", **options)
"""


@pytest.mark.parametrize("smooth", ["0.5"])
def test_a_killed_call_resumes_and_gives_the_same_file(tmp_path, smooth):
    run = small_run(tmp_path / "run", CLASSES)
    frames = 3 * LENGTH + 5
    clip = write_clip(tmp_path / "a.mp4", frames=frames, size=(32, 48))
    whole, out = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    options = {"show": "classes", "smooth": float(smooth), "probability": True, "device": "cpu"}
    predict_video(run, clip, whole, **options)
    partial = tmp_path / "out.mp4.partial"
    call = [sys.executable, "-c", SCRIPT, str(run), str(clip), str(out), smooth]
    process = subprocess.Popen(call, env=os.environ)
    while not (partial / "00000.npz").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists() and partial.is_dir()
    lines = []
    outcome = predict_video(run, clip, out, say=lines.append, **options)
    assert outcome.earlier >= LENGTH and outcome.frames == frames
    assert len(lines) == 1 and "out.mp4.partial" in lines[0]
    assert out.read_bytes() == whole.read_bytes()
    beside = [path.with_name(f"{path.stem}_probability.mp4") for path in (out, whole)]
    assert outcome.probabilities == (beside[0],)
    assert beside[0].read_bytes() == beside[1].read_bytes()
    names = ["a.mp4", "out.mp4", "out_probability.mp4", "run", "whole.mp4", "whole_probability.mp4"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


@pytest.mark.parametrize("smooth", [0.0, 0.6])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_second_video_says_how_probable_the_classes_are(predictor, tmp_path, smooth, temperature):
    checkpoint = replace(load(predictor.path), calibration=Calibration((temperature,)))
    save(tmp_path / "run" / "model.safetensors", checkpoint)
    times = np.cumsum(np.random.default_rng(3).integers(100, 3000, 12)).tolist()
    clip = write_clip(tmp_path / "a.mp4", size=(47, 63), pixels="yuv444p", times=times)
    out = tmp_path / "a_overlay.mp4"
    outcome = predict_video(tmp_path / "run", clip, out, smooth=smooth, probability=True)
    assert outcome.probabilities == (tmp_path / "a_probability.mp4",)
    shown, at = decoded(tmp_path / "a_probability.mp4", "gray")
    assert at == decoded(clip)[1]
    mean = None
    for picture, grey in zip(decoded(clip)[0], shown, strict=True):
        scores = predictor(picture).scores.astype(np.float64)
        mean = scores if mean is None else smooth * mean + (1 - smooth) * scores
        wanted = softmax(mean / temperature, 0).max(0) * 255
        assert np.abs(grey - wanted).max() <= 0.51
    with av.open(str(tmp_path / "a_probability.mp4")) as container:
        assert not container.streams.audio
    predict_video(tmp_path / "run", clip, tmp_path / "alone.mp4", smooth=smooth)
    assert (tmp_path / "alone.mp4").read_bytes() == out.read_bytes()


def test_the_same_frames_give_the_same_bytes_whatever_memory_held_before(predictor, tmp_path):
    ticks = np.cumsum(np.random.default_rng(3).integers(100, 3000, 12)).tolist()
    clip = write_clip(tmp_path / "a.mp4", size=(47, 63), pixels="yuv444p", times=ticks)
    pictures = [predictor(picture).draw(0.6, "right") for picture in decoded(clip)[0]]
    coding = Coding("overlay", pictures[0].shape[:2], Fraction(1, TICKS), Fraction(25))
    contents = set()
    for _ in range(25):
        decoded(clip)  # leaves its frames in the memory that the encoder takes
        encoder = Encoder(coding, CLASSES)
        for picture, tick in zip(pictures, ticks, strict=True):
            encoder.add(picture, tick)
        contents.add(b"".join(frame.content for frame in encoder.finish()))
    assert len(contents) == 1


def test_each_overlapping_class_has_a_video_of_its_probability(tmp_path):
    classes = ClassSet(("wet", "a/b")).overlapping((0.4, 0.6))
    predictor = Predictor(small_run(tmp_path / "run", classes), "cpu")
    clip = write_clip(tmp_path / "a.avi", frames=3, codec="mpeg4", sound=None)
    outcome = predict_video(predictor, clip, tmp_path / "o_overlay.mkv", probability=True)
    names = ["o_wet_probability.mov", "o_a-b_probability.mov"]
    assert [path.name for path in outcome.probabilities] == names
    for place, name in enumerate(names):
        shown = decoded(tmp_path / name, "gray")[0]
        for picture, grey in zip(decoded(clip)[0], shown, strict=True):
            wanted = expit(predictor(picture).scores[place].astype(np.float64)) * 255
            assert np.abs(grey - wanted).max() <= 0.51


def test_probabilities_never_replace_the_source_and_are_a_job_of_their_own(predictor, tmp_path):
    clip = write_clip(tmp_path / "a_probability.mp4", frames=2, sound=None)
    content = clip.read_bytes()
    with pytest.raises(UserError) as caught:
        predict_video(predictor, clip, tmp_path / "a_overlay.mp4", probability=True)
    assert caught.value.code == "FC-PREDICT-003" and clip.read_bytes() == content
    silent = Predictor(predictor.path, "cpu")
    silent.has_scores = False
    with pytest.raises(UserError) as caught:
        predict_video(silent, clip, tmp_path / "o.mp4", probability=True)
    assert caught.value.code == "FC-PREDICT-016"


def test_another_job_starts_anew_and_a_damaged_segment_is_made_again(predictor, tmp_path):
    clip = write_clip(tmp_path / "a.mp4", frames=2 * LENGTH, size=(32, 48), sound=None)
    out, partial = tmp_path / "out.mp4", tmp_path / "out.mp4.partial"

    def stopped(frames, **options):
        def report(done, total):
            assert total == 2 * LENGTH
            if done > frames:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            predict_video(predictor, clip, out, report=report, **options)

    stopped(LENGTH + 3)
    assert (partial / "00000.npz").exists() and not out.exists()
    lines = []
    stopped(1, show="classes", say=lines.append)
    assert len(lines) == 1 and "another look" in lines[0]
    stopped(LENGTH + 3, show="classes")
    segment = partial / "00000.npz"
    segment.write_bytes(segment.read_bytes()[:-100])
    outcome = predict_video(predictor, clip, out, show="classes")
    assert (outcome.earlier, outcome.frames) == (0, 2 * LENGTH)


@pytest.mark.parametrize("damaged", [None, 1])
def test_a_call_that_is_stopped_while_it_writes_the_file_resumes(
    predictor, tmp_path, monkeypatch, damaged
):
    clip = write_clip(tmp_path / "a.mp4", frames=2 * LENGTH + 7, size=(32, 48), sound=None)
    out, whole = tmp_path / "out.mp4", tmp_path / "whole.mp4"
    predict_video(predictor, clip, whole, show="classes", smooth=0.5)
    with monkeypatch.context() as patch:
        patch.setattr(job, "mux", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            predict_video(predictor, clip, out, show="classes", smooth=0.5)
    if damaged is not None:
        (tmp_path / "out.mp4.partial" / f"{damaged:05d}.npz").write_bytes(b"")
    outcome = predict_video(predictor, clip, out, show="classes", smooth=0.5)
    # Where the second is lost, so is the mean after the first, of which two are kept.
    assert outcome.earlier == {None: 2 * LENGTH, 1: 0}[damaged]
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("frames", [1, LENGTH - 1, LENGTH, LENGTH + 1])
def test_every_number_of_frames_is_kept(predictor, tmp_path, frames):
    clip = write_clip(tmp_path / "a.mp4", frames=frames, size=(16, 16), sound=None)
    assert predict_video(predictor, clip, tmp_path / "o.mp4").frames == frames
    assert decoded(tmp_path / "o.mp4")[1] == decoded(clip)[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no video",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nreal.mp4\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile real.mp4\n",
        b"v=0\nm=video 5004 RTP/AVP 96\n",
        b"<?xml version='1.0'?><MPD><Period><BaseURL>real.mp4</BaseURL></Period></MPD>",
        b"\0" * 5000,
    ],
)
def test_what_is_no_video_or_leads_elsewhere_is_refused(predictor, tmp_path, content):
    write_clip(tmp_path / "real.mp4", frames=2)
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UserError) as caught:
        predict_video(predictor, tmp_path / "a.mp4", tmp_path / "o.mp4")
    assert caught.value.code == "FC-VIDEO-002"
    assert "a.mp4" in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "real.mp4"]


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.ts"])
def test_a_truncated_video_gives_what_is_there_and_says_so(predictor, tmp_path, name):
    codec = "mpeg4" if name == "a.ts" else "ffv1"
    clip = write_clip(tmp_path / f"whole{name[1:]}", frames=60, codec=codec, sound=None, g="6")
    cut = tmp_path / name
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    outcome = predict_video(predictor, cut, tmp_path / "o.mp4", show="classes")
    assert 10 < outcome.frames < 50
    if name != "a.ts":  # its end is nowhere stated
        assert any("a." in line for line in outcome.warnings)
    pictures = decoded(clip)[0]
    same = [
        np.array_equal(shown, predictor(picture).mask)
        for shown, picture in zip(classes_shown(tmp_path / "o.mp4"), pictures, strict=False)
    ]
    assert all(same[:-2])  # the last one may be half


def test_a_size_beyond_the_limit_is_refused_before_a_frame_is_decoded(predictor, tmp_path):
    clip = write_clip(tmp_path / "a.mp4", frames=2, size=(64, 96), sound=None)
    with pytest.raises(UserError) as caught:
        predict_video(predictor, clip, tmp_path / "o.mp4", max_megapixels=0.005)
    assert caught.value.code == "FC-DATA-004"


def test_a_header_that_lies_about_the_size_is_bounded(predictor, tmp_path):
    clip = write_clip(tmp_path / "a.avi", frames=2, codec="ffv1", sound=None)
    content = bytearray(clip.read_bytes())
    place = content.index(b"strf") + 8 + 4
    content[place : place + 8] = (60000).to_bytes(4, "little") * 2
    clip.write_bytes(content)
    with pytest.raises(UserError) as caught:
        predict_video(predictor, clip, tmp_path / "o.mp4")
    assert caught.value.code in ("FC-DATA-004", "FC-VIDEO-002")


@pytest.mark.parametrize(
    ("out", "options", "code"),
    [
        ("o.gif", {}, "FC-VIDEO-003"),
        ("o.mkv", {"show": "classes"}, "FC-VIDEO-003"),
        ("o.mp4", {"show": "masks"}, "FC-VIDEO-003"),
        ("o.mp4", {"smooth": 1.0}, "FC-VIDEO-003"),
        ("o.mp4", {"smooth": -0.1}, "FC-VIDEO-003"),
        ("o.mp4", {"smooth": float("nan")}, "FC-VIDEO-003"),
        ("o.mp4", {"alpha": 2.0}, "FC-PREDICT-004"),
        ("a.mp4", {}, "FC-PREDICT-003"),
    ],
)
def test_wrong_options_are_errors_before_anything_is_written(
    predictor, tmp_path, out, options, code
):
    clip = write_clip(tmp_path / "a.mp4", frames=1, sound=None)
    content = clip.read_bytes()
    with pytest.raises(UserError) as caught:
        predict_video(predictor, clip, tmp_path / out, **options)
    assert caught.value.code == code
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"] and clip.read_bytes() == content


def test_sound_that_the_format_cannot_hold_is_an_error(predictor, tmp_path):
    clip = write_clip(tmp_path / "a.mov", frames=2, sound="pcm_mulaw")
    with pytest.raises(UserError) as caught:
        predict_video(predictor, clip, tmp_path / "o.mp4")
    assert caught.value.code == "FC-VIDEO-004" and "pcm_mulaw" in str(caught.value)
    assert ".mov" in str(caught.value)
    predict_video(predictor, clip, tmp_path / "o.mov")
    copied = b"".join(content for content, _ in packets(tmp_path / "o.mov"))
    assert copied == b"".join(content for content, _ in packets(clip))


def test_a_net_with_more_than_255_classes_writes_16_bits(tmp_path):
    names = tuple(f"c{number}" for number in range(300))
    classes = ClassSet(names, tuple((n % 256, n // 256, 9) for n in range(300)), ignore=65535)
    run = tmp_path / "run"
    save(run / "model.safetensors", Checkpoint(small_net(300), classes, TORCH))
    clip = write_clip(tmp_path / "a.mp4", frames=2, sound=None)
    predict_video(run, clip, tmp_path / "o.mp4", show="classes", device="cpu")
    shown = decoded(tmp_path / "o.mp4", "gray16le")[0]
    for picture, values in zip(decoded(clip)[0], shown, strict=True):
        np.testing.assert_array_equal(values, Predictor(run, "cpu")(picture).mask)


def test_frames_of_animations_and_stacks_are_photos_of_their_own(predictor, tmp_path):
    from fullconv.inference import find_inputs, predict_each, predict_files

    pictures = [scene(number, (20, 30)) for number in range(4)]
    first, *others = map(Image.fromarray, pictures)
    for name in ("a.gif", "a.tif", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=others)
    for name in ("a.tif", "a.gif", "a.png"):
        (refused,) = predict_files(predictor, [tmp_path / name], tmp_path / "out")
        assert refused.error and refused.error.code == "FC-DATA-007"
        assert "--frames" in str(refused.error)
        inputs = find_inputs([tmp_path / name], tmp_path / "out", frames=True)
        results = list(predict_each(predictor, inputs, probability=True))
        names = [path.name for path in results[2].written]
        assert names == ["0003.png", "0003_overlay.jpg", "0003_probability.png"]
        written = [result.written[0].relative_to(tmp_path / "out") for result in results]
        assert written == [Path(f"a/{number:04d}.png") for number in range(1, 5)]
        if name != "a.gif":  # whose colours are 256
            for picture, result in zip(pictures, results, strict=True):
                values = np.asarray(Image.open(result.written[0]))
                np.testing.assert_array_equal(values, predictor(picture).mask)
                grey = np.asarray(Image.open(result.written[2]))
                wanted = predictor(picture).probability_image
                assert np.abs(grey.astype(int) - wanted).max() <= 1
    whole = find_inputs([tmp_path / "a.tif"], tmp_path / "out", frames=True)
    content = io.BytesIO()
    first.save(content, "PNG")
    (tmp_path / "one.png").write_bytes(content.getvalue())
    assert len(find_inputs([tmp_path / "one.png"], tmp_path / "out", frames=True)) == 1
    assert len(whole) == 4


def test_a_video_of_classes_that_overlap(tmp_path):
    classes = CLASSES.overlapping((0.4, 0.5, 0.5, 0.6))
    predictor = Predictor(small_run(tmp_path / "run", classes), "cpu")
    clip = write_clip(tmp_path / "a.mp4", frames=3)
    predict_video(predictor, clip, tmp_path / "classes.mp4", show="classes")
    predict_video(predictor, clip, tmp_path / "drawn.mp4", legend="none", smooth=0.3)
    frames = decoded(clip)[0]
    for picture, shown in zip(frames, classes_shown(tmp_path / "classes.mp4"), strict=True):
        np.testing.assert_array_equal(shown, flattened(predictor(picture).mask, classes)[0])
    drawn = decoded(tmp_path / "drawn.mp4")[0]
    assert np.abs(predictor(frames[0]).draw(legend="none").astype(int) - drawn[0]).mean() < 12
    _, palette = decoded(tmp_path / "classes.mp4", "pal8")[0][0]
    assert [tuple(color[1:]) for color in palette[1:5].tolist()] == list(CLASSES.colors)
