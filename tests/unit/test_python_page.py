"""The examples of docs/python.md for data, augmentations and loggers of one's own, executed."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
SECTIONS = ("Your own data set", "Your own augmentation", "Your own logger")


def test_the_examples_with_objects_of_ones_own_work(tmp_path, monkeypatch, capsys):
    parts = re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    texts = dict(zip(parts[1::2], parts[2::2], strict=True))
    blocks = [b for s in SECTIONS for b in re.findall(r"```python\n(.*?)```", texts[s], re.DOTALL)]
    assert len(blocks) == 5
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    for block in blocks:
        block = block.replace('"schedule.steps": 20', '"schedule.steps": 3, "data.workers": 0')
        block = block.replace('"schedule.steps": 24', '"schedule.steps": 4')
        exec(compile(block, str(PAGE), "exec"), names)
    out = capsys.readouterr().out
    assert "resuming at step 3 of 4" in out
    assert "augmentation: page.noisy, in place of all" in out
    assert re.search(r"^start printed fcn8s-resnet18$", out, re.MULTILINE)
    assert re.search(r"^finished$", out, re.MULTILINE)
    assert {p.name for p in Path("runs").iterdir()} == {"squares", "noisy", "printed"}
