"""Batch norm over several processes against torch's on the photos of all of them."""

import copy

import pytest
import torch
from torch import nn

from fullconv.training import make_config
from fullconv.training.parallel.sync_batch_norm import is_synchronised, synchronise
from ranks import Ranks

COUNTS = (3, 1)  # photos of the two processes: not equally many


KINDS = ("float32", "channels_last", "float64", "bfloat16", "without_parameters")


def norm_and_batch(kind):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(5, eps=1e-3, momentum=0.3, affine=kind != "without_parameters")
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(sum(COUNTS), 5, 6, 7) * 4 + 100  # a mean far from 0: sums of squares fail there
    wanted = torch.randn_like(x)
    if kind == "channels_last":
        x, wanted = (t.to(memory_format=torch.channels_last) for t in (x, wanted))
    elif kind == "float64":
        norm, x, wanted = norm.double(), x.double(), wanted.double()
    elif kind == "bfloat16":  # as autocast: parameters and statistics stay in float32
        x, wanted = x.bfloat16(), wanted.bfloat16()
    return norm, x, wanted


def in_two_processes(folder):
    torch.distributed.init_process_group("gloo", rank=(rank := _rank()), world_size=2)
    results = {}
    for kind in KINDS:
        norm, x, wanted = norm_and_batch(kind)
        synchronise(norm)
        own = x.split(COUNTS)[rank].clone().requires_grad_()
        for _ in range(2):
            out = norm(own)
        out.backward(wanted.split(COUNTS)[rank])
        norm.eval()
        results[kind] = {
            "out": out, "x": own.grad, "evaluated": norm(own), **dict(norm.named_buffers()),
            **{name: parameter.grad for name, parameter in norm.named_parameters()},
        }  # fmt: skip
    torch.save(results, folder / f"{rank}.pt")


def _rank():
    import os

    os.environ["RANK"], os.environ["WORLD_SIZE"] = os.environ["LOCAL_RANK"], "2"
    return int(os.environ["LOCAL_RANK"])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each of two processes computed, by the kind."""
    folder = tmp_path_factory.mktemp("norms")
    ranks = Ranks(2, folder, in_two_processes, folder)
    assert ranks.wait() == [0, 0], ranks.said()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_against_torch_on_the_joint_batch(results, kind):
    parts = [result[kind] for result in results]
    norm, x, wanted = norm_and_batch(kind)
    x.requires_grad_()
    for _ in range(2):
        out = norm(x)
    out.backward(wanted)
    # torch's own statistics are sums in float32
    tolerance = {"float64": 1e-9, "bfloat16": 2e-2}.get(kind, 1e-4)
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(torch.cat([p["out"] for p in parts]), out, **close)
    torch.testing.assert_close(torch.cat([p["x"] for p in parts]), x.grad, **close)
    for name, parameter in norm.named_parameters():  # which DDP adds up
        torch.testing.assert_close(parts[0][name] + parts[1][name], parameter.grad, **close)
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
