"""The criterion against torch's own cross-entropy."""

import math

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import jaccard_score

from fullconv.errors import UserError
from fullconv.training import make_config
from fullconv.training.losses import IGNORE, Jaccard
from fullconv.training.losses.criterion import make_criterion

CPU = torch.device("cpu")
PIXELS = "loss.cross_entropy"


def terms(reduction="mean", jaccard=0.0):
    changes = {f"{PIXELS}.reduction": reduction}
    return make_config("scratch", changes | added(jaccard)).loss


def added(jaccard):
    return {"loss.jaccard.weight": jaccard} if jaccard else {}


def jaccard(logits, masks):
    """Of masks with 255 for ignored."""
    return Jaccard()(logits, torch.where(masks == 255, IGNORE, masks.long()))


def criterion(reduction="mean", weights=None, ignore=255, jaccard=0.0):
    weights = None if weights is None else torch.tensor(weights)
    return make_criterion(terms(reduction, jaccard), weights, ignore, CPU)


@pytest.fixture
def case():
    """Scores in float64 with gradient, and masks of 4 classes with ignored pixels."""
    torch.manual_seed(0)
    scores = torch.randn(3, 4, 6, 7, dtype=torch.float64, requires_grad=True)
    masks = torch.randint(0, 4, (3, 6, 7), dtype=torch.uint8)
    masks[0, :4] = 255
    masks[2, 2, 3:] = 255
    return scores, masks


def trained(made, scores, masks):
    loss, _ = made(scores, masks)
    return (loss / made.normaliser(masks)).sum()


@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 2.0, 0.25], [0.0, 0.0, 1.0, 0.0]])
def test_mean_against_torch_with_its_gradient(case, weights):
    scores, masks = case
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    expected = F.cross_entropy(scores, masks.long(), weight=weight, ignore_index=255)
    (gradient,) = torch.autograd.grad(expected, scores)
    run = trained(criterion(weights=weights), scores, masks)
    torch.testing.assert_close(run, expected)
    torch.testing.assert_close(torch.autograd.grad(run, scores)[0], gradient)


@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 2.0, 0.25]])
def test_sum_against_torch(case, weights):
    scores, masks = case
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    expected = F.cross_entropy(
        scores, masks.long(), weight=weight, ignore_index=255, reduction="sum"
    )
    torch.testing.assert_close(trained(criterion("sum", weights), scores, masks), expected)


def test_plain_loss_is_the_unweighted_sum_without_gradient(case):
    scores, masks = case
    _, plain = criterion(weights=[1.0, 0.5, 2.0, 0.25])(scores, masks)
    expected = F.cross_entropy(scores, masks.long(), ignore_index=255, reduction="sum")
    torch.testing.assert_close(plain.sum(), expected.detach())
    assert not plain.requires_grad


def test_scores_of_zero_cost_ln_classes_a_pixel():
    masks = torch.randint(0, 4, (2, 5, 5), dtype=torch.uint8)
    loss = trained(criterion(), torch.zeros(2, 4, 5, 5, dtype=torch.float64), masks)
    assert loss.item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 2.0, 0.25]])
def test_nothing_labelled_costs_nothing(reduction, weights):
    scores = torch.randn(2, 4, 5, 5, requires_grad=True)
    masks = torch.full((2, 5, 5), 255, dtype=torch.uint8)
    computed = criterion(reduction, weights, jaccard=1.0)
    loss = trained(computed, scores, masks)
    loss.backward()
    assert loss.item() == 0
    assert computed(scores, masks)[1].item() == 0
    assert scores.grad.abs().max() == 0


