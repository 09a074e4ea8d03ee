"""The benchmarks measure what they say, on nets and photos that take no time."""

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fullconv.inference import Predictor
from fullconv.models import NetSpec

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import ablation  # noqa: E402
import breakdown  # noqa: E402
import convolutions  # noqa: E402
import prediction  # noqa: E402
import rate  # noqa: E402
import run  # noqa: E402
import same_weights  # noqa: E402
import turns  # noqa: E402
from photos import photo_of  # noqa: E402
from result import Result, Table  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return same_weights.make(tmp_path_factory.mktemp("weights"), width=1 / 16)


def test_the_peers_files_hold_the_same_net(weights):
    photo = photo_of((60, 90))
    found = Predictor(weights.paper)(photo).mask
    assert len(np.unique(found)) > 3  # else agreement would mean nothing
    for file in (weights.pytorch, weights.chainer):
        assert (Predictor(file)(photo).mask == found).all()


def test_paddings_share_the_weights(weights):
    paper, same = (Predictor(path).engine.net for path in (weights.paper, weights.same))
    assert (paper.spec.padding, same.spec.padding) == ("paper", "same")
    for name, array in paper.state_dict().items():
        assert torch.equal(array, same.state_dict()[name])


def test_a_way_that_fails_is_left_out_with_its_reason(weights, tmp_path):
    photo = photo_of((40, 50))
    np.save(tmp_path / "photo.npy", photo)
    job = {"photo": str(tmp_path / "photo.npy"), "out": str(tmp_path / "out.npy"), "repeats": 2}
    job |= {"weights": str(weights.same), "engine": "auto", "precision": "fp32"}
    works = turns.Way("works", "fullconv_net", job)
    fails = turns.Way("fails", "fullconv_net", {**job, "weights": str(tmp_path / "none")})
    found = turns.in_turn([works, fails], rounds=1)
    assert list(found.answers) == ["works"]
    assert [len(answer["seconds"]) for answer in found.answers["works"]] == [2]
    assert all(100 < answer["mib"] < 4000 for answer in found.answers["works"])
    assert "none: no such" in found.left_out["fails"]
    assert (np.load(tmp_path / "out.npy") == Predictor(weights.same)(photo).mask).all()


def test_a_missing_venv_is_a_reason(monkeypatch):
    monkeypatch.setitem(turns.VENVS, "pytorch_fcn", ".venv-none")
    found = turns.in_turn([turns.Way("peer", "pytorch_fcn", {})], rounds=2)
    assert found.left_out == {"peer": ".venv-none is missing; `make bench` builds it"}


def test_rates_and_agreement_by_hand(tmp_path):
    rows = [prediction.ROWS[0], replace(prediction.ROWS[0], name="half as fast")]
    found = turns.Found({"product fp32": [{"gflops": [100.0]}]})
    for row, seconds, classes in zip(rows, (2.0, 4.0), ([0, 1, 2, 3], [0, 1, 2, 0]), strict=True):
        way = row.way(tmp_path, "100x200", 1)
        np.save(way.job["out"], np.array([classes]))
        found.answers[way.name] = [
            {"seconds": [seconds, 9.0], "mib": 5},
            {"seconds": [1.0], "mib": 7},
        ]
    gflop = rate.gflop(NetSpec("fcn8s-vgg16", 21, padding="paper"), (100, 200))
    table = prediction.table(found, rows, tmp_path, (100, 200))
    assert table.rows[1][1:3] == ["4.00", "0.50"]
    assert table.rows[1][3:] == [f"{gflop / 4:.0f}", f"{gflop / 4:.0f} %", "6", "75.00 %"]


def test_kinds_of_operations_by_hand():
    found = [
        ("aten::flip", 0, 1000),
        ("aten::conv2d", 1000, 3000),
        ("aten::relu_", 3000, 4000),
        ("aten::alias", 4000, 4500),
        ("aten::conv2d", 4500, 5000),
        ("_Banded", 6000, 9000),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", 9000, 12000),
        ("aten::add_", 12000, 12500),
        ("autograd::engine::evaluate_function: MaxPool2DWithIndicesBackward0", 12500, 13000),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", 13000, 14000),
        ("aten::_foreach_norm", 14000, 15000),
        ("Optimizer.step#SGD.step", 15000, 17000),
    ]
    assert breakdown.shares(found) == Counter({
        "preparing the photo": 1, "convolutions": 6.5, "ReLU": 1, "enlargement, loss": 3,
        "pooling": 0.5, "optimizer": 3, "other": 1, "between operations": 1,
    })  # fmt: skip
    predicted = breakdown.shares(found[:6])
    assert predicted["enlargement, best class"] == 3
    assert predicted["optimizer"] == 0


