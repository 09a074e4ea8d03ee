"""The state of a training, put back to the bit; and files that are none."""

import pytest
import torch

from fullconv.errors import UserError
from fullconv.training.resume import FILE, Progress, load_state, save_state

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
    save_state(run, made.net, made.averaged, made.optimizer, progress)


def take(run, made):
    return load_state(run, made.net, made.averaged, made.optimizer)


def everything(made):
    """All arrays of the net, its average and the optimizer."""
    found = {f"net.{k}": v for k, v in made.net.state_dict().items()}
    if made.averaged is not None:
        found |= {f"averaged.{k}": v for k, v in made.averaged.state_dict().items()}
    for number, values in made.optimizer.state_dict()["state"].items():
        found |= {f"{number}.{k}": v for k, v in values.items() if v is not None}
    return {name: tensor.clone() for name, tensor in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_ends_in_the_same_bits(updater, batch, tmp_path, kind):
    made = updater(KINDS[kind], name="fcn16s-resnet18", dropout=0.3)
    for step in range(3):
        made.step(batch(2, step))
    put(tmp_path, made)
    at_save = everything(made)
    for step in range(3, 6):
        made.step(batch(2, step))
    other = updater(KINDS[kind], name="fcn16s-resnet18", dropout=0.3)
    assert take(tmp_path, other) == PROGRESS
    found = everything(other)
    assert found.keys() == at_save.keys()
    assert all(torch.equal(found[name], at_save[name]) for name in found)
    for step in range(3, 6):
        other.step(batch(2, step))
    end, expected = everything(other), everything(made)
    assert all(torch.equal(end[name], expected[name]) for name in expected)


def test_the_same_state_gives_the_same_file(updater, batch, tmp_path):
    made = updater()
    made.step(batch(2, 0))
    put(tmp_path / "one", made)
    put(tmp_path / "two", made)
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


@pytest.mark.parametrize("part", [0, 7, 0.5, -1])
def test_truncated(updater, batch, tmp_path, part):
    made = updater()
    made.step(batch(2, 0))
    put(tmp_path, made)
    content = (tmp_path / FILE).read_bytes()
    size = part if isinstance(part, int) else int(part * len(content))
    (tmp_path / FILE).write_bytes(content[:size])
    refused(tmp_path, made, "truncated")


def test_state_of_another_net(updater, tmp_path):
    put(tmp_path, updater())
    refused(tmp_path, updater(name="fcn8s-caffenet"), "score.8")
    refused(tmp_path, updater(classes=4), "shape")


def test_state_of_another_optimizer(updater, batch, tmp_path):
    made = updater({"optimizer.kind": "adamw"})
    made.step(batch(2, 0))
    put(tmp_path, made)
    refused(tmp_path, updater({"optimizer.kind": "sgd"}), "optimizer")
    refused(tmp_path, updater({"optimizer.ema": 0.9}), "does not fit")


def test_a_model_is_no_state(updater, tmp_path):
    from fullconv.checkpoints import Checkpoint, save
    from fullconv.classes import ClassSet
    from fullconv.models import CAFFE

    made = updater()
    save(tmp_path / FILE, Checkpoint(made.net, ClassSet(("a", "b", "c")), CAFFE))
    refused(tmp_path, made, "training state")


def test_a_state_is_no_model(updater, tmp_path):
    from fullconv.checkpoints import load

    put(tmp_path, updater())
    with pytest.raises(UserError, match="training state") as error:
        load(tmp_path / FILE)
    assert str(error.value).startswith(f"{tmp_path / FILE}: ")
