"""Region losses from sums against those of whole logits, and their gradients."""

import pytest
import torch

from fullconv.training.losses import IGNORE, Dice, Jaccard
from fullconv.training.losses.region_sums import RegionSums, to_gradient

by_loss = pytest.mark.parametrize("loss", [Jaccard(), Dice()], ids=lambda loss: loss.kind)


def photo():
    """Scores 4,6,5 in float64 of which class 2 is not shown; labels; which pixels have one."""
    torch.manual_seed(0)
    scores = torch.randn(4, 6, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 3])[torch.randint(0, 3, (6, 5))]
    return scores, labels, (torch.rand(6, 5) < 0.7).double()


def summed(scores, labels, labelled):
    """The sums over two bands."""
    region_sums = RegionSums(4, scores.device)
    shares = scores.softmax(0) * labelled
    for rows in (slice(0, 2), slice(2, 6)):
        region_sums.add(shares[:, rows], labels[rows], labelled[rows])
    return region_sums


@by_loss
def test_sums_give_the_loss_of_whole_scores(loss):
    scores, labels, labelled = photo()
    scores, masks = scores.detach(), torch.where(labelled > 0, labels, IGNORE)
    expected = loss(scores[None], masks[None])[0]
    torch.testing.assert_close(summed(scores, labels, labelled).loss(loss), expected)


@by_loss
def test_slopes_are_the_derivatives_by_the_sums(loss):
    scores, labels, labelled = photo()
    region_sums = summed(scores.detach(), labels, labelled)
    sums = (region_sums.mass.requires_grad_(), region_sums.both.requires_grad_())
    expected = torch.autograd.grad(3 * region_sums.loss(loss), sums)
    for mine, reference in zip(region_sums.slopes(loss, torch.tensor(3.0)), expected, strict=True):
        torch.testing.assert_close(mine, reference)


@by_loss
def test_the_gradient_of_both_losses_against_autograd(loss):
    scores, labels, labelled = photo()
    weights = labelled * torch.rand(6, 5, dtype=torch.float64)
    masks = torch.where(labelled > 0, labels, IGNORE)
    each = torch.nn.functional.cross_entropy(scores[None], masks[None], reduction="none")[0]
    both = (each * weights).sum() + 2 * loss(scores[None], masks[None])[0]
    (expected,) = torch.autograd.grad(both, scores)
    with torch.no_grad():
        shares = scores.softmax(0) * labelled
        slopes = summed(scores, labels, labelled).slopes(loss, torch.tensor(2.0))
        to_gradient(shares, labels, weights, slopes)
    torch.testing.assert_close(shares, expected)


@by_loss
def test_a_photo_without_labels_costs_nothing(loss):
    scores, labels, labelled = photo()
    region_sums = summed(scores.detach(), labels, 0 * labelled)
    assert region_sums.loss(loss) == 0
    assert all(not slope.any() for slope in region_sums.slopes(loss, torch.tensor(1.0)))
