"""What Python hands to a function in place of a path or a photo is an error that says what fits."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

import fullconv
from fullconv.classes import ClassSet
from fullconv.python_arguments import as_path
from fullconv.report import write_report
from small_runs import small_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("run"), ClassSet(tuple("abcd")))


@pytest.fixture(scope="module")
def predictor(run):
    return fullconv.Predictor(run, "cpu")


VIDEO = pytest.mark.skipif(
    importlib.util.find_spec("av") is None, reason="PyAV is not installed (fullconv[video])"
)
STRANGE = [None, 3, np.zeros((4, 5, 3), np.uint8), torch.zeros(3, 4, 5), Image.new("RGB", (5, 4))]
FUNCTIONS = [
    fullconv.Predictor, fullconv.load, fullconv.export, fullconv.calibrate, write_report,
    fullconv.benchmark_engines,
    lambda run: fullconv.evaluate(run, "shapes:32x32:n=1"),
    lambda run: fullconv.predict(run, "photo.jpg"),
    pytest.param(lambda run: fullconv.predict_video(run, "clip.mp4", "out.mp4"), marks=VIDEO),
    lambda out: fullconv.train("shapes:32x32:n=1", out),
    lambda out: fullconv.predict("runs/a", "photo.jpg", out),
    lambda out: fullconv.predict_video("runs/a", "clip.mp4", out),
    lambda path: fullconv.predict_video("runs/a", path, "out.mp4"),
]  # fmt: skip


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_takes_an_object_for_a_path(function, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fullconv.UserError) as caught:
        function(value)
    assert caught.value.code == "FC-FILE-014"
    assert type(value).__name__.removesuffix("Type") in str(caught.value)
    assert list(tmp_path.iterdir()) == []  # no folder called None


def test_of_a_predictor_the_path_is_named(predictor, run):
    with pytest.raises(fullconv.UserError, match=r"give its \.path") as caught:
        fullconv.evaluate(predictor, "shapes:32x32:n=1")
    assert str(run)[-20:] in str(caught.value)
    assert as_path(predictor.path, "run") == as_path(str(run), "run") == run


@pytest.mark.parametrize("value", [*STRANGE, b"ab"], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("listed", [False, True])
def test_predict_of_no_file_says_what_takes_it(run, tmp_path, value, listed):
    with pytest.raises(fullconv.UserError, match=r"Predictor\(run\)\(photo\)") as caught:
        fullconv.predict(run, [value] if listed else value, tmp_path / "out")
    assert caught.value.code == "FC-PREDICT-007"


def test_an_empty_list_is_said(run, predictor, tmp_path):
    for empty in ([], (), iter([])):
        with pytest.raises(fullconv.UserError, match="the list is empty"):
            fullconv.predict(run, empty, tmp_path / "out")
    assert predictor.predict_batch([]) == []


def test_a_batch_is_of_arrays(predictor):
    for value in ("photo.jpg", None, Image.new("RGB", (5, 4))):
        with pytest.raises(fullconv.UserError, match="takes arrays") as caught:
            predictor.predict_batch([value])
        assert caught.value.code == "FC-PREDICT-007"


@pytest.mark.parametrize("tile", ["512", 512.5, True, None.__class__])
def test_a_tile_is_a_number(run, tile):
    with pytest.raises(fullconv.UserError, match="number of pixels"):
        fullconv.Predictor(run, "cpu", tile=tile)
    assert fullconv.Predictor(run, "cpu", tile=np.int64(960))


def test_a_split_is_a_name_and_classes_are_names(run):
    for split in (None, 1, ["val"]):
        with pytest.raises(fullconv.UserError, match="split is a name"):
            fullconv.evaluate(run, "shapes:32x32:n=1", split=split)

    class Photos:
        classes = None

        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise IndexError(index)

    with pytest.raises(fullconv.UserError, match="classes are names"):
        fullconv.train(Photos(), "runs/none")
