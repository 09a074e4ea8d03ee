import os
import threading

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
        (["b/x.jpg", "-"], ["x", "stdin"]),
    ],
)
def test_names_of_results(folder, inputs, names):
    assert results(folder, *inputs) == names


def test_results_of_an_earlier_call_are_no_photos(folder):
    (folder / "b" / "out").mkdir()
    (folder / "b" / "out" / "x_overlay.jpg").touch()
    assert results(folder, "b", out="b/out") == ["sub/y", "x"]


def test_links_keep_their_names(folder):
    (folder / "link.jpg").symlink_to(folder / "b" / "x.jpg")
    assert results(folder, "link.jpg") == ["link"]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (["nothing.jpg"], "no such file"),
        (["nothing*.jpg"], "no file matches"),
        (["a/*.txt"], "no photos"),
    ],
)
def test_what_is_not_found(folder, inputs, says):
    with pytest.raises(UserError, match=says):
        results(folder, *inputs)


def test_no_photo_is_overwritten(folder):
    with pytest.raises(UserError, match="overwrite"):
        results(folder, "a/x.png", out="a")


def test_a_bad_photo_does_not_stop_the_rest(run, picture, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("one", "three"):
        Image.fromarray(picture()).save(photos / f"{name}.png")
    whole = (photos / "one.png").read_bytes()
    (photos / "three.png").write_bytes(whole[: len(whole) // 2])
    (photos / "two.jpg").write_bytes(b"no picture")
    Image.fromarray(picture(20, 90)).save(photos / "wide.png")
    out = tmp_path / "out"
    found = list(predict_files(Predictor(run, "cpu"), [photos], out, overlay=False))
    assert [bool(outcome.error) for outcome in found] == [False, True, True, False]
    assert "three.png" in str(found[1].error)
    assert "two.jpg" in str(found[2].error)
    assert sorted(path.name for path in out.iterdir()) == ["one.png", "wide.png"]
    assert np.asarray(Image.open(out / "wide.png")).shape == (20, 90)


def test_short_form(run, picture, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    (outcome,) = predict(run, tmp_path / "photo.png", tmp_path / "out")
    assert [path.name for path in outcome.written] == ["photo.png", "photo_overlay.jpg"]


def test_out_that_cannot_be_written(run, picture, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        predict(run, tmp_path / "photo.png", tmp_path / "out")


def test_many_photos_as_one_after_the_other(run, picture, tmp_path):
    """The same bytes in the same order, however many are at hand; a net's seconds are told."""
    (tmp_path / "photos").mkdir()
    for number in range(9):
        photo = Image.fromarray(picture(20 + 7 * number, 90 - 5 * number, number))
        photo.save(tmp_path / "photos" / f"{number}.png")
    predictor = Predictor(run, "cpu")
    found = list(predict_files(predictor, [tmp_path / "photos"], tmp_path / "out", scores=True))
    assert [outcome.photo.file.name for outcome in found] == [f"{i}.png" for i in range(9)]
    for number, outcome in enumerate(found):
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
    with pytest.raises(UserError, match=r"out/b: cannot be written: Is a directory"):
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
    assert [outcome.error for outcome in results] == [None, None]
    masks = [np.asarray(Image.open(tmp_path / "out" / f"{name}.png")) for name in ("photo", "pipe")]
    assert np.array_equal(*masks)
