"""The tracer on small nets whose geometry is worked out by hand."""

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullconv.geometry import GeometryError
from fullconv.models.tracing.trace import traced
from fullconv.models.tracing.trails import Axis

CONV = torch.empty(4, 3, 3, 3, device="meta")
WIDE = torch.empty(4, 4, 3, 3, device="meta")


def rows_of(net) -> tuple[float, float, float, float, bool]:
    """Scale, offset, before and behind along rows, and whether everything is seen."""
    trail = traced(lambda x: [net(x)], torch.empty(1, 3, 48, 72, device="meta"))[0]
    a = trail.axes[0]
    return float(a.scale), float(a.offset), float(a.before), float(a.behind), trail.everything


def space_to_depth(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return F.conv2d(x.reshape(n, 4 * c, h // 2, w // 2), torch.empty(5, 12, 1, 1, device="meta"))


def tokens(x: Tensor) -> Tensor:
    x = F.conv2d(x, torch.empty(4, 3, 4, 4, device="meta"), stride=4)
    n, c, h, w = x.shape
    seq = x.flatten(2).transpose(1, 2) @ torch.empty(4, 4, device="meta")
    return seq.transpose(1, 2).reshape(n, c, h, w)


def attended(x: Tensor) -> Tensor:
    x = F.conv2d(x, torch.empty(4, 3, 4, 4, device="meta"), stride=4)
    n, c, h, w = x.shape
    seq = x.flatten(2).transpose(1, 2)
    seq = torch.cat([torch.empty(1, 1, 4, device="meta"), seq], 1)
    seq = seq + F.scaled_dot_product_attention(seq, seq, seq)
    return seq[:, 1:].transpose(1, 2).reshape(n, c, h, w)


def excited(x: Tensor) -> Tensor:
    return x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1))


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (lambda x: F.conv2d(x, CONV, stride=2, padding=1), (2, 0, 1, 1, False)),
        (lambda x: F.conv2d(x, CONV, padding=2, dilation=2), (1, 0, 2, 2, False)),
        # TensorFlow's SAME at stride 2: one row behind, none before.
        (lambda x: F.conv2d(F.pad(x, (0, 1, 0, 1)), CONV, stride=2), (2, 1, 0, 2, False)),
        (lambda x: F.conv2d(F.pad(x, (1,) * 4, "reflect"), CONV), (1, 0, 1, 1, False)),
        (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 0, 1, 1, False)),
        (lambda x: F.max_pool2d(x, 2, ceil_mode=True), (2, 0.5, 0, 1, False)),
        (lambda x: F.avg_pool2d(x, 2, count_include_pad=False), (2, 0.5, 0, 1, False)),
        (lambda x: x[:, :, 1::2, 1::2], (2, 1, -1, 1, False)),
        # Four phases behind one another, and pixels put into channels: 2x2 patches both.
        (lambda x: torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1),
         (2, 0.5, 0, 1, False)),
        (space_to_depth, (2, 0.5, 0, 1, False)),
        (tokens, (4, 1.5, 0, 3, False)),
        (attended, (4, 1.5, 0, 3, True)),
        (excited, (1, 0, 0, 0, True)),
        (lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (3,)).permute(0, 3, 1, 2),
         (1, 0, 0, 0, False)),
        (lambda x: F.group_norm(x, 1), (1, 0, 0, 0, True)),
        # Down and up again: pixel 2 q + r shows coarse pixel q, so half a pixel before itself.
        (lambda x: F.interpolate(F.max_pool2d(x, 1, 2), scale_factor=2), (1, -0.5, 1, 0, False)),
        # Bilinear: coarse pixels q - 1 and q, or q and q + 1.
        (lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear"),
         (1, 0, 2, 2, False)),
        # A transposed convolution of kernel 4, stride 2, pad 1: as bilinear.
        (lambda x: F.conv_transpose2d(F.avg_pool2d(x, 2), torch.empty(3, 4, 4, 4, device="meta"),
                                      stride=2, padding=1), (1, 0, 2, 2, False)),
        (lambda x: F.conv_transpose2d(F.avg_pool2d(x, 2), torch.empty(3, 4, 2, 2, device="meta"),
                                      stride=2), (1, 0, 1, 1, False)),
        (lambda x: torch.stack([x, F.max_pool2d(x, 3, 1, 1)], 1).sum(1), (1, 0, 1, 1, False)),
        # Beside the way that was never as coarse, that decides where the sum lies.
        (lambda x: x + F.interpolate(F.max_pool2d(x, 1, 2), scale_factor=2), (1, 0, 1, 0, False)),
    ],
)  # fmt: skip
def test_a_layer_is_traced_as_worked_out_by_hand(net, expected) -> None:
    assert rows_of(net) == expected


def test_a_net_on_tokens_comes_back_with_its_rows_and_columns() -> None:
    trail = traced(lambda x: [tokens(x)], torch.empty(1, 3, 48, 72, device="meta"))[0]
    assert trail.axis_of(2) == 0 and trail.axis_of(3) == 1


def test_what_is_not_known_is_an_error_that_names_it() -> None:
    with pytest.raises(GeometryError, match="sort"):
        rows_of(lambda x: x.sort(dim=2).values)


def test_maps_of_unequal_scale_are_not_put_together() -> None:
    with pytest.raises(GeometryError, match="strides 1 and 2"):
        rows_of(lambda x: x[:, :, :24, :36] + x[:, :, ::2, ::2])


def test_maps_that_lie_apart_are_not_put_together() -> None:
    with pytest.raises(GeometryError, match="are put together"):
        rows_of(lambda x: x[:, :, :40] + x[:, :, 8:])


def test_a_map_without_the_image_is_an_error() -> None:
    with pytest.raises(GeometryError, match="does not depend on the image"):
        rows_of(lambda x: torch.empty(1, 3, 4, 4, device="meta"))


def test_upsampling_and_the_same_pooling_cancel() -> None:
    """Nearest by 3, then the middle of each 3: where it was."""
    axis = Axis().upsampled(3, lambda r: (0,)).through(1, 1, 3)
    assert (axis.scale, axis.offset, axis.before, axis.behind)[:2] == (1, Fraction(0))


def test_batch_norm_is_local_in_evaluation_and_sees_everything_by_its_batch() -> None:
    norm = nn.BatchNorm2d(3).to("meta")
    assert rows_of(norm.eval())[-1] is False
    assert rows_of(norm.train())[-1] is True
