"""The worked examples of docs/extending.md: as short as the page says, and they work."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import fullconv
from fullconv.inference.engines import ENGINES, EngineEntry, registry
from fullconv.models.registry import BACKBONES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
TEXT = PAGE.read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def blocks(section):
    return re.findall(r"```python\n(.*?)```", SECTIONS[section], re.DOTALL)


def run(*sections):
    """The names that the examples of ``sections`` define."""
    names = {"__name__": "page", "np": np, "fullconv": fullconv}
    for section in sections:
        for block in blocks(section):
            exec(compile(block, str(PAGE), "exec"), names)
    return names


def test_the_examples_are_as_short_as_the_page_says():
    rows = re.findall(r"^\| \[.+?\]\(#(.+?)\) \| (\d+) \|", TEXT, re.MULTILINE)
    assert len(rows) == 7
    for anchor, count in rows:
        section = next(name for name in SECTIONS if name.lower().replace(" ", "-") == anchor)
        lines = [line for line in blocks(section)[0].splitlines() if line.strip()]
        code = [line for line in lines if not line.startswith(("import", "from"))]
        assert len(code) == int(count) <= 30, section


def test_a_dataset_a_loss_an_augmentation_and_a_logger_train_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SECTIONS, "A logger", SECTIONS["A logger"].replace(
        '"schedule.steps": 20', '"schedule.steps": 3, "data.workers": 0'))  # fmt: skip
    names = run("A dataset", "A loss", "An augmentation", "A logger")
    logger = names["logger"]
    assert (logger.name, logger.status) == ("stripes", "finished")
    assert 0 < logger.values[-1] < 1
    assert fullconv.load(names["run"]).classes.names == ("dark", "bright")


def test_a_backbone_is_data():
    try:
        net = run("A backbone")["net"]
        assert net(torch.zeros(1, 3, 45, 67)).shape == (1, 2, 45, 67)
    finally:
        BACKBONES.pop("five", None)


def test_an_engine_is_a_file_and_a_line(tmp_path, monkeypatch):
    from small_runs import small_run

    name = "fullconv.inference.engines.flipped_engine"
    module = ModuleType(name)
    module.open_flipped = run("An engine")["open_flipped"]
    monkeypatch.setitem(sys.modules, name, module)
    line = re.search(r"`(EngineEntry\(.+?\))`", SECTIONS["An engine"], re.DOTALL)[1]
    monkeypatch.setattr(registry, "ENGINES", (*ENGINES, eval(line, {"EngineEntry": EngineEntry})))
    folder = small_run(tmp_path / "run")
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    flipped = fullconv.Predictor(folder, "cpu", engine="flipped")(photo)
    upright = fullconv.Predictor(folder, "cpu")(photo[::-1].copy())
    assert np.array_equal(flipped.mask, upright.mask[::-1])
    assert np.array_equal(flipped.scores, upright.scores[:, ::-1])


def test_an_annotation_format_is_recognised_read_and_painted(tmp_path):
    names = run("An annotation format")
    assert not names["recognise"](tmp_path)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.boxes").write_text("car 10 20 50 60\nroad 0 0 60 10\n")
    assert names["recognise"](tmp_path)
    export = names["read"](tmp_path, None)
    assert export.labels == ("car", "road")
    painted = export.items[0].labelling.paint((40, 60), {"car": 1, "road": 2}).numbers
    assert painted[30, 20] == 1 and painted[5, 5] == 2 and painted[15, 5] == 0
    assert export.items[0].photo.is_file()


@pytest.mark.parametrize("section", ["A loss", "An augmentation"])
def test_functions_are_deterministic(section):
    names = run("A dataset", section)
    if section == "A loss":
        logits = torch.tensor([[[[0.0, 9.0]], [[0.0, -9.0]]]])  # 1,K=2,1,2
        assert names["missed"](logits, torch.tensor([[[0, 0]]])).item() == pytest.approx(
            0.25, abs=1e-3
        )
        assert names["missed"](logits, torch.tensor([[[-100, 0]]])).item() < 1e-3
    else:
        sample = names["Stripes"](4)[0]
        made = [names["brighter"](sample, np.random.default_rng(1)).image for _ in range(2)]
        assert np.array_equal(*made) and (made[0] != sample.image).any()
