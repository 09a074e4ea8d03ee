"""Every engine runs the picture of its file once, and says in one line where it does not agree."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from fullconv.checkpoints import load, save
from fullconv.inference import DisagreementWarning, Predictor, TorchEngine
from fullconv.inference.engines import torch_engine
from fullconv.inference.engines.torch_engine import winograd_engine
from fullconv.models.paper_padding.border import for_prediction
from small_runs import small_run


@pytest.fixture
def silent():
    """Every warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def changed(run):
    """The checkpoint, its net with its first kernels turned over."""
    known = load(run)
    net = copy.deepcopy(known.net)
    first = next(p for p in net.backbone.parameters() if p.ndim == 4)
    with torch.no_grad():
        first.copy_(first.flip(2, 3))
    return replace(known, net=net)


def test_torch_agrees_with_itself(run, picture, silent):
    for precision in ("fp32", "bf16"):
        Predictor(run, "cpu", precision)(picture())


def test_winograd_and_the_paper_s_border_agree(tmp_path, picture, silent):
    run = small_run(tmp_path, name="fcn8s-vgg16", width=1 / 8, padding="paper")
    winograd_engine(load(run)).class_map(picture())
    engine = TorchEngine(load(run), "cpu")
    assert engine.run is not engine.net
    assert type(engine.run) is type(for_prediction(engine.net))
    engine.class_map(picture())


def test_a_net_that_computes_something_else_is_one_line_once(run, picture):
    engine = TorchEngine(changed(run), "cpu")
    with pytest.warns(DisagreementWarning) as said:
        first = engine.class_map(picture())
        second = engine.class_map(picture())
    assert len(said) == 1
    line = str(said[0].message)
    assert "\n" not in line
    assert line.startswith("fcn8s-resnet18 in torch on cpu does not compute what the net did")
    assert "of the pixels get another class, logits differ by up to" in line
    assert np.array_equal(first, second)


def test_a_library_that_computes_wrongly_is_noticed(run, picture, monkeypatch):
    """The rows of every photo are turned round: as a kernel with an error would."""
    taken = torch_engine.TorchEngine._maps_of

    def wrong(self, images):
        return {s: m.flip(2) for s, m in taken(self, images).items()}

    monkeypatch.setattr(torch_engine.TorchEngine, "_maps_of", wrong)
    with pytest.warns(DisagreementWarning, match="in torch on cpu"):
        Predictor(run, "cpu")(picture())


def test_it_runs_once_and_only_at_the_first_photo(run, picture, monkeypatch):
    sizes = []
    taken = torch_engine.TorchEngine._maps_of

    def noted(self, images):
        sizes.append(images.shape[1:3])
        return taken(self, images)

    monkeypatch.setattr(torch_engine.TorchEngine, "_maps_of", noted)
    predictor = Predictor(run, "cpu")
    assert sizes == []
    predictor(picture(20, 30))
    predictor(picture(20, 30), scores=True)
    assert sizes == [(96, 128), (20, 30), (20, 30)]


def test_a_file_without_the_picture_says_nothing(run, picture, silent):
    engine = TorchEngine(replace(changed(run), golden=None), "cpu")
    engine.class_map(picture())


def test_a_net_that_trained_on_is_saved_with_what_it_computes_then(run, tmp_path, picture, silent):
    save(tmp_path / "model.safetensors", changed(run))
    Predictor(tmp_path, "cpu")(picture())
