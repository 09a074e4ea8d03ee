"""The estimate against the real net, the advice, and memory that really runs out."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from fullconv.device import computes_bf16
from fullconv.nets import NetSpec, build
from fullconv.train import make_config
from fullconv.train.memory import advice, estimate

SPEC = NetSpec("fcn8s-resnet18", 5, width=0.25)


def config(**changes):
    """A config by ``section_key=value``."""
    dotted = {key.replace("_", ".", 1): value for key, value in changes.items()}
    return make_config("default", {"machine.precision": "fp32", "optimiser.ema": None} | dotted)


def test_weights_and_buffers_are_counted_from_the_net():
    parameters = sum(p.numel() for p in build(SPEC).parameters()) * 4
    for changes, weights, buffers in (
        ({"optimiser_kind": "adamw"}, 2, 2),
        ({"optimiser_kind": "sgd"}, 2, 1),
        ({"optimiser_kind": "sgd", "optimiser_momentum": 0.0}, 2, 0),
        ({"optimiser_kind": "adamw", "optimiser_ema": 0.9}, 3, 2),
    ):
        found = estimate(config(**changes), SPEC, (64, 64))
        assert (found.weights, found.optimiser) == (weights * parameters, buffers * parameters)


def test_activations_against_what_the_layers_put_out():
    outputs = []
    net = build(SPEC).eval()
    for module in net.backbone.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *a: outputs.append(a[2].numel() * 4))
    with torch.no_grad():
        net(torch.zeros(1, 3, 64, 96))
    found = estimate(config(length_batch=3), SPEC, (64, 96))
    assert found.activations == 3 * sum(outputs)


def test_what_the_options_change():
    base = estimate(config(length_batch=4), SPEC, (64, 64))
    half = estimate(config(length_batch=2), SPEC, (64, 64))
    assert (2 * half.activations, 2 * half.head) == (base.activations, base.head)
    many = replace(SPEC, classes=150)  # too many scores to keep: bands, whatever the batch
    learned = replace(many, learn_upsampling=True)  # and these are kept
    bands = [estimate(config(length_batch=b), many, (512, 512)).head for b in (2, 4)]
    assert bands[0] == bands[1] < estimate(config(), learned, (512, 512)).head
    assert estimate(config(length_batch=2, length_accumulate=2), SPEC, (64, 64)) == replace(
        half, process=estimate(config(), SPEC, (64, 64)).process
    )
    bf16 = estimate(config(length_batch=4, machine_precision="bf16"), SPEC, (64, 64))
    assert 2 * bf16.activations == base.activations
    assert base.total > base.weights + base.optimiser + base.activations + base.head - 1


def test_advice_lists_the_options_that_are_left():
    best = advice(config(length_batch=8, augment_crop=[256, 320]))
    assert "length.batch=4 with length.accumulate=2 (as many photos a step)" in best
    assert "augment.crop below 256x320" in best
    assert best.endswith("a smaller net (net.width=0.5)")
    assert ("machine.precision=bf16" in best) == computes_bf16(torch.device("cpu"))
    few = advice(config(length_batch=1, augment_crop=None, machine_precision="bf16"))
    assert "length.batch" not in few
    assert "precision" not in few
    assert "augment.crop smaller than the photos" in few
    assert "optimiser.kind=sgd" in few
    assert "net.padding=same" in advice(config(length_batch=1, net_padding="paper"))
    assert "optimiser.kind" not in advice(config(length_batch=1, optimiser_kind="sgd"))


def test_the_advice_is_a_config_that_can_be_typed():
    changes = {"length.batch": "4", "length.accumulate": "2", "augment.crop": "[256, 256]"}
    changes |= {"net.width": "0.5", "optimiser.kind": "sgd", "net.padding": "same"}
    assert make_config("default", changes).length.batch == 4


SCRIPT = """
import resource, sys
import torch, torch.utils.tensorboard
from fullconv.errors import UserError
from fullconv.train import train

torch.set_num_threads(1)
torch.nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 32, 32))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
changes = {
    "net.name": "fcn8s-resnet18", "net.width": float(sys.argv[2]), "length.steps": 1,
    "length.batch": 8, "augment.crop": [int(sys.argv[3])] * 2, "data.workers": 0,
    "machine.device": "cpu", "machine.precision": "fp32",
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
        (600, 1.0, 512, "out of memory at step 1 on cpu"),  # the way forward
        (300, 8.0, 64, "the net does not fit into memory"),  # the optimiser's and average's copies
        (150, 0.125, 4096, "out of memory at step 1 on cpu"),  # the photos themselves
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
    assert "to lower it: length.batch=4 with length.accumulate=2" in line
