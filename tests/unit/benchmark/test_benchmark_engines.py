"""The engines side by side: what is measured, what is left out, what is recommended."""

import sys

import numpy as np
import pytest
from PIL import Image

from fullconv.benchmark import EngineBenchmark, EngineRow, Timing, benchmark_engines
from fullconv.benchmark import engine_table as measuring
from fullconv.cli import tables as screen
from fullconv.errors import UserError
from fullconv.exporting import export
from fullconv.inference.engines import ENGINES, find_engine, registry
from small_runs import small_run


def row(name, seconds=None, same=1.0, error=None):
    timing = None if seconds is None else Timing((seconds, seconds * 9, seconds), 100)
    return EngineRow(name, measuring.Path("runs/a b"), timing, same, error)


def of(*rows):
    return EngineBenchmark(rows, (48, 64), "cpu", "fp32")


def test_a_faster_engine_that_changes_classes_is_named_but_not_recommended():
    found = of(row("torch", 3.0), row("openvino", 1.0, 0.999996), row("onnxruntime", 2.0))
    assert found.recommended.name == "onnxruntime"
    assert found.fastest.name == "openvino"
    assert screen.engine_notes(found) == [
        "fastest with every class as torch has it: "
        "fullconv predict 'runs/a b' PHOTO --engine onnxruntime --device cpu",
        "faster, 0.0004% of the pixels differ: "
        "fullconv predict 'runs/a b' PHOTO --engine openvino --device cpu",
    ]


def test_what_is_left_out_says_why():
    found = of(row("torch", 3.0), row("openvino", error="openvino is not installed"))
    assert found.recommended is found.fastest
    assert screen.engine_notes(found)[0] == "left out: openvino: openvino is not installed"
    assert screen.engines_table(found).row_count == 1


def test_a_hundred_percent_is_every_pixel():
    assert screen.percent_same(1.0) == "100%"
    assert screen.percent_same(1 - 1e-9) == "99.9999%"


def test_torch_and_what_is_installed_are_measured_in_turn(tmp_path, monkeypatch):
    """By real processes, on a photo of the user's."""
    run = small_run(tmp_path / "run")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    monkeypatch.setitem(sys.modules, "openvino", None)
    few = tuple(each for each in ENGINES if each.name != "onnxruntime")
    monkeypatch.setattr(registry, "ENGINES", few)
    turns = []
    benchmark = benchmark_engines(
        run, tmp_path / "photo.png", device="cpu", rounds=1,
        progress=lambda *step: turns.append(step),
    )  # fmt: skip
    assert [each.name for each in benchmark.rows] == ["torch", "winograd", "openvino"]
    torch, winograd, openvino = benchmark.rows
    assert benchmark.size == (40, 56)
    for each in (torch, winograd):
        assert len(each.timing.seconds) == measuring.TIMED
        assert each.timing.peak_mib > 50
    assert torch.same == 1
    assert winograd.same > 0.99
    assert openvino.error == "openvino is not installed: pip install 'fullconv[export]'"
    assert turns == [(1, 2), (2, 2)]


@pytest.mark.slow
def test_every_engine_and_the_exports_of_a_run(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
    pytest.importorskip("openvino", reason="needs fullconv[export]")
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    run = small_run(tmp_path / "run")
    export(run, "onnx")
    said = []
    benchmark = benchmark_engines(run, device="cpu", rounds=1, say=said.append)
    assert [each.name for each in benchmark.rows] == [
        *(each.name for each in ENGINES), find_engine("onnxruntime").name
    ]  # fmt: skip
    assert benchmark.rows[-1].typed == run / "model.onnx"
    assert all(each.timing and each.same > 0.999 for each in benchmark.rows)
    assert len(said) == 2  # the graphs for the two runtimes
    file = benchmark_engines(run / "model.onnx", device="cpu", rounds=1)
    assert [each.name for each in file.rows] == ["onnxruntime", "openvino"]
    assert file.rows[0].same == 1


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        benchmark_engines(tmp_path / "none.onnx")
    with pytest.raises(UserError, match="rounds 0"):
        benchmark_engines(tmp_path, rounds=0)
