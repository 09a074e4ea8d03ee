"""The walks of docs/walk.md and docs/walk-labelling.md, on a few small scenes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fullconv.data import open_source

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def walked(*arguments, folder, script="walk.py"):
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


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


@pytest.mark.slow
def test_from_some_labelled_photos_to_a_growing_data_set_and_a_served_net(tmp_path):
    done = walked(
        "--data", "shapes:64x80:n=40", "--start", "8", "--number", "4", "--train",
        "--steps 2 --set net.width=0.125 --workers 0", "--out", "walk",
        folder=tmp_path, script="walk_labelling.py",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert "% of the labelled pixels that the net drew were right" in done.stdout
    assert "the served mask is the predicted one, byte for byte" in done.stdout
    assert len(list((tmp_path / "walk/labelled").glob("*.json"))) == 8 + 4
    data = open_source(str(tmp_path / "walk/data2"), "train")
    truth = open_source("shapes:64x80:n=40", "train")
    for index, name in enumerate(data.names):  # corrected: what is known is what is trained on
        assert np.array_equal(data.mask(index), truth.mask(truth.names.index(name)))


def test_data_that_is_not_here_is_said(tmp_path):
    done = walked("--data", "camvid", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout == "camvid: is not here; the walk on real photos is left out\n"
    assert not list(tmp_path.iterdir())
