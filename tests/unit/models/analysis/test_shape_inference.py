"""Inferred shapes against torch's own layers on real tensors; what a training imports for them."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.models import NetSpec
from fullconv.models.analysis import cost, saved_activations
from fullconv.models.analysis.shape_inference import ShapeInference

small = st.integers(1, 3)
sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))


def inferred(compute, *tensors):
    """The shapes of what ``compute`` gives for tensors of these shapes, or 'refused'."""
    with ShapeInference():
        return shapes(compute, *(torch.empty(tensor.shape, device="meta") for tensor in tensors))


def shapes(compute, *tensors):
    try:
        outputs = compute(*tensors)
    except RuntimeError:
        return "refused"
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return [(output.shape, output.dtype) for output in outputs]


@settings(max_examples=60, deadline=None)
@given(size=sizes, kernel=sizes, stride=small, pad=st.integers(0, 3), dilation=small, groups=small)
def test_convolutions(size, kernel, stride, pad, dilation, groups) -> None:
    x, weight = torch.zeros(2, 6, *size), torch.zeros(6, 6 // groups, *kernel)
    options = {"stride": stride, "padding": pad, "dilation": dilation, "groups": groups}

    def compute(x, weight):
        return F.conv2d(x, weight, **options)

    assert inferred(compute, x, weight) == shapes(compute, x, weight)


@settings(max_examples=40, deadline=None)
@given(size=sizes, kernel=sizes, stride=small, pad=st.integers(0, 3), groups=small)
def test_transposed_convolutions(size, kernel, stride, pad, groups) -> None:
    x, weight = torch.zeros(2, 6, *size), torch.zeros(6, 2, *kernel)
    some = min(pad, (min(kernel) - 1) // 2)  # so that something is left
    options = {"stride": stride, "padding": some, "groups": groups}
    options["output_padding"] = stride - 1

    def compute(x, weight):
        return F.conv_transpose2d(x, weight, **options)

    assert inferred(compute, x, weight) == shapes(compute, x, weight)


@settings(max_examples=60, deadline=None)
@given(
    size=sizes, kernel=st.integers(1, 5), stride=small, pad=small, dilation=small, up=st.booleans()
)
def test_max_pools(size, kernel, stride, pad, dilation, up) -> None:
    options = {"stride": stride, "padding": min(pad, kernel // 2), "dilation": dilation}

    def compute(x):
        return F.max_pool2d(x, kernel, **options, ceil_mode=up, return_indices=True)

    x = torch.zeros(2, 3, *size)
    assert inferred(compute, x) == shapes(compute, x)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: F.pad(x, (1, 2, 0, 3)),
        lambda x: F.pad(x, (2, -3, 1, 0)),
        lambda x: F.pad(x, (1, 2, 0, 3), mode="replicate"),
        lambda x: F.pad(x, (1, 2)),
        lambda x: F.interpolate(x, size=(9, 31), mode="bilinear"),
        lambda x: F.interpolate(x, scale_factor=2.5, mode="bilinear", align_corners=True),
        lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4), training=True),
        lambda x: F.relu6(F.relu(x)) + x,
        lambda x: F.hardtanh(x, inplace=True) * x,
        lambda x: x + x[..., :1],
        lambda x: x + 1,
        lambda x: x.double() + x,
        F.max_pool2d,
    ],
)
def test_other_layers(compute) -> None:
    def on_device(x):
        with x.device:
            return compute(x) if compute is not F.max_pool2d else compute(x, 2)

    x = torch.zeros(2, 4, 7, 8)
    assert inferred(on_device, x) == shapes(on_device, x)


@pytest.mark.parametrize(
    "name", ["fpn4s-efficientnet_lite0", "fcn8s-resnet18", "fcn8s-vgg16", "fcn4s-googlenet"]
)
def test_a_net_costs_and_saves_what_torch_says(name, monkeypatch) -> None:
    def figures():
        parts = saved_activations.parts_of.__wrapped__(spec, (65, 97))
        saved = [sorted(part.saved.values()) for part in parts]
        return saved, cost.costs(cost.meta_net(spec), 65, 97)

    spec = NetSpec(name, 5, width=0.25, dropout=0.3)
    own = figures()
    for module in (saved_activations, cost):
        monkeypatch.setattr(module, "ShapeInference", _Torch)
    assert own == figures()


class _Torch(ShapeInference):
    """Asks torch for all but batch norms, of which `meta` says a mean that a CPU does not save."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.native_batch_norm.default:
            return super().__torch_dispatch__(func, types, args, kwargs)
        return func(*args, **(kwargs or {}))


PROGRAM = """
import sys
from fullconv.cli import main
for command in (
    "train shapes:48x64:n=10 --out run --steps 2 --crop 32x48 --workers 0 --device cpu",
    "train shapes:48x64:n=10 --out sgd --steps 2 --crop 32x48 --workers 0 --device cpu"
    " --net fcn8s-vgg16 --set net.width=0.0625 --set optimizer.kind=sgd --scratch",
    "shapes scenes --number 2 --size 48x64 --split test",
    "predict run scenes/images/test --out pictures --device cpu",
    "evaluate run shapes:48x64:n=10 --device cpu",
):
    sys.argv = ["fullconv", *command.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
    loaded = [name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules]
    assert not loaded, (command, loaded)
"""


def test_training_predicting_and_scoring_import_no_compiler(tmp_path) -> None:
    call = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
