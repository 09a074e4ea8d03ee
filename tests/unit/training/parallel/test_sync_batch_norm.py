"""Batch norm over several processes against torch's on the photos of all of them."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from fullconv.training import make_config
from fullconv.training.parallel.sync_batch_norm import is_synchronised, synchronise
from ranks import Ranks

COUNTS = (3, 1)  # photos of the two processes: not equally many


def norm_and_batch():
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(5, eps=1e-3, momentum=0.3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(sum(COUNTS), 5, 6, 7) * 4 + 100  # a mean far from 0: sums of squares fail there
    return norm, x, torch.randn_like(x)


def in_two_processes(folder):
    torch.distributed.init_process_group("gloo", rank=(rank := _rank()), world_size=2)
    norm, x, wanted = norm_and_batch()
    synchronise(norm)
    own = x.split(COUNTS)[rank].clone().requires_grad_()
    for _ in range(2):
        out = norm(own)
    out.backward(wanted.split(COUNTS)[rank])
    norm.eval()
    result = {
        "out": out, "x": own.grad, "weight": norm.weight.grad, "bias": norm.bias.grad,
        **dict(norm.named_buffers()), "evaluated": norm(own),
    }  # fmt: skip
    torch.save({name: value.detach() for name, value in result.items()}, folder / f"{rank}.pt")


def _rank():
    import os

    os.environ["RANK"], os.environ["WORLD_SIZE"] = os.environ["LOCAL_RANK"], "2"
    return int(os.environ["LOCAL_RANK"])


def test_against_torch_on_the_joint_batch(tmp_path: Path):
    ranks = Ranks(2, tmp_path, in_two_processes, tmp_path)
    assert ranks.wait() == [0, 0], ranks.said()
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    norm, x, wanted = norm_and_batch()
    x.requires_grad_()
    for _ in range(2):
        out = norm(x)
    out.backward(wanted)
    close = {"rtol": 1e-4, "atol": 1e-4}  # torch's own statistics are sums in float32
    torch.testing.assert_close(torch.cat([p["out"] for p in parts]), out, **close)
    torch.testing.assert_close(torch.cat([p["x"] for p in parts]), x.grad, **close)
    for name in ("weight", "bias"):  # which DDP adds up
        joint = parts[0][name] + parts[1][name]
        torch.testing.assert_close(joint, getattr(norm, name).grad, **close)
    for name, buffer in norm.named_buffers():
        torch.testing.assert_close(parts[0][name], buffer)
        assert torch.equal(parts[0][name], parts[1][name])
    joint = torch.cat([p["evaluated"] for p in parts])
    torch.testing.assert_close(joint, norm.eval()(x), **close)


def test_the_same_parameters_and_names_of_the_state():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    before = dict(net.named_parameters())
    names = list(net.state_dict())
    synchronise(net)
    assert all(parameter is before[name] for name, parameter in net.named_parameters())
    assert list(copy.deepcopy(net).state_dict()) == names
    assert isinstance(net[1], nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("batch", "processes", "wanted", "is_on"),
    [
        (7, 2, "auto", True),
        (8, 2, "auto", False),
        (1, 1, "auto", False),
        (8, 2, "true", True),
        (1, 1, "true", False),
        (1, 4, "false", False),
    ],
)
def test_it_is_on_where_a_process_has_fewer_than_8_photos(batch, processes, wanted, is_on):
    changes = {"schedule.batch_size": batch, "compute.sync_batch_norm": wanted}
    assert is_synchronised(make_config("scratch", changes), processes) is is_on
