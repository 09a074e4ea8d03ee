"""One process without Lightning Fabric computes what Fabric computes on one device."""

import pytest
import torch
from lightning_fabric import Fabric

from fullconv.errors import UserError
from fullconv.models import CAFFE, NetSpec, build
from fullconv.training import make_config
from fullconv.training.config.config_sources import config_at, with_change
from fullconv.training.config.sections_and_defaults import Compute
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.parallel.launcher import with_torchrun
from fullconv.training.parallel.processes import OneProcess, are_several, rank
from fullconv.training.run.resume_changes import on_other_processes
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


def test_the_first_process_of_a_second_machine_is_not_the_first_of_all(monkeypatch):
    for name in ("RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NODE_RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert rank(Compute(nodes=2, devices=4)) == 4


def test_torchrun_decides_how_many_processes_there_are(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert with_torchrun({"seed": 1}) == {"seed": 1}
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert with_torchrun({"seed": 1, "compute.devices": "4"}) == {
        "seed": 1, "compute.devices": 4, "compute.nodes": 2,
    }  # fmt: skip
    with pytest.raises(UserError, match="is 3, and torchrun has started 4") as error:
        with_torchrun({"compute.devices": 3})
    assert error.value.code == "FC-CONFIG-013"


@pytest.mark.parametrize(
    ("before", "processes", "batch", "accumulate"),
    [
        ((2, 4, 1), 1, 4, 2),
        ((1, 8, 1), 2, 4, 1),
        ((1, 8, 1), 8, 1, 1),
        ((4, 3, 2), 2, 3, 4),
        ((3, 4, 1), 2, 3, 2),  # 6 photos, no more than 4 together
    ],
)
def test_a_step_keeps_its_photos_on_another_number_of_processes(
    before, processes, batch, accumulate
):
    keys = ("compute.devices", "schedule.batch_size", "schedule.accumulate")
    saved = make_config("scratch", dict(zip(keys, before, strict=True)))
    config = on_other_processes(saved, {"compute.devices": processes})
    assert (config.schedule.batch_size, config.schedule.accumulate) == (batch, accumulate)
    assert batch * accumulate * processes == before[0] * before[1] * before[2]


def test_changes_of_the_batch_on_the_way_keep_their_photos_too():
    saved = make_config("scratch", {"compute.devices": 2, "schedule.batch_size": 4})
    saved = with_change(saved, 5, {"schedule.batch_size": 6})
    config = on_other_processes(saved, {"compute.devices": 4})
    assert config_at(config, 4).schedule.batch_size == 2
    assert config_at(config, 5).schedule.batch_size == 3
    with pytest.raises(UserError, match="5 processes cannot share out the 12 photos") as error:
        on_other_processes(saved, {"compute.devices": 5})
    assert error.value.code == "FC-TRAIN-009"
