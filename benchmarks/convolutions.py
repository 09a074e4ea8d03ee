"""The convolutions of FCN-VGG16 in training, one by one: torch's two layouts, and other ways.

    python benchmarks/convolutions.py                    # a photo of 375x500
    python benchmarks/convolutions.py --only fc6,fc7 --repeats 9

Milliseconds of the forward and backward pass (all gradients), fp32 on a CPU, medians, the kernels
in turn. "Taken" marks the kernel that `models.cpu_kernels.convolutions` chooses. "Off" is the
largest difference of result and gradients to torch in NCHW, each relative to its largest value.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fullconv.models.cpu_kernels.convolutions import Conv2d, Filtered, Multiplied, way_of

NCHW, NHWC = torch.contiguous_format, torch.channels_last
Found = tuple[float, float, list[Tensor]]
"""Seconds forward and back; result and gradients."""


@dataclass(frozen=True)
class Layer:
    """A convolution that keeps the size; ``times`` it is in the net."""

    name: str
    inputs: int
    outputs: int
    size: tuple[int, int]
    kernel: int = 3
    times: int = 1


LAYERS = (
    Layer("conv1_2", 64, 64, (375, 500)),
    Layer("conv2_1", 64, 128, (188, 250)),
    Layer("conv2_2", 128, 128, (188, 250)),
    Layer("conv3_1", 128, 256, (94, 125)),
    Layer("conv3_2", 256, 256, (94, 125), times=2),
    Layer("conv4_1", 256, 512, (47, 63)),
    Layer("conv4_2", 512, 512, (47, 63), times=2),
    Layer("conv5_1", 512, 512, (24, 32), times=3),
    Layer("fc6", 512, 4096, (12, 16), 7),
    Layer("fc7", 4096, 4096, (12, 16), 1),
)


def measured(layer: Layer, repeats: int) -> dict[str, list[Found]]:
    """All ways that a layer can take, in turn."""
    pad, c, k = layer.kernel // 2, layer.inputs, layer.outputs
    arrays = [
        torch.randn(1, c, *layer.size).relu_(),
        torch.randn(k, c, layer.kernel, layer.kernel) * (2 / (c * layer.kernel**2)) ** 0.5,
        torch.randn(k),
        torch.randn(1, k, *layer.size),
    ]

    def by_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, padding=pad)

    ways: dict[str, tuple[Callable[..., Tensor], torch.memory_format]] = {
        "torch, NCHW": (by_torch, NCHW),
        "torch, channels last": (by_torch, NHWC),
    }
    if layer.kernel == 3:
        ways["minimal filtering"] = (lambda *given: Filtered.apply(*given, pad), NHWC)
    else:
        ways["one product"] = (lambda *given: Multiplied.apply(*given, pad), NHWC)
    found: dict[str, list[Found]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, (way, layout) in ways.items():
            found[name].append(once(way, arrays, layout))
    return {name: each[1:] for name, each in found.items()}  # the first prepares


def once(
    way: Callable[..., Tensor], arrays: Sequence[Tensor], layout: torch.memory_format
) -> Found:
    """One forward and one way back."""
    x, weight, bias, gradient = (
        each.clone(memory_format=layout) if each.ndim == 4 else each.clone() for each in arrays
    )
    inputs = [each.requires_grad_() for each in (x, weight, bias)]
    before = time.perf_counter()
    out = way(*inputs)
    between = time.perf_counter()
    out.backward(gradient)
    after = time.perf_counter()
    gradients = [each.grad for each in inputs if each.grad is not None]
    return between - before, after - between, [out.detach(), *gradients]


def off(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The largest difference, each as a part of the largest value."""
    pairs = zip(found, wanted, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def taken(layer: Layer) -> str:
    """The way that `models.cpu_kernels.convolutions` takes."""
    conv = Conv2d(layer.inputs, layer.outputs, layer.kernel, padding=layer.kernel // 2)
    conv.to(memory_format=NHWC)  # pyright: ignore[reportCallIssue]
    x = torch.empty(1, layer.inputs, *layer.size).to(memory_format=NHWC)
    names = {Filtered: "minimal filtering", Multiplied: "one product"}
    way = way_of(conv, x)
    return names[way] if way else "torch, channels last"


def main() -> None:
    """Measure layer by layer, print a table and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="names of layers, as conv4_2,fc6")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.manual_seed(0)
    sums = {"torch, NCHW": 0.0, "torch, channels last": 0.0, "taken": 0.0}
    print("| layer | way | forward | back | taken | off |\n|---|---|---:|---:|---|---:|")
    for layer in LAYERS:
        if given.only and layer.name not in given.only.split(","):
            continue
        found, choice = measured(layer, given.repeats), taken(layer)
        for way, turns in found.items():
            forward, back = (1000 * statistics.median(t[i] for t in turns) for i in (0, 1))
            difference = off(turns[0][2], found["torch, NCHW"][0][2])
            mark = "x" if way == choice else ""
            times = f" (x{layer.times})" if layer.times > 1 else ""
            print(
                f"| {layer.name}{times} | {way} | {forward:.0f} | {back:.0f} | {mark} "
                f"| {difference:.0e} |",
                flush=True,
            )
            for name in [way, *(["taken"] if mark else [])]:
                if name in sums:
                    sums[name] += layer.times * (forward + back)
    print("; ".join(f"{name}: {ms:.0f} ms in all" for name, ms in sums.items()))


if __name__ == "__main__":
    main()