def test_a_real_step_is_told_apart():
    spec = NetSpec("fcn8s-vgg16", 21, width=1 / 16)
    work = breakdown.training(spec, "fp32")
    found = breakdown.shares(breakdown.spans(work))
    for kind in ("convolutions", "pooling", "ReLU", "dropout", "optimizer", "enlargement, loss"):
        assert found[kind] > 0, kind
    assert found["other"] < 0.1 * sum(found.values())


@pytest.mark.parametrize(("kernel", "own"), [(3, "minimal filtering"), (1, "one product")])
def test_the_ways_of_a_convolution_agree(kernel, own):
    layer = convolutions.Layer("small", 64, 64 if kernel == 3 else 512, (26, 26), kernel)
    found = convolutions.measured(layer, repeats=1)
    assert list(found) == ["torch, NCHW", "torch, channels last", own]
    wanted = found["torch, NCHW"][0][2]
    assert len(wanted) == 4  # the result, and the gradients of photo, kernels and bias
    assert all(convolutions.off(turns[0][2], wanted) < 1e-4 for turns in found.values())
    assert convolutions.taken(layer) == (own if kernel == 3 else "torch, channels last")


def test_the_page_is_made_of_the_results(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    first, second = (s for s in run.SCRIPTS if s.name in ("prediction", "loss"))
    assert "Nothing has been measured yet" in run.page(run.SCRIPTS)
    result = Result([Table("480x640", ("", "s"), [["pytorch-fcn", "5.00"]])], ["A note."], "a CPU")
    result.finish(str(tmp_path / "result.json"))
    run.keep(first, {"command": "X", **json.loads((tmp_path / "result.json").read_text())})
    run.keep(second, {"command": "Y", "text": "plain\n| a |\n| - |\nend\n", "machine": "a GPU"})
    text = run.page(run.SCRIPTS)
    assert text.index("## Prediction on a CPU\n\n```\nX\n```") < text.index("## Head and loss")
    assert "**480x640**\n\n|  | s |\n| --- | ---: |\n| pytorch-fcn | 5.00 |" in text
    assert "- A note.\n- Machine: a CPU.\n" in text
    assert "```\nplain\n```\n\n| a |\n| - |\n\n```\nend\n```" in text
    assert "python benchmarks" not in run.about(first.file)


def test_an_unknown_benchmark_is_an_error():
    with pytest.raises(SystemExit, match="no benchmark is called speed: use prediction"):
        run.chosen("speed", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_lacks_its_data_or_its_gpu_is_not_run(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "HERE", tmp_path)
    for name in ("loss", "loading", "gpu"):
        (tmp_path / f"{name}.py").touch()
    assert [script.name for script in run.chosen(None, None)] == ["loss"]
    assert [script.name for script in run.chosen(None, "DATA")] == ["loss", "loading"]
    assert [script.name for script in run.chosen("loading", "DATA")] == ["loading"]


def test_the_command_of_a_page_names_no_place(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "HERE", tmp_path)
    (tmp_path / "loading.py").write_text("import sys; print(sys.argv[1:])")
    loading = next(script for script in run.SCRIPTS if script.name == "loading")
    found = run.measured(loading, None, "some/place")
    assert found["command"] == "python benchmarks/loading.py DATA"
    assert found["text"] == "['some/place']\n"


def test_an_ablation_trains_what_is_missing_and_compares_each_seed(tmp_path, monkeypatch, capsys):
    out, trained = tmp_path / "a.json", []

    def train(data, arguments, steps, seed):
        trained.append((arguments, seed))
        iu = 0.5 + 0.1 * seed + (0.02 if arguments else 0)
        return dict.fromkeys(("mean_iu", "pixel_accuracy", "mean_accuracy"), iu) | {
            "processor_seconds": 90.0
        }

    monkeypatch.setattr(ablation, "_train", train)
    for seeds in ("0", "0,1"):
        command = ["ablation.py", "data", "faster=--lr 1", "--seeds", seeds, "--out", str(out)]
        monkeypatch.setattr(sys, "argv", command)
        ablation.main()
    assert trained == [("", 0), ("--lr 1", 0), ("", 1), ("--lr 1", 1)]
    row = "| faster --lr 1 | 840 | 57.0 | 52.0, 62.0 | +2.0 ± 0.0 | 57.0 | 57.0 | 1.5 |"
    assert row in capsys.readouterr().out


@pytest.mark.slow
def test_an_ablation_of_real_trainings(tmp_path):
    scores = ablation._train("shapes:96x128:n=12", "--set augment.hflip=false", 2, 0)
    assert 0 < scores["mean_iu"] < 1 and scores["processor_seconds"] > 1
