"""Several processes train the net that one with as many photos in a step trains."""

import pytest
import torch
from safetensors.torch import load_file

from fullconv.data import open_source, write_folder
from ranks import Ranks, command

PLAIN = "fcn8s-vgg16"  # no batch norm
NORMED = "fcn8s-resnet18"
SETTINGS = {
    "optimizer.kind": "sgd",
    "optimizer.lr": 0.0005,
    "optimizer.weight_decay": 0.0005,
    "net.width": 0.0625,
    "net.dropout": 0.0,
    "net.weights": "none",
    "compute.cpu_kernels": "torch",
    "schedule.validate_every": 20,
    "schedule.log_every": 10,
    "augment.crop": "[32, 48]",
    "data.workers": 0,
    "data.check": "false",
    "compute.precision": "fp32",
    "compute.device": "cpu",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    splits = [open_source("shapes:40x56:n=10", split) for split in ("train", "val")]
    return write_folder(splits, tmp_path_factory.mktemp("data") / "photos")


def start(photos, out, processes, **changes):
    """The command, in so many processes."""
    given = {**SETTINGS, "compute.devices": processes, **changes}
    options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
    folder = out.with_name(f"{out.name}-said")
    return Ranks(processes, folder, command, "train", photos, "--out", out, *options)


def resume(out, processes, steps, **changes):
    given = {"compute.devices": processes, "schedule.steps": steps, **changes}
    options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
    folder = out.with_name(f"{out.name}-resumed-said")
    return Ranks(processes, folder, command, "train", "--resume", "--out", out, *options)


def end(ranks):
    assert set(ranks.wait()) == {0}, ranks.said()
    return ranks.said()


def state(out):
    return load_file(out / "resume" / "state.safetensors")


def distance(one, other):
    """How far the weights of two runs are apart, relative to their size; statistics included."""
    a, b = state(one), state(other)
    assert a.keys() == b.keys()
    names = [name for name in a if name.startswith("net.") and a[name].is_floating_point()]
    return max(
        float((a[n] - b[n]).double().norm() / b[n].double().norm().clamp(min=1e-3)) for n in names
    )


@pytest.mark.parametrize("net", [PLAIN, NORMED])
def test_two_processes_of_4_photos_are_one_of_8(photos, tmp_path, net):
    """The rows of their logs are the same, but for rounding."""
    settings = {"net.name": net, "schedule.steps": 50}
    one, two, first = (tmp_path / name for name in ("one", "two", "first"))
    runs = [
        start(photos, one, 1, **settings, **{"schedule.batch_size": 8}),
        start(photos, two, 2, **settings, **{"schedule.batch_size": 4}),
        start(photos, first, 1, **settings | {"schedule.steps": 1, "schedule.batch_size": 8}),
    ]
    for run in runs:
        end(run)
    assert distance(two, one) < 1e-5
    assert distance(first, one) > 1e-2  # it has learnt
    rows = [
        [line.split(",") for line in (run / "log.csv").read_text().splitlines()]
        for run in (one, two)
    ]
    assert len(rows[0]) == len(rows[1]) == 1 + 5
    for row, expected in zip(*rows, strict=True):
        assert row[0] == expected[0]
        if row[0] != "step":
            numbers = [[float(cell or "nan") for cell in cells] for cells in (row, expected)]
            torch.testing.assert_close(
                *map(torch.tensor, numbers), rtol=1e-3, atol=0, equal_nan=True
            )


@pytest.mark.slow
def test_three_processes_and_accumulation(photos, tmp_path):
    settings = {"net.name": PLAIN, "schedule.steps": 20}
    one, three = tmp_path / "one", tmp_path / "three"
    run = start(photos, one, 1, **settings, **{"schedule.batch_size": 12})
    more = {"schedule.batch_size": 2, "schedule.accumulate": 2}
    end(start(photos, three, 3, **settings, **more))
    end(run)
    assert distance(three, one) < 1e-5


def test_a_resume_on_another_number_of_processes_keeps_the_photos_of_each_step(photos, tmp_path):
    """From two processes to one, to two again: the steps stay those of 8 photos in their order."""
    settings = {"net.name": PLAIN, "optimizer.lr_schedule": "fixed", "augment.hflip": "false"}
    settings |= {
        "schedule.half_size": 0,
        "augment.scale_until": 1,
        "optimizer.warmup": 0,
        "optimizer.ema": "none",
    }
    one, other = tmp_path / "one", tmp_path / "other"
    run = start(photos, one, 1, **settings, **{"schedule.batch_size": 8, "schedule.steps": 9})
    end(start(photos, other, 2, **settings, **{"schedule.batch_size": 4, "schedule.steps": 3}))
    said = end(resume(other, 1, 6))
    assert "resuming at step 3 of 6" in said
    assert "6 steps of 8 photos" in said
    end(resume(other, 2, 9))
    end(run)
    assert distance(other, one) < 1e-5
    config = (other / "config.toml").read_text()
    assert "devices = 2" in config
    assert "batch_size = 4" in config
    ranks = resume(other, 3, 12)
    assert set(ranks.wait()) == {2}
    assert "FC-TRAIN-009" in ranks.said()
    assert "8 photos" in ranks.said()
