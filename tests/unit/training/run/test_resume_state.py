"""The state of a training, put back to the bit; and files that are none."""

import json
import os
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import save_file

from fullconv.errors import UserError
from fullconv.training.run.resume import (
    BEFORE,
    FILE,
    Progress,
    checksum,
    load_state,
    save_state,
    step_of,
)

PROGRESS = Progress(
    step=3, best=0.1 + 0.2, start=None, loss_sum=1 / 3, plain_sum=2 / 3,
    summed_steps=2, seen_warnings=["chance"],
)  # fmt: skip
KINDS = {
    "sgd": {"optimizer.kind": "sgd"},
    "sgd without momentum": {"optimizer.kind": "sgd", "optimizer.momentum": 0.0},
    "adamw": {"optimizer.kind": "adamw"},
    "averaged": {"optimizer.ema": 0.9},
}


def put(run, made, progress=PROGRESS):
    save_state(run, made.net, made.ema_net, made.optimizer, progress)


def take(run, made):
    return load_state(run, made.net, made.ema_net, made.optimizer)


def everything(made):
    """All arrays of the net, its average and the optimizer."""
    found = {f"net.{k}": v for k, v in made.net.state_dict().items()}
    if made.ema_net is not None:
        found |= {f"averaged.{k}": v for k, v in made.ema_net.state_dict().items()}
    for number, values in made.optimizer.state_dict()["state"].items():
        found |= {f"{number}.{k}": v for k, v in values.items() if v is not None}
    return {name: tensor.clone() for name, tensor in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_ends_in_the_same_bits(updater, batch, tmp_path, kind):
    built = updater(KINDS[kind], name="fcn16s-resnet18", dropout=0.3)
    for step in range(3):
        built.step(batch(2, step))
    put(tmp_path, built)
    at_save = everything(built)
    for step in range(3, 6):
        built.step(batch(2, step))
    other = updater(KINDS[kind], name="fcn16s-resnet18", dropout=0.3)
    assert take(tmp_path, other) == PROGRESS
    state = everything(other)
    assert state.keys() == at_save.keys()
    assert all(torch.equal(state[name], at_save[name]) for name in state)
    for step in range(3, 6):
        other.step(batch(2, step))
    end, expected = everything(other), everything(built)
    assert all(torch.equal(end[name], expected[name]) for name in expected)


def test_the_same_state_gives_the_same_file(updater, batch, tmp_path):
    built = updater()
    built.step(batch(2, 0))
    put(tmp_path / "one", built)
    put(tmp_path / "two", built)
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()


def test_before_the_first_save_there_is_none(updater, tmp_path):
    assert take(tmp_path, updater()) is None


def refused(run, made, *says):
    with pytest.raises(UserError) as error:
        take(run, made)
    message = str(error.value)
    assert message.startswith(f"{run / FILE}: ")
    assert "\n" not in message
    for part in says:
        assert part in message


def test_the_last_two_states_are_kept_and_the_whole_one_is_taken(updater, batch, tmp_path):
    built = updater()
    for step in range(2):
        built.step(batch(2, step))
        put(tmp_path, built, replace(PROGRESS, step=step + 1))
        if step == 0:
            first = everything(built)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[-5] ^= 1  # one bit of one weight
    (tmp_path / FILE).write_bytes(content)
    warnings = []
    other = updater()
    states = tmp_path, other.net, other.ema_net, other.optimizer
    assert load_state(*states, warnings.append) == replace(PROGRESS, step=1)
    assert "checksum" in warnings[0]
    state = everything(other)
    assert all(torch.equal(state[name], first[name]) for name in first)


@pytest.mark.parametrize("moment", ["before the rename", "after the rename"])
def test_a_kill_between_the_states_leaves_nothing_after_the_next(updater, tmp_path, moment):
    """Two names of one file: renaming the one onto the other leaves both where they are."""
    built = updater({}, name="fcn16s-resnet18")
    put(tmp_path, built)
    newest, before = tmp_path / FILE, tmp_path / BEFORE
    left = before.with_name(f".{before.name}.link.part")
    os.link(newest, left if moment == "before the rename" else before)
    put(tmp_path, built, replace(PROGRESS, step=4))
    assert {path.name for path in newest.parent.iterdir()} == {newest.name, before.name}
    newest.unlink()
    assert step_of(tmp_path) == PROGRESS.step


def signed(header, numbers):
    """A header with other numbers and the checksum that is right for them (no arrays)."""
    numbers = header["progress"] | numbers
    return json.dumps(header | {"progress": numbers, "checksum": checksum(numbers, {})})


HEADERS = {
    "deep": lambda header: "[" * 100_000,
    "a number of 5,000 digits": lambda header: json.dumps(header).replace("3", "3" * 5000, 1),
    "no progress": lambda header: json.dumps(header | {"progress": None}),
    "a list": lambda header: "[]",
    "text for a step": lambda header: signed(header, {"step": "3"}),
    "an unknown number": lambda header: signed(header, {"stepp": 3}),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_damaged_header_is_one_line_with_its_code(updater, tmp_path, kind):
    header = {"format": 1, "kind": "training state", "progress": asdict(PROGRESS)}
    text = HEADERS[kind](header | {"checksum": checksum(header["progress"], {})})
    (tmp_path / "resume").mkdir()
    save_file({}, str(tmp_path / FILE), {"fullconv": text})
    with pytest.raises(UserError) as error:
        take(tmp_path, updater())
    assert error.value.code == "FC-TRAIN-002"
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("part", [0, 7, 0.5, -1])
def test_truncated(updater, batch, tmp_path, part):
    built = updater()
    built.step(batch(2, 0))
    put(tmp_path, built)
    content = (tmp_path / FILE).read_bytes()
    size = part if isinstance(part, int) else int(part * len(content))
    (tmp_path / FILE).write_bytes(content[:size])
    refused(tmp_path, built, "truncated")


def test_state_of_another_net(updater, tmp_path):
    put(tmp_path, updater())
    refused(tmp_path, updater(name="fcn8s-caffenet"), "score.8")
    refused(tmp_path, updater(classes=4), "shape")


def test_state_of_another_optimizer(updater, batch, tmp_path):
    built = updater({"optimizer.kind": "adamw"})
    built.step(batch(2, 0))
    put(tmp_path, built)
    refused(tmp_path, updater({"optimizer.kind": "sgd"}), "optimizer")
    refused(tmp_path, updater({"optimizer.ema": 0.9}), "does not fit")


def test_a_model_is_no_state(updater, tmp_path):
    from fullconv.checkpoints import Checkpoint, save
    from fullconv.classes import ClassSet
    from fullconv.models import CAFFE

    built = updater()
    save(tmp_path / FILE, Checkpoint(built.net, ClassSet(("a", "b", "c")), CAFFE))
    refused(tmp_path, built, "training state")


def test_a_state_is_no_model(updater, tmp_path):
    from fullconv.checkpoints import load

    put(tmp_path, updater())
    with pytest.raises(UserError, match="training state") as error:
        load(tmp_path / FILE)
    assert str(error.value).startswith(f"{tmp_path / FILE}: ")
