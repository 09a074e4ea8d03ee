"""Losses of overlapping classes: torch's own, numbers worked by hand, and what refuses them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.training.config.config_sources import make_config
from fullconv.training.losses import (
    IGNORE,
    KINDS,
    BinaryCrossEntropy,
    SigmoidDice,
    SigmoidJaccard,
    SigmoidTerm,
)
from fullconv.training.losses.criterion import SigmoidCriterion, make_criterion
from fullconv.training.task import with_task

TWO = ClassSet(("a", "b")).overlapping()
PARTS = (slice(0, 1), slice(1, 2))
CPU = torch.device("cpu")


def criterion(*terms, weights=None):
    return make_criterion(terms, weights, 255, CPU, PARTS, {}, True)


@pytest.fixture
def case():
    torch.manual_seed(1)
    masks = torch.randint(0, 2, (3, 6, 7, 2), dtype=torch.uint8)
    masks[torch.rand(masks.shape) < 0.2] = 255
    return torch.randn(3, 2, 6, 7, requires_grad=True), masks


def total(made, logits, masks):
    """The loss as the step computes it."""
    losses, plain = made(logits, masks)
    return (losses.double() / made.normaliser(masks)).sum(), plain / made.labelled(masks)


def test_against_torch_binary_cross_entropy(case):
    logits, masks = case
    found, plain = total(criterion(BinaryCrossEntropy()), logits, masks)
    each = []
    for k in range(2):
        known = masks[..., k] != 255
        each.append(
            F.binary_cross_entropy_with_logits(logits[:, k][known], masks[..., k][known].float())
        )
    assert float(found) == pytest.approx(float(sum(each)) / 2, rel=1e-6)
    assert plain.tolist() == pytest.approx([float(e) for e in each], rel=1e-6)


def test_against_torch_pos_weight(case):
    logits, masks = case
    weights = torch.tensor([3.0, 0.5])
    found, _ = total(criterion(BinaryCrossEntropy(), weights=weights), logits, masks)
    each = [
        F.binary_cross_entropy_with_logits(
            logits[:, k][masks[..., k] != 255],
            masks[..., k][masks[..., k] != 255].float(),
            pos_weight=weights[k],
        )
        for k in range(2)
    ]
    assert float(found) == pytest.approx(float(sum(each)) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "wanted"), [(SigmoidJaccard, 1 - 1.4 / 2.4), (SigmoidDice, 1 - 2 * 1.4 / 3.8)]
)
def test_an_overlap_worked_by_hand(kind, wanted):
    """p = 0.8, 0.6, 0.4 with y = 1, 1, 0, and an ignored pixel: sums 1.8, 2 and 1.4."""
    p = torch.tensor([0.8, 0.6, 0.4, 0.99], dtype=torch.float64)
    logits = torch.logit(p).reshape(1, 1, 1, 4)
    masks = torch.tensor([1, 1, 0, IGNORE]).reshape(1, 1, 4)
    assert float(kind()(logits, masks)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("kind", [SigmoidJaccard, SigmoidDice])
def test_a_photo_without_the_class_costs_nothing(kind):
    logits = torch.randn(2, 1, 4, 4)
    masks = torch.zeros(2, 4, 4, dtype=torch.long)
    masks[1] = IGNORE
    assert kind()(logits, masks).tolist() == [0, 0]


def test_gradients_of_the_parts_of_a_batch_add_up_to_those_of_the_whole(case):
    logits, masks = case
    made = criterion(BinaryCrossEntropy(), SigmoidJaccard(weight=0.5))
    normaliser = made.normaliser(masks)
    (made(logits, masks)[0].double() / normaliser).sum().backward()
    whole, logits.grad = logits.grad, None
    for part in (slice(0, 1), slice(1, 3)):
        (made(logits[part], masks[part])[0].double() / normaliser).sum().backward()
    assert torch.allclose(whole, logits.grad, atol=1e-7)


@pytest.mark.parametrize("kind", [SigmoidJaccard, SigmoidDice])
def test_nothing_of_a_loss_is_left_out(case, monkeypatch, kind):
    """A constant added to it is in the training loss, times its weight."""
    terms = BinaryCrossEntropy(), kind(weight=2.0)
    expected, _ = total(criterion(*terms), *case)
    plain = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda *given: plain(*given) + 3.0)
    changed, _ = total(criterion(*terms), *case)
    assert float(changed) == pytest.approx(float(expected) + 2.0 * 3.0, rel=1e-6)


def test_one_class_takes_masks_without_an_axis_for_it(case):
    logits, masks = case
    single = make_criterion((BinaryCrossEntropy(),), None, 255, CPU, PARTS[:1], {}, True)
    assert isinstance(single, SigmoidCriterion) and not single.can_be_banded
    found, _ = single(logits[:, :1], masks[..., 0])
    both, _ = criterion(BinaryCrossEntropy())(logits, masks)
    assert float(found[0]) == pytest.approx(float(both[0]))


def test_the_recipes_losses_are_replaced_unless_the_user_named_some():
    config = make_config("default")
    changed, line = with_task(config, TWO, frozenset())
    assert all(isinstance(term, SigmoidTerm) for term in changed.loss)
    assert changed.task.kind == "multilabel" and "2 classes" in line
    assert [t.weight for t in changed.loss] == [t.weight for t in config.loss]
    assert with_task(config, ClassSet(("a", "b")), frozenset()) == (config, "")


@pytest.mark.parametrize("kind", [k for k, t in KINDS.items() if not issubclass(t, SigmoidTerm)])
def test_a_loss_by_softmax_is_refused_by_name(kind):
    config = make_config("default", {f"loss.{kind}.weight": 0.5})
    with pytest.raises(UserError) as error:
        with_task(config, TWO, {f"loss.{kind}.weight"})
    assert error.value.code == "FC-CONFIG-016" and "loss." in str(error.value)


@pytest.mark.parametrize("kind", [k for k, t in KINDS.items() if issubclass(t, SigmoidTerm)])
def test_a_loss_by_sigmoid_is_refused_where_classes_exclude_each_other(kind):
    config = make_config("default", {f"loss.{kind}.weight": 0.5})
    with pytest.raises(UserError, match=kind) as error:
        with_task(config, ClassSet(("a", "b")), frozenset())
    assert error.value.code == "FC-CONFIG-016"


@pytest.mark.parametrize("weights", ["[]", "[1.0, -1.0]", "often"])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(UserError, match="binary_cross_entropy"):
        make_config("default", {"loss.binary_cross_entropy.pos_weight": weights})


def test_losses_stay_finite_at_sure_logits():
    logits = torch.tensor([200.0, -200.0]).reshape(1, 1, 1, 2).requires_grad_()
    masks = torch.tensor([0, 1]).reshape(1, 1, 2)
    for kind in (BinaryCrossEntropy, SigmoidJaccard, SigmoidDice):
        loss = kind()(logits, masks).sum()
        loss.backward()
        assert np.isfinite(float(loss)) and torch.isfinite(logits.grad).all()