def test_only_classes_of_weight_zero_cost_nothing():
    scores = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = trained(criterion(weights=[0.0, 1.0]), scores, torch.zeros(1, 3, 3, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad.abs().max() == 0


def test_another_ignored_value_and_wide_masks(case):
    scores, masks = case
    wide = masks.long()
    wide[wide == 255] = 65535
    one, other = criterion(), criterion(ignore=65535)
    torch.testing.assert_close(trained(other, scores, wide), trained(one, scores, masks))
    eleven = torch.where(masks == 255, 11, masks)
    torch.testing.assert_close(
        trained(criterion(ignore=11), scores, eleven), trained(one, scores, masks)
    )


def test_the_normaliser_adds_up_over_parts(case):
    _, masks = case
    for made in (criterion(), criterion(weights=[1.0, 0.5, 2.0, 0.25])):
        parts = sum(made.normaliser(part) for part in masks.split(1))
        assert made.normaliser(masks) == pytest.approx(float(parts))


def test_jaccard_of_decided_scores_against_scikit_learn(case):
    """Where the softmax is 0 or 1 the soft IU is the IU of the decision, each photo by itself."""
    scores, masks = case
    decided = 1e3 * F.one_hot(scores.argmax(1), 4).permute(0, 3, 1, 2).double()
    for mask, predicted, found in zip(
        masks, scores.argmax(1), jaccard(decided, masks), strict=True
    ):
        seen = mask != 255
        truth, guess = mask[seen].numpy(), predicted[seen].numpy()
        shown = sorted(set(truth.tolist()))
        iu = jaccard_score(truth, guess, labels=shown, average="macro")
        assert found.item() == pytest.approx(1 - iu, abs=1e-12)


def test_jaccard_is_added_to_the_mean_by_its_factor(case):
    """Photos weigh as many labelled pixels as they have, as in the cross-entropy."""
    scores, masks = case
    labelled = (masks != 255).sum((1, 2)).double()
    added = (labelled * jaccard(scores, masks)).sum() / labelled.sum()
    run = trained(criterion(jaccard=0.5), scores, masks)
    torch.testing.assert_close(run, trained(criterion(), scores, masks) + 0.5 * added)


def test_jaccard_has_the_gradient_of_its_differences(case):
    scores, masks = case
    assert torch.autograd.gradcheck(lambda s: jaccard(s, masks), (scores,))


def sampler(weights=None, **changes):
    changes = {f"{PIXELS}.{key}": value for key, value in changes.items()}
    if weights:
        changes |= {f"{PIXELS}.class_weights": weights, f"{PIXELS}.weigh_by": "sampling"}
    given = None if weights is None else torch.tensor(weights)
    return make_criterion(make_config("scratch", changes).loss, given, 255, CPU)


@pytest.mark.parametrize(
    ("made", "chances"),
    [
        (sampler(keep=0.25), [0.25, 0.25, 0.25]),
        (sampler(weights=[2.0, 0.5, 0.0]), [1.0, 0.25, 0.0]),
        (sampler(weights=[2.0, 0.5, 0.0], keep=0.5), [0.5, 0.125, 0.0]),
    ],
)
def test_pixels_are_drawn_by_their_chance(made, chances):
    masks = torch.arange(4, dtype=torch.uint8).repeat_interleave(40_000).view(2, 400, 200)
    masks[masks == 3] = 255
    torch.manual_seed(0)
    drawn = made.sampled(masks)
    assert drawn.dtype == torch.uint8
    assert (drawn[masks == 255] == 255).all()
    for value, chance in enumerate(chances):
        kept = drawn[masks == value]
        assert set(kept.tolist()) <= {value, 255}
        assert (kept == value).double().mean().item() == pytest.approx(chance, abs=0.01)
    assert not torch.equal(drawn, made.sampled(masks)) or set(chances) == {0, 1}
    torch.manual_seed(0)
    assert torch.equal(drawn, made.sampled(masks))


def test_weights_that_are_sampled_by_do_not_also_multiply(case):
    scores, masks = case
    torch.testing.assert_close(
        trained(sampler(weights=[2.0, 0.5, 1.0, 1.0]), scores, masks),
        trained(criterion(), scores, masks),
    )


def test_nothing_to_sample_by_is_refused():
    with pytest.raises(UserError, match="class weights must not be negative"):
        sampler(weights=[0.0, 0.0])
    with pytest.raises(UserError, match="class_weights"):
        make_config("scratch", {f"{PIXELS}.weigh_by": "sampling"})


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("jaccard", [0.0, 0.5])
def test_the_losses_of_several_outputs_are_summed(case, reduction, jaccard):
    """Each as it would be alone, with its own normaliser, on its own channels."""
    scores, masks = case  # 4 classes: 3 of one output, then 1 and 2 more of the other
    more = torch.randn(3, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    second = torch.randint(0, 3, (3, 6, 7), dtype=torch.uint8)
    second[1] = 255
    first = torch.where(masks == 3, 255, masks)
    weights = torch.tensor([1.0, 0.5, 2.0, 0.25, 3.0, 1.5])
    config = terms(reduction, jaccard)
    joint = make_criterion(config, weights, 255, CPU, (slice(0, 3), slice(3, 6)))
    both = torch.cat([scores, more], 1)
    shifted = torch.where(second == 255, 255, second + 3)
    run = trained(joint, both, torch.stack([first, shifted], -1))
    one = make_criterion(config, weights[:3], 255, CPU)
    other = make_criterion(config, weights[3:], 255, CPU)
    expected = trained(one, both[:, :3], first) + trained(other, both[:, 3:], second)
    assert torch.allclose(run, expected, rtol=1e-12)
    mine = torch.autograd.grad(run, both, retain_graph=True)[0]
    theirs = torch.autograd.grad(expected, both)[0]
    assert torch.allclose(mine, theirs, rtol=1e-12, atol=1e-15)
