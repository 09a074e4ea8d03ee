"""``--engine auto``: when it tries, what it takes, and what it remembers."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fullconv.errors import UserError
from fullconv.predict import (
    FastestEngine,
    Job,
    OpenVinoEngine,
    Predictor,
    TorchEngine,
    fastest,
    prepared,
)
from fullconv.predict.prepared import graph_folder
from fullconv.predict.trial import Choice, Memory, Trial, tried

LARGE = 1e15  # pixels that pay for any preparation


@pytest.fixture
def said():
    return []


@pytest.fixture
def opened(vgg, said):
    """``opened(pixels)``: a predictor for a job of so many."""
    return lambda pixels=LARGE, **how: Predictor(vgg, "cpu", job=Job(pixels, said.append), **how)


def runs(predictor):
    """The engine in use."""
    assert isinstance(predictor.engine, FastestEngine)
    return type(predictor.engine.engine)


def remember(vgg, seconds=0.001, engine="openvino", pixels=11, **told):
    """Keep a choice as it would have been found, for photos of about 2 ** ``pixels``."""
    folder = graph_folder(vgg / "model.safetensors")
    told = {"precision": "fp32", "pixels": f"about 2**{pixels}", **told}
    found = Trial("torch", "fp32", 0.5, 1.0), Trial(engine, "fp32", seconds, 0.99987)
    memory = Memory(folder, **told)
    memory.keep(Choice(found, ("fp32",)))
    return memory


@pytest.mark.parametrize(
    "forms",
    [
        {"openvino": "openvino"},
        pytest.param({"openvino": "openvino", "onnxruntime": "onnx"}, marks=pytest.mark.slow),
    ],
)
def test_a_large_job_is_tried_once_and_remembered(
    vgg, opened, exports, said, picture, monkeypatch, forms
):
    monkeypatch.setattr(fastest, "usable", lambda folder: list(forms))
    wanted, predictor = Predictor(vgg, "cpu"), opened()
    for number in range(fastest.TRIED):
        predictor(picture(37, 53, number))
        assert not exports
        assert not said
    assert np.array_equal(predictor(picture()).mask, wanted(picture()).mask)
    assert exports == list(forms.values())
    assert said[-1].startswith("engine: ")
    (file,) = graph_folder(vgg / "model.safetensors").glob("choice-*.json")
    trials = {each["engine"]: each for each in json.loads(file.read_text())["trials"]}
    assert set(trials) == {"torch", *forms}
    assert all(each["same"] > 0.999 for each in trials.values())
    best = min(trials, key=lambda name: trials[name]["seconds"])
    assert said[-1].startswith(f"engine: {best} fp32 (")

    said.clear()
    later = opened(0)
    assert np.array_equal(later(picture()).mask, wanted(picture()).mask)
    assert type(later.engine.engine).__name__.lower() == f"{best}engine"
    assert len(said) == 1
    assert exports == list(forms.values())


def test_a_small_job_is_torch_without_a_word(opened, exports, said, picture):
    for pixels in (0, 37 * 53 * 20):
        predictor = opened(pixels)
        for _ in range(fastest.TRIED + 2):
            predictor(picture())
        assert runs(predictor) is TorchEngine
    assert not exports
    assert not said


def test_what_is_remembered_holds_from_the_first_photo(vgg, opened, exports, said, picture):
    remember(vgg)
    predictor = opened(0)
    found = predictor(picture(), scores=True)
    assert runs(predictor) is OpenVinoEngine
    assert said == [
        "engine: openvino fp32 (500.0 times torch; 100.0% equal)",
        "note: the net is made ready for openvino, once; this takes up to a minute",
    ]
    wanted = Predictor(vgg, "cpu")(picture(), scores=True)
    assert np.allclose(found.scores, wanted.scores, rtol=1e-4, atol=1e-4)
    # OpenVINO's first photo has 17 pixels a side.
    assert np.array_equal(
        predictor(picture(9, 60)).mask, Predictor(vgg, "cpu")(picture(9, 60)).mask
    )
    assert runs(predictor) is OpenVinoEngine
    with pytest.raises(UserError, match="uint8 array"):
        predictor(np.zeros((5, 5), np.uint8))


def test_other_circumstances_are_another_case(vgg, opened, exports, picture):
    remember(vgg, pixels=20)
    remember(vgg, precision="bf16")
    remember(vgg, cpu="another")
    predictor = opened(0)
    predictor(picture())
    assert runs(predictor) is TorchEngine


@pytest.mark.parametrize(
    "text", ["", "{}", '{"trials": [], "allowed": ["fp32"]}', "[" * 5000, "name"]
)
def test_a_damaged_memory_is_none(vgg, opened, exports, said, picture, text):
    file = remember(vgg).file
    file.write_text(file.read_text().replace("openvino", "nonsense") if text == "name" else text)
    predictor = opened(0)
    predictor(picture())
    assert runs(predictor) is TorchEngine
    assert not said


def test_a_cache_that_cannot_be_written_leaves_torch(opened, exports, said, picture, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    predictor = opened()
    for _ in range(fastest.TRIED + 1):
        predictor(picture())
    assert runs(predictor) is TorchEngine
    assert not exports
    assert all("is left out: " in line and "cannot be written" in line for line in said)
    assert said


def test_a_remembered_engine_that_is_gone_leaves_torch(
    vgg, opened, exports, said, picture, monkeypatch
):
    remember(vgg)

    def gone(*_):
        raise UserError("no exporter")

    monkeypatch.setattr(prepared, "export_apart", gone)
    predictor = opened(0)
    predictor(picture())
    assert runs(predictor) is TorchEngine
    assert said[-1] == "note: predicting by torch: no exporter"


def test_an_engine_that_differs_is_not_taken_however_fast_it_is(checkpoint, picture):
    torch.manual_seed(1)
    other = replace(checkpoint, net=copy.deepcopy(checkpoint.net))
    for layer in other.net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    engines = {
        ("torch", "fp32"): TorchEngine(checkpoint, "cpu"),
        ("openvino", "fp32"): TorchEngine(other, "cpu"),
        ("onnxruntime", "fp32"): TorchEngine(checkpoint, "cpu"),
    }
    reference, differs, equal = tried(engines, [picture(37, 53, seed) for seed in range(2)])
    assert differs.same < 0.9
    assert (reference.same, equal.same) == (1, 1)
    assert min(each.seconds for each in (reference, differs, equal)) > 0
    trials = replace(reference, seconds=3), replace(differs, seconds=1), replace(equal, seconds=2)
    assert Choice(trials, ("fp32",)).best.kind == ("onnxruntime", "fp32")
    assert Choice(trials[:2], ("fp32",)).best.kind == ("torch", "fp32")


def test_only_what_was_asked_for_is_taken():
    fp32, bf16 = Trial("torch", "fp32", 3.0, 1.0), Trial("torch", "bf16", 2.0, 0.998)
    rough = Trial("openvino", "bf16", 1.0, 0.99)
    exact = Trial("openvino", "fp32", 2.5, 1.0)
    trials = (fp32, bf16, rough, exact)
    assert Choice(trials, ("fp32",)).best is exact
    assert Choice(trials, ("fp32", "bf16")).best is bf16
    assert Choice(trials, ("bf16",)).best is bf16
    assert Choice((fp32, rough), ("bf16",)).best is rough  # all that there is of what was asked
    assert str(Choice(trials, ("fp32",))) == "engine: openvino fp32 (1.2 times torch; 100.0% equal)"
    assert str(Choice((fp32, exact), ("fp32",))).startswith("engine: openvino fp32 (1.2 times")
    slow = replace(exact, seconds=4.0)
    said = str(Choice((fp32, slow), ("fp32",)))
    assert said == "engine: torch fp32 (the best of torch fp32, openvino fp32)"


def test_an_engine_that_cannot_run_a_photo_is_no_candidate(checkpoint, exported, picture):
    openvino = OpenVinoEngine(exported("openvino") / "model.xml")
    engines = {
        ("torch", "fp32"): TorchEngine(checkpoint, "cpu"),
        ("openvino", "fp32"): openvino,
    }
    assert [each.engine for each in tried(engines, [picture(), picture(9, 40)])] == ["torch"]


def test_the_middle_of_a_large_photo_is_tried():
    image = np.zeros((1500, 700, 3), np.uint8)
    image[238 : 238 + 1024] = 1
    middle = fastest._middle(image)
    assert middle.shape == (1024, 700, 3)
    assert middle.all()
    assert middle.base is None  # the photo itself can go


def test_the_library_takes_torch_unless_it_is_told_of_a_job(vgg):
    assert isinstance(Predictor(vgg, "cpu").engine, TorchEngine)
    assert isinstance(Predictor(vgg, "cpu", engine="torch", job=Job(LARGE)).engine, TorchEngine)
