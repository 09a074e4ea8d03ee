import io
import os
import signal
import subprocess
import sys
import threading
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fullconv.errors import UserError
from fullconv.inference import Predictor, find_inputs, predict, predict_files


@pytest.fixture
def folder(tmp_path):
    """Photos whose names meet in several ways (empty files: only names matter here)."""
    names = "a/x.jpg a/x.png b/x.jpg b/sub/y.jpg c/q/z.JPG c/z.jpg a/note.txt e[1].jpg"
    for name in names.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def results(folder, *inputs, out="out"):
    out = folder / out
    named = [item if item == "-" else str(folder / item) for item in inputs]
    return [entry.result.relative_to(out).as_posix() for entry in find_inputs(named, out)]


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        (["b/x.jpg"], ["x"]),
        (["b/x.jpg", "b/x.jpg", "a/../b/x.jpg"], ["x"]),
        (["b"], ["sub/y", "x"]),
        (["a"], ["x.jpg", "x.png"]),
        (["c"], ["q/z", "z"]),
        (["a/x.jpg", "b/x.jpg"], ["a/x", "b/x"]),
        (["b", "a/x.jpg"], ["sub/y", "b/x", "a/x"]),
        (["?/*.jpg"], ["a/x", "b/x", "z"]),
        (["**/z.*"], ["q/z", "c/z"]),
        (["e[1].jpg"], ["e[1]"]),
    ],
)
def test_names_of_results(folder, inputs, names):
    assert results(folder, *inputs) == names


def test_standard_input_is_read_at_once(folder, monkeypatch):
    stdin = io.BytesIO(b"\x89PNG\r\n\x1a\n a picture")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin, isatty=lambda: False))
    assert results(folder, "b/x.jpg", "-") == ["x", "stdin"]
    with pytest.raises(UserError) as caught:  # now it is empty
        find_inputs(["-"], folder / "out")
    assert caught.value.code == "FC-PREDICT-001"


def test_results_of_an_earlier_call_are_no_photos(folder):
    (folder / "b" / "out").mkdir()
    (folder / "b" / "out" / "x_overlay.jpg").touch()
    assert results(folder, "b", out="b/out") == ["sub/y", "x"]


def test_links_keep_their_names(folder):
    (folder / "link.jpg").symlink_to(folder / "b" / "x.jpg")
    assert results(folder, "link.jpg") == ["link"]


MISSING = [
    ("nothing.jpg", "FC-FILE-003"),
    ("nothing*.jpg", "FC-FILE-003"),
    ("a/*.txt", "FC-PREDICT-001"),
    ("empty", "FC-PREDICT-001"),
    ("a/x.jpg/deeper.jpg", "FC-FILE-004"),
    ("loop.jpg", "FC-FILE-005"),
    ("x" * 300 + ".jpg", "FC-FILE-005"),
    ("/x" * 2500, "FC-FILE-005"),
    ("ftp://example.org/a.jpg", "FC-PREDICT-002"),
    ("bell\a\x1b[31m\n.jpg", "FC-FILE-003"),
    ("nul\0.jpg", "FC-PREDICT-001"),
    ("", "FC-PREDICT-001"),
    ("~nobody-of-this-name/a.jpg", "FC-FILE-003"),
]


@pytest.mark.parametrize(("name", "code"), MISSING)
def test_what_is_not_there_is_one_short_line(folder, monkeypatch, name, code):
    (folder / "empty").mkdir()
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    monkeypatch.chdir(folder)
    with pytest.raises(UserError) as caught:
        find_inputs([name], "out")
    line = caught.value.coded()
    assert line.endswith(f"[{code}]")
    assert line.isprintable() and len(line) < 500
    named = find_inputs(["b", name], "out")  # beside others it is reported, and they go on
    assert [str(entry.file) for entry in named[:-1]] == ["b/sub/y.jpg", "b/x.jpg"]
    assert [entry.error is None for entry in named] == [True, True, False]
    assert named[-1].error.code == code


def test_of_several_that_are_all_missing_the_first_is_named(folder):
    with pytest.raises(UserError, match=r"one\.jpg.*2 more") as caught:
        results(folder, "one.jpg", "two.jpg", "*.gif")
    assert caught.value.code == "FC-FILE-003"


def test_hidden_and_system_folders_are_left_out_and_links_followed_once(folder):
    debris = "b/.ipynb_checkpoints/x-checkpoint.jpg b/@eaDir/x.jpg/T.jpg b/._x.jpg b/__MACOSX/x.jpg"
    for name in debris.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "b" / "sub" / "up").symlink_to(folder / "b")
    (folder / "b" / "linked").symlink_to(folder / "c")
    assert results(folder, "b") == ["linked/q/z", "linked/z", "sub/y", "x"]


@pytest.mark.parametrize("name", ["b [1].jpg", "c #2%.jpg", unicodedata.normalize("NFD", "é.jpg")])
def test_names_as_people_have_them_are_files(folder, name):
    (folder / "odd").mkdir()
    (folder / "odd" / name).touch()
    assert results(folder, f"odd/{name}") == results(folder, "odd") == [name[:-4]]


def test_no_photo_is_overwritten(folder):
    with pytest.raises(UserError) as caught:
        results(folder, "a/x.png", out="a")
    assert caught.value.code == "FC-PREDICT-003"


