"""A limit of memory: which way is chosen, what is said, and that a training keeps to it."""

import math
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.data import open_source, write_folder
from fullconv.device import MIB, bytes_of
from fullconv.errors import UserError
from fullconv.models import NetSpec
from fullconv.models.analysis.cost import prediction_bytes
from fullconv.models.fcn import tile_geometry
from fullconv.training import make_config, read_config, train
from fullconv.training.config.config_sources import config_at
from fullconv.training.memory import memory_budget as budget
from fullconv.training.memory import step_memory as memory
from fullconv.training.memory.step_memory import estimate

QUICK = {"data.workers": 0, "compute.device": "cpu", "compute.precision": "fp32"}
SIZE = (256, 256)
SPEC = NetSpec("fcn8s-vgg16", 5, width=0.25)


def config(memory=None, **changes):
    """A config by ``section_key=value``."""
    dotted = {key.replace("_", ".", 1): value for key, value in changes.items()}
    usual = {"compute.device": "cpu", "compute.precision": "fp32", "optimizer.ema": None}
    usual |= {"schedule.batch_size": 8, "net.name": SPEC.name, "net.width": SPEC.width}
    return make_config("scratch", usual | {"compute.memory": memory} | dotted)


@pytest.fixture
def the_same_process(monkeypatch):
    """What the tests before have left in this process is not what is compared."""
    monkeypatch.setattr(memory, "at_rest", lambda *_: 300 * MIB)
    monkeypatch.setattr(memory, "compiler_to_come", lambda: 0)


def need(made):
    return estimate(made, SPEC, SIZE).total


def mib(size):
    return f"{math.ceil(size / MIB)}MB"


def least():
    """The least that any way takes."""
    last = config(schedule_batch_size=1, schedule_accumulate=8, compute_activation_checkpointing=5)
    alike = config(schedule_batch_size=8, compute_activation_checkpointing=5)
    return min(need(last), need(alike))


def test_without_a_limit_nothing_is_chosen():
    settled = config()
    assert budget.within(settled, SPEC, SIZE) is settled


def test_as_asked_where_that_fits():
    settled = config(mib(need(config())))
    assert budget.within(settled, SPEC, SIZE) == settled


def test_the_fewest_segments_that_suffice():
    needs = [need(config(compute_activation_checkpointing=n)) for n in range(6)]
    for n in range(1, 6):
        if needs[n] < needs[n - 1]:
            way = budget.within(config(mib(needs[n])), SPEC, SIZE)
            assert (way.compute.activation_checkpointing, way.schedule.batch_size) == (n, 8)
    asked = budget.within(config("40GB", compute_activation_checkpointing=3), SPEC, SIZE)
    assert asked.compute.activation_checkpointing == 3


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(-50, 600))
def test_what_is_chosen_fits_and_keeps_the_photos_of_a_step(batch, accumulate, room):
    limit = mib(memory.at_rest("cpu") + max(room, 1) * MIB)
    settled = config(limit, schedule_batch_size=batch, schedule_accumulate=accumulate)
    try:
        way = budget.within(settled, SPEC, SIZE)
    except UserError:
        single = {"schedule_batch_size": 1, "schedule_accumulate": batch * accumulate}
        assert need(config(**single, compute_activation_checkpointing=5)) > bytes_of(limit)
        return
    assert way.schedule.batch_size * way.schedule.accumulate == batch * accumulate
    assert way.schedule.batch_size <= batch
    assert need(way) <= bytes_of(limit)
    same = {"schedule": settled.schedule, "compute": settled.compute}
    assert way.model_copy(update=same) == settled


def test_nothing_fits(the_same_process):
    with pytest.raises(UserError) as error:
        budget.within(config("10MB"), SPEC, SIZE)
    line = str(error.value)
    assert line.startswith("10 MiB of memory do not suffice: fcn8s-vgg16 at 256x256 takes ")
    assert "\n" not in line
    assert "schedule.batch_size" not in line  # tried already
    said = re.search(r" at least (\d+) MiB \(.*checkpointed\); to lower it: .*augment.crop", line)
    assert said
    assert budget.within(config(f"{said[1]}MB"), SPEC, SIZE)
    with pytest.raises(UserError):
        budget.within(config(f"{int(said[1]) - 2}MB"), SPEC, SIZE)


def test_what_is_said(the_same_process):
    parts = config(
        "4GB", schedule_batch_size=1, schedule_accumulate=4, compute_activation_checkpointing=2
    )
    line = budget.summary(parts, SPEC, SIZE)
    amount = math.ceil(need(parts) / MIB)
    assert line == (
        "4.0 GiB allowed; fcn8s-vgg16 at 256x256, batch 4: as 4 parts of 1, conv1_1 to pool2 "
        f"checkpointed; about {amount} MiB"
    )
    assert "batch 8: at once; about" in budget.summary(config("4GB"), SPEC, SIZE)
    norms = NetSpec("fcn8s-resnet18", 5, width=0.25)
    assert "batch norm takes its mean over each part of 1" in budget.summary(parts, norms, SIZE)


