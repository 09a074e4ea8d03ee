"""The estimate against the real net, the advice, and memory that really runs out."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from fullconv.device import computes_bf16
from fullconv.models import NetSpec, build
from fullconv.models.analysis.saved_activations import parts_of
from fullconv.training import make_config, train
from fullconv.training.memory import step_memory
from fullconv.training.memory.step_memory import advice, estimate

SPEC = NetSpec("fcn8s-resnet18", 5, width=0.25)


def config(**changes):
    """A config by ``section_key=value``."""
    dotted = {key.replace("_", ".", 1): value for key, value in changes.items()}
    return make_config("scratch", {"compute.precision": "fp32", "optimizer.ema": None} | dotted)


def test_weights_and_buffers_are_counted_from_the_net():
    parameters = sum(p.numel() for p in build(SPEC).parameters()) * 4
    for changes, weights, buffers in (
        ({"optimizer_kind": "adamw"}, 1, 2),
        ({"optimizer_kind": "sgd"}, 1, 1),
        ({"optimizer_kind": "sgd", "optimizer_momentum": 0.0}, 1, 0),
        ({"optimizer_kind": "adamw", "optimizer_ema": 0.9}, 2, 2),
    ):
        estimated = estimate(config(**changes), SPEC, (64, 64))
        assert (estimated.weights, estimated.optimizer) == (
            weights * parameters,
            buffers * parameters,
        )
        many = estimate(config(**changes, schedule_accumulate=2), SPEC, (64, 64))
        assert many.gradients == parameters >= estimated.gradients
    frozen = estimate(config(net_freeze_backbone=True), SPEC, (64, 64))
    scores = sum(p.numel() for p in build(SPEC).score.parameters()) * 4
    assert (frozen.weights, frozen.optimizer) == (parameters, 2 * scores)
    assert frozen.gradients <= scores


def test_gradients_that_are_used_up_as_they_come_do_not_wait():
    sgd = {"optimizer_kind": "sgd", "compute_device": "cpu"}
    spec = NetSpec("fcn8s-vgg16", 5, width=0.25)  # the most at fc6, not at the loss
    parameters = sum(p.numel() for p in build(spec).parameters()) * 4
    plain, clipped, many = (
        estimate(config(**sgd, optimizer_clip=clip, schedule_accumulate=parts), spec, (64, 64))
        for clip, parts in ((None, 1), (5.0, 1), (None, 2))
    )
    assert plain.gradients == 0 < clipped.gradients < many.gradients == parameters
    assert plain.total < clipped.total


def test_activations_are_those_that_are_kept():
    """At the loss, which takes the most here, all of them: for each photo of the batch."""
    kept = {}
    for part in parts_of(SPEC, (128, 192)):
        kept |= part.saved
    estimated = estimate(config(schedule_batch_size=3), SPEC, (128, 192))
    assert estimated.head > 0
    assert estimated.activations == 3 * sum(count * each for count, each in kept.values())


def test_what_the_options_change():
    base = estimate(config(schedule_batch_size=4), SPEC, (128, 128))
    half = estimate(config(schedule_batch_size=2), SPEC, (128, 128))
    assert (2 * half.activations, 2 * half.head) == (base.activations, base.head)
    many = replace(SPEC, classes=150)  # too many scores to keep: bands, whatever the batch
    learned = replace(many, learn_upsampling=True)  # and these are kept
    bands = [estimate(config(schedule_batch_size=b), many, (512, 512)).head for b in (2, 4)]
    assert bands[0] == bands[1] < estimate(config(), learned, (512, 512)).head
    bf16 = estimate(config(schedule_batch_size=4, compute_precision="bf16"), SPEC, (128, 128))
    assert 0.5 * base.activations < bf16.activations < 0.7 * base.activations  # but for indices
    assert base.total == sum(vars(base).values())


@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fcn8s-resnet50", "fcn4s-googlenet"])
def test_recomputing_more_needs_less(name, monkeypatch):
    """But for the compiler, which torch imports for the first."""
    monkeypatch.setattr(step_memory, "compiler_to_come", lambda: 0)
    spec = NetSpec(name, 5, width=0.25)
    needs = [
        estimate(
            config(schedule_batch_size=8, compute_activation_checkpointing=n), spec, (256, 256)
        ).total
        for n in range(6)
    ]
    assert needs == sorted(needs, reverse=True)
    assert needs[5] < needs[0]


def test_checkpointing_counts_the_compiler_that_it_imports():
    code = """if True:
    import sys
    from fullconv.training import make_config
    from fullconv.training.memory.step_memory import COMPILER, estimate
    config = make_config("scratch", {"compute.device": "cpu"})
    way = {"compute.device": "cpu", "compute.activation_checkpointing": 1}
    plain, again = (estimate(c, c.spec(5), (64, 64)) for c in (config, make_config("scratch", way)))
    assert again.process - plain.process == COMPILER, (again, plain)
    assert "torch._dynamo" not in sys.modules
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_advice_lists_the_options_that_are_left():
    best = advice(config(schedule_batch_size=8, augment_crop=[256, 320]))
    assert "schedule.batch_size=4 with schedule.accumulate=2 (as many photos a step)" in best
    assert "augment.crop below 256x320" in best
    assert best.endswith("a smaller net (net.width=0.5)")
    assert ("compute.precision=bf16" in best) == computes_bf16(torch.device("cpu"))
    few = advice(config(schedule_batch_size=1, augment_crop=None, compute_precision="bf16"))
    assert "schedule.batch_size" not in few
    assert "precision" not in few
    assert "augment.crop smaller than the photos" in few
    assert "optimizer.kind=sgd" in few
    assert "net.padding=same" in advice(config(schedule_batch_size=1, net_padding="paper"))
    assert "optimizer.kind" not in advice(config(schedule_batch_size=1, optimizer_kind="sgd"))
    assert "optimizer.ema=none" in advice(
        config(schedule_batch_size=1, optimizer_ema=0.9, compute_precision="bf16")
    )
    sgd = {"schedule_batch_size": 8, "optimizer_kind": "sgd", "compute_device": "cpu"}
    clipped = advice(config(**sgd, optimizer_clip=5.0, compute_precision="bf16"))
    assert "schedule.accumulate=2" in clipped
    assert "optimizer.clip=none" in clipped
    # Each gradient is used up as it comes, and could not be if they were added up.
    unclipped = advice(config(**sgd, optimizer_clip=None, compute_precision="bf16"))
    assert "schedule.batch_size=4 (half" in unclipped