def test_a_bad_photo_does_not_stop_the_rest(run, picture, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    missing = tmp_path / "missing.jpg"
    for name in ("one", "three"):
        Image.fromarray(picture()).save(photos / f"{name}.png")
    whole = (photos / "one.png").read_bytes()
    (photos / "three.png").write_bytes(whole[: len(whole) // 2])
    (photos / "two.jpg").write_bytes(b"no picture")
    Image.fromarray(picture(20, 90)).save(photos / "wide.png")
    out = tmp_path / "out"
    results = list(predict_files(Predictor(run, "cpu"), [missing, photos], out, overlay=False))
    assert [bool(result.error) for result in results] == [False, True, True, False, True]
    for name, place in (("three.png", 1), ("two.jpg", 2), ("missing.jpg", 4)):
        assert name in str(results[place].error)
    assert sorted(path.name for path in out.iterdir()) == ["one.png", "wide.png"]
    assert np.asarray(Image.open(out / "wide.png")).shape == (20, 90)


def test_short_form(run, picture, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    (outcome,) = predict(run, tmp_path / "photo.png", tmp_path / "out")
    assert [path.name for path in outcome.written] == ["photo.png", "photo_overlay.jpg"]


def test_the_short_form_takes_what_a_predictor_and_its_pictures_take(run, picture, tmp_path):
    for name in "ab":
        Image.fromarray(picture(40, 60)).save(tmp_path / f"{name}.png")
    files = [str(tmp_path / "a.png"), tmp_path / "b.png"]
    options = {"palette": "colour-blind", "engine": "torch", "tile": "auto", "tta": "mirror"}
    drawn = {"alpha": 0.3, "legend": "none", "scores": True, "borders": False}
    results = predict(run, files, tmp_path / "out", **options, **drawn)
    assert [len(result.written) for result in results] == [3, 3]
    predictor = Predictor(run, borders=False, **options)
    wanted = predictor(files[0]).draw(alpha=0.3, legend="none")
    assert wanted.shape == (40, 60, 3)
    written = np.asarray(Image.open(tmp_path / "out" / "a_overlay.jpg")).astype(int)
    assert np.abs(written - wanted).mean() < 4  # JPEG


@pytest.mark.parametrize("options", [{"alpha": 1.5}, {"alpha": float("nan")}, {"legend": "left"}])
def test_what_cannot_be_drawn_is_refused_before_the_first_photo(run, picture, tmp_path, options):
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    with pytest.raises(UserError) as caught:
        predict(run, tmp_path / "photo.png", tmp_path / "out", **options)
    assert caught.value.code == "FC-PREDICT-004"
    assert not (tmp_path / "out").exists()


def test_what_a_killed_call_left_is_removed_by_the_next(run, picture, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    script = (
        "import os, signal, sys\nfrom fullconv.inference import predictor\n"
        "predictor.np.save = lambda file, scores: os.kill(os.getpid(), signal.SIGKILL)\n"
        "import fullconv\nfullconv.predict(*sys.argv[1:4], scores=True)"
    )
    out, photo = tmp_path / "out", tmp_path / "photo.png"
    killed = subprocess.run([sys.executable, "-c", script, str(run), str(photo), str(out)])
    assert killed.returncode == -signal.SIGKILL
    assert [path.name[:18] for path in out.glob(".*.part")] == [".photo_scores.npy."]
    (out / ".other.zip.part").touch()  # a download, which resumes
    (out / ".hidden").touch()
    predict(run, photo, out)
    assert {path.name for path in out.glob(".*")} == {".other.zip.part", ".hidden"}


def test_out_that_cannot_be_written(run, picture, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(UserError) as caught:
        predict(run, tmp_path / "photo.png", tmp_path / "out")
    assert caught.value.code in ("FC-FILE-002", "FC-FILE-004") and "out" in str(caught.value)


def test_many_photos_as_one_after_the_other(run, picture, tmp_path):
    """The same bytes in the same order, however many are at hand; a net's seconds are told."""
    (tmp_path / "photos").mkdir()
    for number in range(9):
        photo = Image.fromarray(picture(20 + 7 * number, 90 - 5 * number, number))
        photo.save(tmp_path / "photos" / f"{number}.png")
    predictor = Predictor(run, "cpu")
    results = list(predict_files(predictor, [tmp_path / "photos"], tmp_path / "out", scores=True))
    assert [outcome.photo.file.name for outcome in results] == [f"{i}.png" for i in range(9)]
    for number, outcome in enumerate(results):
        assert outcome.seconds > 0
        alone = predictor(tmp_path / "photos" / f"{number}.png", scores=True)
        wanted = alone.save(tmp_path / "alone" / str(number), scores=True)
        assert [path.name for path in outcome.written] == [path.name for path in wanted]
        for ours, theirs in zip(outcome.written, wanted, strict=True):
            assert ours.read_bytes() == theirs.read_bytes()


def test_what_cannot_be_written_is_told_after_what_was(run, picture, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in "abc":
        Image.fromarray(picture()).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "out" / "b.png").mkdir(parents=True)  # a folder where the file should be
    found, predictor = [], Predictor(run, "cpu")
    with pytest.raises(UserError, match=r"out/.*b\.png.*: Is a directory"):
        for outcome in predict_files(predictor, [tmp_path / "photos"], tmp_path / "out"):
            found.append(outcome.written[0].name)
    assert found == ["a.png"]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_what_must_be_waited_for_is_read_in_the_calling_thread(run, picture, tmp_path):
    """A named pipe that nobody has written to yet: Ctrl-C reaches only the calling thread."""
    os.mkfifo(tmp_path / "pipe.png")
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    content = (tmp_path / "photo.png").read_bytes()
    inputs = [tmp_path / "photo.png", tmp_path / "pipe.png"]
    results = predict_files(Predictor(run, "cpu"), inputs, tmp_path / "out", overlay=False)
    threading.Timer(0.05, (tmp_path / "pipe.png").write_bytes, [content]).start()
    assert [result.error for result in results] == [None, None]
    masks = [np.asarray(Image.open(tmp_path / "out" / f"{name}.png")) for name in ("photo", "pipe")]
    assert np.array_equal(*masks)
