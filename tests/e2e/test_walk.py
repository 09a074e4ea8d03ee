"""The walk of docs/walk.md, on a few small scenes."""

import subprocess
import sys
from pathlib import Path

import pytest

WALK = [sys.executable, str(Path(__file__).resolve().parents[2] / "benchmarks/walk.py")]


def walked(*arguments, folder):
    return subprocess.run([*WALK, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_from_labelme_files_to_a_served_mask(tmp_path):
    done = walked(
        "--data", "shapes:64x80:n=20", "--every", "2", "--steps", "2",
        "--train", "--set net.width=0.125", "--out", "walk", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert "all 12 masks are what was exported, in every pixel" in done.stdout
    assert "the served mask is the predicted one, byte for byte" in done.stdout
    table = done.stdout[done.stdout.index("| step | seconds |") :]
    for command in ("import", "inspect", "train", "report", "predict", "serve"):
        assert f"| `fullconv {command} " in table


def test_data_that_is_not_here_is_said(tmp_path):
    done = walked("--data", "camvid", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout == "camvid: is not here; the walk on real photos is left out\n"
    assert not list(tmp_path.iterdir())
