"""One process without Lightning Fabric computes what Fabric computes on one device."""

import pytest
import torch
from lightning_fabric import Fabric

from fullconv.models import CAFFE, NetSpec, build
from fullconv.training import make_config
from fullconv.training.config.sections_and_defaults import Compute
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.parallel.processes import OneProcess, are_several, rank
from fullconv.training.step import Updater


def trained(fabric, batch, precision):
    """Losses and weights after two steps of accumulated batches."""
    changes = {"compute.precision": precision, "schedule.batch_size": 2, "schedule.accumulate": 2}
    config = make_config("scratch", changes | {"compute.device": "cpu"})
    torch.manual_seed(0)
    net = build(NetSpec("fcn8s-resnet18", 3, width=0.125, dropout=0.3))
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    updater = Updater(config, fabric, net, CAFFE, criterion, steps=10)
    losses = [updater.step(batch(4, step)) for step in range(2)]
    return losses, updater.net.state_dict()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_against_fabric(batch, precision):
    fabric = Fabric(
        accelerator="cpu", devices=1, precision={"fp32": "32-true", "bf16": "bf16-mixed"}[precision]
    )
    losses, weights = trained(
        OneProcess(torch.device("cpu"), precision == "bf16"), batch, precision
    )
    expected_losses, expected = trained(fabric, batch, precision)
    assert losses == expected_losses
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


def test_several_processes_are_those_of_devices_and_nodes(monkeypatch):
    assert not are_several(Compute())
    assert not are_several(Compute(device="cuda:1", devices=4))
    assert are_several(Compute(device="cuda", devices=2))
    assert are_several(Compute(nodes=2))
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert rank(Compute()) == 0  # a job of its own beside others
    assert rank(Compute(nodes=4)) == 3
