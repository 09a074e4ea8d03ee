"""A run whose data has moved: every command that looks for it says whose data is missing."""

import shutil

import pytest

from fullconv import evaluate, train
from fullconv.errors import UserError


@pytest.fixture
def lost(photos, start, tmp_path, monkeypatch):
    """A run on a relative path that leads nowhere from here, and its data."""
    data = shutil.copytree(photos, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    run = start("run", {"data.path": "data"}, quiet=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return run, data


@pytest.mark.parametrize("command", ["evaluate", "resume"])
def test_data_that_is_not_there_names_run_and_place(lost, command):
    run, _ = lost
    with pytest.raises(UserError, match="trained on is not there below") as caught:
        if command == "evaluate":
            evaluate(run)
        else:
            train(None, run, resume=True, overrides={"schedule.steps": 6}, quiet=True)
    assert caught.value.code == "FC-DATA-101"
    assert str(caught.value).startswith("data: ")
    assert str(run) in str(caught.value)


def test_its_new_place_can_be_named(lost):
    run, data = lost
    assert evaluate(run, data).pixel_accuracy >= 0
    train(str(data), run, resume=True, overrides={"schedule.steps": 6}, quiet=True)


def test_more_processes_than_a_cpu_can_run_are_refused_before_one_is_started(start, tmp_path):
    with pytest.raises(UserError, match="9999 processes on a CPU") as caught:
        start("run", {"compute.devices": 9999}, quiet=True)
    assert caught.value.code == "FC-CONFIG-013"
    assert not (tmp_path / "run").exists()
