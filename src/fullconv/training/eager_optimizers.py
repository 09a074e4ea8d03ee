"""torch's optimizers without torch's compiler, and SGD on a CPU without a second copy of anything.

torch wraps the methods of its optimizers for ``torch.compile``, and the first call of any of them
imports the compiler: 2 seconds of processor time and 90 MB at the start of each training, which
compiles nothing. These classes call what is wrapped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor

CHUNK = 2**17  # numbers of each of three arrays at a time: they stay in the cache


class Eager(torch.optim.Optimizer):
    """An optimizer whose methods are torch's own, unwrapped."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)


class SGD(Eager, torch.optim.SGD):
    """`torch.optim.SGD`, unwrapped."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """torch's step."""
        return unwrap(torch.optim.SGD.step)(self, closure)


class AdamW(Eager, torch.optim.AdamW):
    """`torch.optim.AdamW`, unwrapped."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """torch's step."""
        return unwrap(torch.optim.AdamW.step)(self, closure)


class InPlaceSGD(Eager, torch.optim.SGD):
    """`torch.optim.SGD` to the same numbers, in one pass over each array and in place.

    torch's plain SGD makes an array as large as the largest gradient (fc6 of VGG16: 392 MiB), its
    fused one copies each gradient that is channels last. This one adds the decay to the gradient
    itself, so a step overwrites the gradients. ``updates`` counts the weights that the backward
    pass in progress has changed (`steps_in_backward`).
    """

    updates = 0

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """``v = momentum v + (g + decay w)``, then ``w = w - lr v``."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)
        return loss

    @contextmanager
    def steps_in_backward(self, check: Callable[[Tensor], None]) -> Iterator[None]:
        """Within it a backward pass changes each weight as soon as its gradient is complete.

        The gradient is freed then, so gradients never exist all together; no ``step`` is needed.
        The numbers are the same where, as in these nets, nothing else in the backward pass needs a
        weight whose gradient is complete. ``check`` sees each gradient before, and may raise.
        """

        def take(group: dict[str, Any], weight: Tensor) -> None:
            assert weight.grad is not None
            check(weight.grad)
            self.updates += 1
            self._update(weight, group)
            weight.grad = None

        self.updates = 0
        hooks = [
            weight.register_post_accumulate_grad_hook(partial(take, group))
            for group in self.param_groups
            for weight in group["params"]
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def _update(self, weight: Tensor, group: dict[str, Any]) -> None:
        assert weight.grad is not None
        momentum, state = group["momentum"], self.state[weight]
        if momentum and state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(weight)
        velocity = state["momentum_buffer"] if momentum else weight.grad
        for w, g, v in _chunks(weight, weight.grad, velocity):
            g.add_(w, alpha=group["weight_decay"])
            if momentum:
                v.mul_(momentum).add_(g)
            w.add_(v, alpha=-group["lr"])


def _chunks(*arrays: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Parts of arrays of one shape, in the order of memory where that is the same."""
    if all(array.is_contiguous() for array in arrays):
        flat = [array.view(-1) for array in arrays]
    elif all(a.ndim == 4 and a.permute(0, 2, 3, 1).is_contiguous() for a in arrays):
        flat = [array.permute(0, 2, 3, 1).view(-1) for array in arrays]
    else:
        yield arrays
        return
    yield from zip(*(array.split(CHUNK) for array in flat), strict=True)
