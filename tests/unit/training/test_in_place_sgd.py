"""SGD in place, against torch's own."""

import pytest
import torch

from fullconv.training import eager_optimizers as sgd
from fullconv.training.eager_optimizers import InPlaceSGD

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels last": torch.channels_last,
}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("of_gradient", LAYOUTS)
def test_against_torchs_sgd(momentum, layout, of_gradient, monkeypatch):
    """Layouts may differ; in double precision, and in parts that do not divide the arrays."""
    monkeypatch.setattr(sgd, "CHUNK", 7)
    start = [
        torch.randn(6, 4, 3, 3).double().to(memory_format=LAYOUTS[layout]),
        torch.randn(6).double(),
    ]
    found = []
    for kind, options in ((InPlaceSGD, {}), (torch.optim.SGD, {"foreach": False})):
        torch.manual_seed(1)
        kernel, bias = (torch.nn.Parameter(each.clone()) for each in start)
        groups = [
            {"params": [kernel], "weight_decay": 0.01},
            {"params": [bias], "weight_decay": 0.0},
        ]
        optimizer = kind(groups, lr=0.1, momentum=momentum, **options)
        for step in range(3):
            kernel.grad = torch.randn(6, 4, 3, 3).double().to(memory_format=LAYOUTS[of_gradient])
            bias.grad = torch.randn(6).double() if step else None
            optimizer.step()
        found.append(
            (kernel, bias, [optimizer.state[p].get("momentum_buffer") for p in (kernel, bias)])
        )
    assert found[0][0].stride() == found[1][0].stride()
    torch.testing.assert_close(*found)


def test_it_goes_on_from_torchs_state():
    weight = torch.nn.Parameter(torch.randn(5, 3))
    torchs = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.grad = torch.ones(5, 3)
    torchs.step()
    own = InPlaceSGD([weight], lr=0.1, momentum=0.9)
    own.load_state_dict(torchs.state_dict())
    before = weight.detach().clone()
    weight.grad = torch.zeros(5, 3)
    own.step()
    torch.testing.assert_close(weight.detach(), before - 0.1 * 0.9 * torch.ones(5, 3))
