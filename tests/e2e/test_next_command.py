"""What users get wrong most often: the one line names the command to type next, and it exists."""

import re

import pytest

from fullconv.cli import app


@pytest.mark.parametrize(
    ("arguments", "following"),
    [
        (["evaluate", "runs/none"], "fullconv train DATA --out runs/none"),
        (["serve", "runs/none"], "fullconv train DATA --out runs/none"),
        (["report", "runs/none"], "fullconv train DATA --out runs/first"),
        (["train", "--resume", "--out", "runs/none"], "fullconv train DATA --out runs/first"),
        (["predict", "started", "photo.jpg"], "fullconv train --resume --out started"),
        (["evaluate", "empty"], "fullconv train DATA --out runs/first"),
        (["predict", "started"], "fullconv predict started PHOTO"),
        (["check", "empty"], "fullconv import empty photos/"),
        (["train", "empty"], "fullconv shapes scenes/"),
        (["train"], "fullconv train shapes"),
        (["train", "shapes", "--net", "fcn8-vgg16"], "'fullconv nets'"),
        (["explain", "vgg"], "'fullconv nets'"),
        (["train", "shapes", "--recipe", "voc"], "'fullconv recipes'"),
        (["compare"], "fullconv compare --nets fcn32s-vgg16,fcn8s-resnet18"),
        (["convert", "vgg", "out.safetensors"], "'fullconv weights'"),
        (["download", "voc2012"], "fullconv download voc2012 data/"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_line_names_the_next_command(inside, tmp_path, monkeypatch, arguments, following):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "started").mkdir()
    (tmp_path / "started" / "config.toml").write_text('[data]\npath = "shapes"\n')
    (tmp_path / "photo.jpg").write_bytes(b"not looked at")
    _, error = inside(*arguments, code=2)
    assert error.count("\n") == 1
    assert following in error
    named = re.findall(r"fullconv ([a-z]+)", error.removeprefix("fullconv: "))
    assert set(named) <= {command.name or command.callback.__name__
                          for command in app.registered_commands}  # fmt: skip


def test_following_the_lines_leads_to_a_run(inside, tmp_path, monkeypatch):
    """From nothing: no run, so train; no data, so scenes; then the command that failed works."""
    monkeypatch.chdir(tmp_path)
    assert "fullconv train DATA --out runs/first" in inside("evaluate", "runs/first", code=2)[1]
    assert "fullconv shapes scenes/" in inside("train", ".", "--out", "runs/first", code=2)[1]
    said, _ = inside("shapes", "scenes/", "--number", "2", "--size", "48x64")
    assert "next: fullconv train scenes" in said
    quick = ("--steps", "1", "--set", "net.width=0.125", "--workers", "0", "--crop", "48x64")
    said, _ = inside("train", "scenes", "--out", "runs/first", *quick)
    assert "next: fullconv predict runs/first PHOTO" in said
    assert "mean IU" in inside("evaluate", "runs/first")[0]
