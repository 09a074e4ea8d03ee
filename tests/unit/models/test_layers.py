"""The modules of the backbones' steps."""

import torch
import torch.nn.functional as F
from torch.autograd.graph import saved_tensors_hooks

from fullconv.models.layers import relu6


def test_relu6_has_torchs_gradient_at_its_corners_too():
    x = torch.tensor([-1.0, 0.0, 1e-30, 3.0, 6.0, 6.0000005, 9.0])
    of_both = []
    for function in (relu6, F.relu6):
        inputs = x.clone().requires_grad_()
        out = function(inputs)
        out.backward(torch.arange(1.0, 8.0))
        of_both.append((out.detach(), inputs.grad))
    assert all(torch.equal(own, torchs) for own, torchs in zip(*of_both, strict=True))


def test_relu6_keeps_its_result_alone():
    kept = []
    x = torch.randn(3, requires_grad=True) * 4
    with saved_tensors_hooks(lambda tensor: kept.append(tensor.data_ptr()), lambda none: none):
        out = relu6(x)
    assert kept == [out.data_ptr()]


def test_relu6_without_gradients_works_in_place():
    x = torch.randn(3)
    with torch.no_grad():
        assert relu6(x).data_ptr() == x.data_ptr()