def test_pieces_of_a_validation_fit_into_what_is_left():
    settled = config(mib(need(config())))
    estimated = estimate(settled, SPEC, SIZE)
    room = (
        bytes_of(settled.compute.memory)
        - estimated.process
        - estimated.weights
        - estimated.optimizer
    )
    assert budget.longest_tile(settled, SPEC, estimated, (100, 100)) is None
    piece = budget.longest_tile(settled, SPEC, estimated, (3000, 4000))
    grid = tile_geometry(SPEC).grid
    assert prediction_bytes(SPEC, piece, piece, scores=False) <= room
    longer = piece + grid
    assert prediction_bytes(SPEC, longer, longer, scores=False) > room
    assert budget.longest_tile(config(), SPEC, estimated, (3000, 4000)) is None
    resizing = NetSpec("fcn8s-resnet50_dilated", 5, width=0.125)
    assert budget.longest_tile(settled, resizing, estimated, (3000, 4000)) is None


def test_a_validation_in_pieces_has_the_same_scores(tmp_path):
    """Photos that do not fit beside the net in one piece."""
    splits = [open_source("shapes:64x700:n=30", split) for split in ("train", "val")]
    data = write_folder(splits, tmp_path / "wide", limit=1)
    changes = {"data.path": str(data), "augment.crop": [48, 64], "schedule.batch_size": 1}
    changes |= {"net.name": "fcn8s-vgg16", "net.width": 0.03125, "schedule.steps": 1}
    changes |= {"data.check": False} | QUICK
    whole = train(None, tmp_path / "whole", overrides=changes, quiet=True)
    asked = read_config(whole / "config.toml")
    memory = mib(estimate(asked, asked.spec(6), (48, 64)).total)
    changes["compute.memory"] = memory
    pieces = train(None, tmp_path / "pieces", overrides=changes, quiet=True)
    saved_config = read_config(pieces / "config.toml")
    estimated = estimate(saved_config, saved_config.spec(6), (48, 64))
    assert budget.longest_tile(saved_config, saved_config.spec(6), estimated, (64, 700))
    assert (whole / "scores.json").read_text() == (pieces / "scores.json").read_text()


def test_the_choice_is_saved_and_a_resume_keeps_it(photos, tmp_path, capsys):
    changes = QUICK | {"data.path": str(photos), "net.name": "fcn8s-vgg16", "net.width": 0.0625}
    changes |= {"augment.crop": [192, 192], "schedule.batch_size": 8, "data.check": False}
    changes |= {"schedule.steps": 1, "compute.memory": mib(memory.at_rest("cpu") + 56 * MIB)}
    run = train(None, tmp_path / "run", overrides=changes)
    said = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("memory: "))
    saved_config = read_config(run / "config.toml")
    assert saved_config.schedule.batch_size * saved_config.schedule.accumulate == 8
    assert (saved_config.compute.activation_checkpointing, saved_config.schedule.accumulate) != (
        0,
        1,
    )
    train(None, run, resume=True)
    assert read_config(run / "config.toml") == saved_config
    assert said in capsys.readouterr().out
    train(None, run, overrides={"compute.memory": "8GB"}, resume=True, quiet=True)
    again = config_at(read_config(run / "config.toml"), 1)
    assert (again.schedule, again.compute.activation_checkpointing) == (
        saved_config.schedule,
        saved_config.compute.activation_checkpointing,
    )
    assert again.compute.memory == "8GB"


LIMITED = """
import sys, torch
from fullconv.device import MIB, peak_mib
from fullconv.training import make_config, read_config, train
from fullconv.training.memory.step_memory import estimate

torch.set_num_threads(1)
changes = {"net.name": "fcn8s-vgg16", "net.width": 0.125, "schedule.batch_size": 6,
"schedule.steps": 1,
           "augment.crop": [192, 192], "data.workers": 0, "compute.device": "cpu",
           "compute.precision": "fp32", "data.path": "shapes:48x64:n=20"}
config = make_config("scratch", changes)
asked = estimate(config, config.spec(6), (192, 192))
limit = (asked.total - int(asked.activations * 0.5)) // MIB
train(None, sys.argv[1], overrides=changes | {"compute.memory": f"{limit}MB"}, quiet=True)
made = read_config(sys.argv[1] + "/config.toml")
print(limit, peak_mib(torch.device("cpu")), made.schedule.batch_size,
made.compute.activation_checkpointing)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_a_real_training_keeps_to_its_limit(tmp_path):
    """From the first step to the report, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    limit, peak, batch, recompute = map(int, done.stdout.split()[-4:])
    assert peak <= limit
    assert (batch, recompute) != (6, 0)
