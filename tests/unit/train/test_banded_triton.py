"""The Triton kernels of the loss against the loss of all pixels at once.

They run on a GPU where there is one, and in Triton's interpreter where triton is installed: the
last test starts this file again with the interpreter.
"""

import importlib.util
import os
import subprocess
import sys
import warnings

import pytest
import torch

from fullconv.nets import NetSpec, build
from fullconv.train import banded, make_config
from fullconv.train.fused import SWITCH, agrees, example, fused
from fullconv.train.loss import make_criterion
from fullconv.train.photo_loss import cross_entropy

TRITON = importlib.util.find_spec("triton") is not None
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu")

needs_triton = pytest.mark.skipif(not TRITON, reason="triton is not installed")
runs_kernels = pytest.mark.skipif(
    not TRITON or (DEVICE.type == "cpu" and not INTERPRETED),
    reason="kernels need triton and a GPU, or its interpreter",
)


@pytest.fixture
def kernels(monkeypatch):
    """The module of the kernels, which then take every loss; small blocks, few classes at once."""
    from fullconv.train import banded_triton

    monkeypatch.setattr(banded, "fused", lambda _: banded_triton.cross_entropy)
    monkeypatch.setattr(banded_triton, "BLOCK", 8)
    return banded_triton


@runs_kernels
@pytest.mark.parametrize("bytes_at_once", [1, 2**24])
@pytest.mark.parametrize(
    ("name", "padding", "size", "outputs"),
    [
        ("fcn8s-vgg16", "same", (4, 9), None),  # three maps
        ("fcn8s-vgg16", "paper", (2, 5), None),
        ("fcn4s-resnet18", "same", (5, 10), (slice(0, 2), slice(2, 3))),
        ("fcn32s-vgg16", "same", (1, 1), None),
    ],
)
def test_loss_and_gradient_of_the_photo_at_once(
    name, padding, size, outputs, bytes_at_once, kernels, monkeypatch
):
    monkeypatch.setattr(kernels, "BAND", bytes_at_once)
    torch.manual_seed(0)
    net = build(NetSpec(name, 3, padding=padding, width=1 / 32)).to(DEVICE).eval()
    weights = torch.tensor([1.0, 0.0, 3.0])
    made = make_criterion(make_config("scratch").loss, weights, 255, DEVICE, outputs)
    masks = [torch.randint(p.start, p.stop, (1, *size)) for p in outputs or [slice(0, 3)]]
    masks = torch.stack(masks, -1).to(DEVICE, torch.uint8)
    masks[torch.rand(masks.shape) < 0.2] = 255
    shapes = net.maps(torch.zeros(1, 3, *size, device=DEVICE))
    maps = {
        s: torch.randn(m.shape, dtype=torch.float64, device=DEVICE).requires_grad_()
        for s, m in shapes.items()
    }
    found = []
    for loss, plain in (
        banded.banded_loss(net, made, maps, masks),
        made(net.enlarged(maps, size), masks),
    ):
        found.append([loss.detach(), plain, *torch.autograd.grad(loss.sum(), list(maps.values()))])
    for mine, reference in zip(*found, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-10, atol=1e-10)


@runs_kernels
def test_they_agree_with_plain_torch_in_single_precision(kernels):
    found = []
    for way in (kernels.cross_entropy, cross_entropy):
        photo = example(DEVICE, (6, 10), 2)
        found.append([way(photo), *photo.grads])
    for mine, reference in zip(*found, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(DEVICE.type == "cpu", reason="there is no GPU")
def test_they_are_used_on_a_gpu():
    assert fused(torch.device("cuda", 0)) is not None


@needs_triton
@pytest.mark.skipif(INTERPRETED, reason="the interpreter does not compile")
@pytest.mark.parametrize("name", ["log_sums", "gradients"])
def test_they_compile_for_a_gpu_that_is_not_here(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton import compile as compiled
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from fullconv.train import banded_triton

    kernel = getattr(banded_triton, name)
    pointers = {"rows": "*i32", "begins": "*i32", "ends": "*i32", "labels": "*i64"}
    numbers = dict.fromkeys(("first", "classes", "count", "width"), "i32")
    constants = {"BLOCK": 128, "TAPS": 6}
    types = pointers | numbers | dict.fromkeys(constants, "constexpr")
    signature = {argument: types.get(argument, "*fp32") for argument in kernel.arg_names}
    source = ASTSource(kernel, signature, constants)
    assert "cubin" in compiled(source, target=GPUTarget("cuda", 80, 32)).asm


def test_plain_torch_takes_it_elsewhere_or_when_told(monkeypatch):
    assert fused(torch.device("cpu")) is None
    monkeypatch.setenv(SWITCH, "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fused.__wrapped__(torch.device("cuda")) is None


@needs_triton
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_kernels_that_fail_are_left_out_with_one_note():
    with pytest.warns(UserWarning, match=r"Triton kernels of the loss are not used: .*"):
        assert fused.__wrapped__(torch.device("cuda")) is None


def test_kernels_that_differ_are_found_out():
    cpu = torch.device("cpu")

    def wrong_gradient(photo):
        loss = cross_entropy(photo)
        photo.grads[1][0, 0, 0] += 0.1
        return loss

    assert agrees(cross_entropy, cpu)
    assert not agrees(wrong_gradient, cpu)
    assert not agrees(lambda photo: 1.01 * cross_entropy(photo), cpu)


INTERPRETER = """
import torch, triton
@triton.jit
def counted(number):
    for _ in range(number):
        pass
counted[(1,)](2)
"""


@needs_triton
@pytest.mark.skipif(INTERPRETED or DEVICE.type == "cuda", reason="the kernels run in this process")
def test_the_interpreter_runs_these_tests(tmp_path):
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    script = tmp_path / "probe.py"
    script.write_text(INTERPRETER)
    if subprocess.run([sys.executable, script], env=environment, capture_output=True).returncode:
        pytest.skip("Triton's interpreter does not run with this numpy")
    command = [sys.executable, "-m", "pytest", __file__, "-k", "once or single"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "9 passed" in done.stdout