def test_the_advice_is_a_config_that_can_be_typed():
    changes = {"schedule.batch_size": "4", "schedule.accumulate": "2", "augment.crop": "[256, 256]"}
    changes |= {"net.width": "0.5", "optimizer.kind": "sgd", "net.padding": "same"}
    changes |= {"optimizer.clip": "none", "optimizer.ema": "none"}
    assert make_config("scratch", changes).schedule.batch_size == 4


MEASURED = """
import os, sys, torch
from lightning_fabric import Fabric
from fullconv.data import Batch
from fullconv.device import peak_mib
from fullconv.models import CAFFE, build
from fullconv.training import make_config
from fullconv.training.memory import memory_budget as budget
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.memory.step_memory import estimate
from fullconv.training.step import Updater

SIZE = (192, 192)

def run(changes):
    config = make_config("scratch", changes)
    spec = config.spec(5)
    need = estimate(config, spec, SIZE)
    budget.enforce(config)
    fabric = Fabric(accelerator="cpu", devices=1)
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    updater = Updater(config, fabric, build(spec), CAFFE, criterion, 9)
    count = config.schedule.batch_size * config.schedule.accumulate
    images = torch.randint(0, 256, (count, *SIZE, 3), dtype=torch.uint8)
    masks = torch.randint(0, 5, (count, *SIZE), dtype=torch.uint8)
    for step in range(2):
        updater.step(Batch(step, images, masks, ["noise"] * count))
    print(peak_mib(fabric.device), need.total / 2**20, need.process / 2**20, flush=True)

torch.set_num_threads(1)
for changes in eval(sys.argv[1]):
    child = os.fork()  # begins with the peak of what is loaded
    if child == 0:
        run(changes)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_the_estimate_against_what_trainings_take():
    """Processes of their own that return what they free, as where memory is limited."""
    usual = {"compute.device": "cpu", "compute.precision": "fp32", "compute.memory": "64GB"}
    vgg = usual | {"net.name": "fcn8s-vgg16", "net.width": 0.125, "schedule.batch_size": 6}
    ways = [
        vgg,
        vgg | {"compute.activation_checkpointing": 2},
        vgg | {"optimizer.kind": "sgd", "optimizer.clip": None},
        vgg
        | {
            "schedule.batch_size": 3,
            "schedule.accumulate": 2,
            "compute.activation_checkpointing": 1,
        },
        usual | {"net.name": "fcn4s-resnet18", "net.width": 0.5, "schedule.batch_size": 4},
    ]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, repr(ways)], capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(ways), done.stderr
    for way, line in zip(ways, lines, strict=True):
        peak, foretold, process = map(float, line.split())
        assert peak > process + 20, way
        assert 0.95 * peak < foretold < 1.35 * peak, way


SCRIPT = """
import resource, sys
import torch
from fullconv.errors import UserError
from fullconv.training import train

torch.set_num_threads(1)
torch.nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 32, 32))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
changes = {
    "net.name": "fcn8s-resnet18", "net.width": float(sys.argv[2]), "schedule.steps": 1,
    "schedule.batch_size": 8, "augment.crop": [int(sys.argv[3])] * 2, "data.workers": 0,
    "compute.device": "cpu", "compute.precision": "fp32",
}
try:
    train("shapes:64x64:n=20", sys.argv[4], overrides=changes, quiet=True)
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize(
    ("room", "width", "crop", "where"),
    [
        (300, 8.0, 64, "the net does not fit into memory"),  # the optimizer's and average's copies
        (300, 0.125, 4096, "out of memory at step 1 on cpu"),  # the photos themselves
    ],
)
def test_memory_that_runs_out_is_one_line_with_advice(tmp_path, room, width, crop, where):
    """A process of its own whose address space ends: torch's real error, not one made up."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(room), str(width), str(crop), str(tmp_path / "run")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(where), line
    assert "to lower it: " in line
    assert "schedule.batch_size=4 with schedule.accumulate=2" in line
    assert not (tmp_path / "run").exists()


def greedy(logits, masks):
    """A loss that asks torch for more than any machine has, until two photos come at a time."""
    if len(logits) > 2:
        torch.empty(2**52, dtype=torch.uint8)
    losses = torch.nn.functional.cross_entropy(logits, masks, reduction="none")
    return losses.mean((1, 2))


def test_a_step_that_runs_out_of_memory_is_tried_in_smaller_parts(tmp_path, capsys):
    changes = {
        "net.width": 0.125, "schedule.steps": 1, "schedule.batch_size": 8, "augment.crop": [64, 64],
        "data.workers": 0, "compute.device": "cpu", "compute.precision": "fp32",
    }  # fmt: skip
    run = train(
        "shapes:64x64:n=20", tmp_path / "run", recipe="scratch", overrides=changes, loss=greedy
    )
    said = capsys.readouterr().out
    assert "warning: out of memory at step 1: from here on 2 photos at a time" in said
    assert "batch norm takes its mean over each part" in said
    assert (run / "model.safetensors").is_file()
