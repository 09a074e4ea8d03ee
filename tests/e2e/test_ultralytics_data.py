"""A data set as Ultralytics describes it, from its check to predictions."""

import pytest

from fullconv.classes.class_files import read_classes

TINY = ("--net", "fcn8s-resnet18", "--set", "net.width=0.0625", "--scratch", "--steps", 1)


@pytest.fixture
def data(inside, tmp_path):
    """Generated scenes with a data.yaml in place of the class file; the file."""
    scenes = tmp_path / "scenes"
    inside("shapes", scenes, "--number", 3, "--size", "48x64")
    names = read_classes(scenes / "classes.toml").names
    (scenes / "classes.toml").unlink()
    lines = [f"  {number}: {name}" for number, name in enumerate(names)]
    text = (
        "path: /content/scenes\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n"
    )
    (scenes / "data.yaml").write_text(text + "\n".join(lines))
    return scenes / "data.yaml"


def test_from_check_to_predictions(inside, data, tmp_path, monkeypatch):
    assert "errors: 0" in inside("check", data)[0]
    monkeypatch.chdir(data.parent)
    inside("train", "data.yaml", *TINY, "--out", tmp_path / "run")
    assert "mean IU" in inside("evaluate", tmp_path / "run")[0]
    monkeypatch.chdir(tmp_path)
    assert "of 3 photos (test)" in inside("evaluate", tmp_path / "run", data, "--split", "test")[0]
    inside("predict", tmp_path / "run", data.parent, "--out", tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*_overlay.jpg"))) == 9
    inside("predict", tmp_path / "run", data.parent, "--out", data.parent / "images", code=2)


def test_a_val_that_is_not_there(inside, data, tmp_path):
    data.write_text(data.read_text().replace("images/val", "images/valid"))
    for command in ("check", "train"):
        more = ("--out", tmp_path / "run") if command == "train" else ()
        _, error = inside(command, data, *more, code=2)
        assert "val: images/valid is not there below" in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
