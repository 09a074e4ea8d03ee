"""Each loss against an independent reference, its gradient, and both ways of a training to it."""

import itertools
import sys

import pytest
import torch
import torch.nn.functional as F

from fullconv.errors import UserError
from fullconv.training import make_config, train
from fullconv.training import step as update
from fullconv.training.losses import (
    IGNORE,
    KINDS,
    CrossEntropy,
    Dice,
    Focal,
    Jaccard,
    Loss,
    Lovasz,
    Ohem,
    PixelLoss,
    RegionLoss,
    SigmoidTerm,
    banded,
    can_be_banded,
    photo_loss,
    terms_of,
)
from fullconv.training.losses.criterion import Criterion, all_banded, make_criterion
from fullconv.training.losses.lovasz import of_class

CPU = torch.device("cpu")
BANDED = {"cross_entropy", "jaccard", "dice", "focal"}
# Those of overlapping classes are in test_sigmoid_losses.py.
SEMANTIC = [kind for kind, term in KINDS.items() if not issubclass(term, SigmoidTerm)]
every_kind = pytest.mark.parametrize("kind", SEMANTIC)


@pytest.fixture
def case():
    """Logits 3,4,5,6 in float64; labels of which some, and all of the last photo, are ignored."""
    logits = torch.randn(3, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    masks = torch.randint(0, 4, (3, 5, 6))
    masks[0, :2] = IGNORE
    masks[1][masks[1] == 2] = IGNORE  # a class that is not shown
    masks[2] = IGNORE
    return logits, masks


@every_kind
def test_one_number_a_photo_whose_gradient_is_that_of_its_differences(case, kind):
    logits, masks = case
    loss = KINDS[kind]()
    found = loss(logits, masks)
    assert isinstance(loss, Loss)
    assert found.shape == (3,)
    assert (found[:2] > 0).all()
    assert found[2] == 0
    assert torch.autograd.gradcheck(lambda x: loss(x, masks), (logits,))


@every_kind
def test_photos_and_ignored_pixels_do_not_count_for_others(case, kind):
    logits, masks = case
    loss, logits = KINDS[kind](), logits.detach()
    noise = torch.where(masks[:, None] == IGNORE, torch.randn_like(logits), logits)
    torch.testing.assert_close(loss(noise, masks), loss(logits, masks))
    alone = torch.cat([loss(x, m) for x, m in zip(logits.split(1), masks.split(1), strict=True)])
    torch.testing.assert_close(alone, loss(logits, masks))


@every_kind
def test_right_decisions_cost_nothing_and_wrong_ones_the_most(kind):
    masks = torch.tensor([[[0, 1, 1], [0, 1, IGNORE]]])
    right = F.one_hot(masks.clamp(min=0), 2).permute(0, 3, 1, 2).double()
    loss = KINDS[kind]()
    costs = [loss(scale * right, masks).item() for scale in (50, 1, 0, -1, -50)]
    assert costs == sorted(costs)
    assert costs[0] == pytest.approx(0, abs=1e-9)
    if kind in ("jaccard", "dice", "lovasz"):
        assert costs[-1] == pytest.approx(1)


def test_cross_entropy_is_torchs(case):
    logits, masks = case
    found = CrossEntropy()(logits, masks)
    for number in (0, 1):
        assert torch.allclose(found[number], F.cross_entropy(logits[[number]], masks[[number]]))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_by_its_formula(case, gamma):
    logits, masks = case
    found = Focal(gamma=gamma)(logits, masks)
    labelled = masks[0] != IGNORE
    p = logits[0].softmax(0).permute(1, 2, 0)[labelled].gather(1, masks[0][labelled][:, None])
    torch.testing.assert_close(found[0], (-((1 - p) ** gamma) * p.log()).mean())


@pytest.mark.parametrize("loss", [CrossEntropy(), *(Focal(gamma=g) for g in (0, 0.5, 1, 2, 3))])
def test_the_slope_of_a_pixel_is_the_derivative(loss):
    each = torch.tensor([1e-3, 0.1, 1.0, 5.0, 30.0], dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(loss.of_pixels(each).sum(), each)
    torch.testing.assert_close(loss.slope(each.detach()), expected)
    assert torch.isfinite(loss.slope(torch.tensor([-1e-7, 0.0, 1e-30, 200.0]))).all()


def test_overlaps_by_hand():
    """Two pixels of class 0 and 1 with p = 3/4 and 1/2 of the right class."""
    p = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)  # pixel, class
    logits, masks = p.log().T.reshape(1, 2, 1, 2), torch.tensor([[[0, 1]]])
    # Class 0: both 0.75, mass 1.25, truth 1. Class 1: both 0.5, mass 0.75, truth 1.
    jaccard = 1 - (0.75 / 1.5 + 0.5 / 1.25) / 2
    dice = 1 - (1.5 / 2.25 + 1.0 / 1.75) / 2
    assert Jaccard()(logits, masks).item() == pytest.approx(jaccard)
    assert Dice()(logits, masks).item() == pytest.approx(dice)


def test_ohem_by_hand():
    """Right classes with p of 0.9, 0.8, 0.6, 0.3 and 0.5."""
    p = torch.tensor([0.9, 0.8, 0.6, 0.3, 0.5], dtype=torch.float64)
    logits = torch.stack([p, 1 - p]).log()[None, :, None]
    masks = torch.zeros(1, 1, 5, dtype=torch.long)

    def cost(*chosen):
        return pytest.approx(-torch.tensor(chosen, dtype=torch.float64).log().mean().item())

    assert Ohem(threshold=0.7)(logits, masks).item() == cost(0.6, 0.3, 0.5)
    assert Ohem(threshold=0.1, least=0.2)(logits, masks).item() == cost(0.3)
    assert Ohem(threshold=0.1, least=0.3)(logits, masks).item() == cost(0.3, 0.5)
    assert Ohem(threshold=0, least=1)(logits, masks).item() == cost(*p.tolist())
    masks[0, 0, 3] = IGNORE
    assert Ohem(threshold=0.1, least=0.2)(logits, masks).item() == cost(0.5)


def jaccard_loss(wrong, truth):
    """Of a class, the Jaccard loss where the pixels ``wrong`` are decided wrongly."""
    predicted = truth ^ wrong
    return 1 - (truth & predicted).sum().item() / max((truth | predicted).sum().item(), 1)


def test_the_lovasz_extension_by_its_definition():
    """The convex closure of a set function is the integral over levels of what is above each."""
    for truth in itertools.product([False, True], repeat=4):
        truth = torch.tensor(truth)
        if not truth.any():
            continue
        shares = torch.rand(4, dtype=torch.float64)
        errors = (truth.double() - shares).abs()
        levels = [0.0, *errors.sort().values.tolist()]
        expected = sum(
            (high - low) * jaccard_loss(errors >= high, truth)
            for low, high in itertools.pairwise(levels)
        )
        assert of_class(shares, truth).item() == pytest.approx(expected, abs=1e-12)


def test_lovasz_with_a_stride_is_that_of_the_pixels_it_takes():
    logits, masks = torch.randn(2, 4, 7, 9), torch.randint(0, 4, (2, 7, 9))
    sparse = Lovasz(stride=3)(logits, masks)
    assert torch.equal(sparse, Lovasz()(logits[..., ::3, ::3], masks[..., ::3, ::3]))
    assert not torch.equal(sparse, Lovasz()(logits, masks))


def test_lovasz_of_decisions_is_the_jaccard_loss(case):
    logits, masks = case
    decided = 1e3 * F.one_hot(logits.argmax(1), 4).permute(0, 3, 1, 2).double()
    torch.testing.assert_close(Lovasz()(decided, masks), Jaccard()(decided, masks))


@pytest.fixture
def smp(timm):
    """The losses of segmentation_models_pytorch, or a skip."""
    assert "timm" in sys.modules
    package = pytest.importorskip("segmentation_models_pytorch")
    return package.losses


def test_against_segmentation_models_pytorch(smp, case):
    """On photos that show all classes: there, absent ones count as learnt."""
    logits, _ = case
    masks = torch.randint(0, 4, (1, 5, 6))
    masks[0, 0, :4] = torch.arange(4)
    logits = logits[:1].detach().float()  # theirs computes in no other
    options = {"mode": "multiclass", "from_logits": True}
    pairs = [(Jaccard(), smp.JaccardLoss(**options)), (Dice(), smp.DiceLoss(**options))]
    for ours, theirs in [*pairs, (Lovasz(), smp.LovaszLoss("multiclass", per_image=True))]:
        torch.testing.assert_close(ours(logits, masks)[0], theirs(logits, masks))
    masks[0, 1:3] = IGNORE
    for ours, theirs in [
        (Dice(), smp.DiceLoss(**options, ignore_index=IGNORE)),
        (Lovasz(), smp.LovaszLoss("multiclass", per_image=True, ignore_index=IGNORE)),
    ]:
        torch.testing.assert_close(ours(logits, masks)[0], theirs(logits, masks))


def in_bands(monkeypatch, is_so):
    """Bands of two rows, or all logits at once."""
    monkeypatch.setattr(banded, "CACHED", 1 if is_so else 2**40)
    monkeypatch.setattr(photo_loss, "CACHED", 2 * 3 * 48 * 4)


def updated(updater, batch, monkeypatch, terms, is_banded, losses=None, **changes):
    """Losses and gradients of an update whose loss has these terms, in double precision."""
    in_bands(monkeypatch, is_banded)
    built = updater({"schedule.batch_size": 2} | changes, double=True)
    built.criterion = make_criterion(terms, None, 255, CPU, losses=losses)
    built.optimizer.zero_grad()
    found = built.gradients(batch(4, unlabelled=True))
    return found, [p.grad.clone() for p in built.net.parameters()]


def counted_bands(monkeypatch):
    """The calls of the loss in bands."""
    calls = []

    def banded_loss(*arguments):
        calls.append(1)
        return banded.banded_loss(*arguments)

    monkeypatch.setattr(update, "banded_loss", banded_loss)
    return calls


@every_kind
@pytest.mark.parametrize("others", [(), (CrossEntropy(weight=0.3),), (Dice(weight=2.0), Focal())])
def test_large_logits_make_no_difference(updater, batch, monkeypatch, kind, others):
    """In bands where every term can be, else at once: the same loss and gradient."""
    terms = [KINDS[kind](weight=0.7), *(term for term in others if term.kind != kind)]
    calls = counted_bands(monkeypatch)
    one, mine = updated(updater, batch, monkeypatch, terms, True)
    assert bool(calls) == (kind in BANDED) == all_banded(terms)
    other, theirs = updated(updater, batch, monkeypatch, terms, False)
    assert one == pytest.approx(other, rel=1e-12)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)


@every_kind
@pytest.mark.parametrize("is_banded", [False, True])
def test_nothing_of_a_loss_is_left_out(updater, batch, monkeypatch, kind, is_banded):
    """A constant added to any of them, wherever it is computed, is in the training loss."""
    terms = [CrossEntropy(), KINDS[kind](weight=2.0)][kind == "cross_entropy" :]
    expected = updated(updater, batch, monkeypatch, terms, is_banded)[0][0]
    cls = KINDS[kind]
    for name in ("of_pixels", "of_classes", "__call__"):
        if name in cls.__dict__:
            plain = getattr(cls, name)
            monkeypatch.setattr(cls, name, lambda *given, plain=plain: plain(*given) + 3.0)
    found = updated(updater, batch, monkeypatch, terms, is_banded)[0][0]
    assert found == pytest.approx(expected + terms[-1].weight * 3.0, rel=1e-9)


@every_kind
def test_accumulating_equals_the_large_batch(updater, batch, monkeypatch, kind):
    terms = [KINDS[kind]()]
    parts, mine = updated(updater, batch, monkeypatch, terms, False, **{"schedule.batch_size": 1})
    whole, theirs = updated(updater, batch, monkeypatch, terms, False, **{"schedule.batch_size": 4})
    assert parts == pytest.approx(whole, rel=1e-12)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-13)


def test_the_loss_per_pixel_is_the_cross_entropy_whatever_is_trained(updater, batch, monkeypatch):
    expected = updated(updater, batch, monkeypatch, [CrossEntropy()], False)[0][1]
    for kind, is_banded in itertools.product(SEMANTIC, (False, True)):
        found = updated(updater, batch, monkeypatch, [KINDS[kind]()], is_banded)[0][1]
        assert found == pytest.approx(expected, rel=1e-9)


def test_what_says_that_it_can_be_banded():
    assert {kind for kind, term in KINDS.items() if can_be_banded(term())} == BANDED
    assert make_criterion(make_config("default").loss, None, 255, CPU).can_be_banded
    with_lovasz = make_config("default", {"loss.lovasz.weight": 1}).loss
    assert not make_criterion(with_lovasz, None, 255, CPU).can_be_banded
    assert not all_banded(with_lovasz)


# Losses of one's own.


def own(logits, masks):
    """Mean absolute error of the softmax, which no kind is."""
    labelled = masks != IGNORE
    right = logits.softmax(1).gather(1, masks.clamp(min=0)[:, None])[:, 0]
    return ((1 - right) * labelled).sum((1, 2)) / labelled.sum((1, 2))


class Squared(PixelLoss):
    """A loss of one's own that bands can sum."""

    def of_pixels(self, each):
        return each**2

    def slope(self, each):
        return 2 * each


class Shown(RegionLoss):
    """Another one."""

    def of_classes(self, mass, truth, both):
        return mass - both

    def slopes(self, mass, truth, both, weight):
        return weight, -weight


def test_losses_from_python_are_named_and_weighed():
    terms, losses = terms_of([CrossEntropy(), (0.5, own), (2, Jaccard()), Squared(), Squared()])
    assert [(term.kind, term.weight) for term in terms] == [
        ("cross_entropy", 1.0),
        ("python", 0.5),
        ("jaccard", 2.0),
        ("python", 1.0),
        ("python", 1.0),
    ]
    assert list(losses) == [f"{__name__}.{n}" for n in ("own", "Squared", "Squared-2")]
    assert [term.banded for term in terms if term.kind == "python"] == [False, True, True]
    assert terms_of(own)[1] == {f"{__name__}.own": own}


@pytest.mark.parametrize("given", [3, "dice", [None], [(0, own)], [(-1.0, Dice())], [("1", own)]])
def test_what_is_no_loss_is_refused(given):
    with pytest.raises(UserError, match="loss: "):
        terms_of(given)


@pytest.mark.parametrize(("loss", "banded_too"), [(own, False), (Squared(), True), (Shown(), True)])
def test_a_loss_of_ones_own_is_trained_either_way(updater, batch, monkeypatch, loss, banded_too):
    terms, losses = terms_of([(0.7, loss), Dice()])
    calls, found = counted_bands(monkeypatch), []
    for is_banded in (True, False):
        found.append(updated(updater, batch, monkeypatch, terms, is_banded, losses))
        assert bool(calls) == banded_too
    (one, mine), (other, theirs) = found
    assert one == pytest.approx(other, rel=1e-12)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
    without = updated(updater, batch, monkeypatch, [Dice()], False)[0][0]
    assert other[0] > without


def asked(loss):
    """The criterion of one loss of Python's."""
    terms, losses = terms_of(loss)
    return make_criterion(terms, None, 255, CPU, losses=losses)


def trained(made: Criterion, logits, masks):
    return (made(logits, masks)[0] / made.normaliser(masks)).sum()


@pytest.mark.parametrize("loss", [torch.nn.CrossEntropyLoss(), F.cross_entropy])
def test_a_loss_of_torchs_is_asked_photo_by_photo(case, loss):
    """It gives one number for all; a photo then counts by its labelled pixels, as everywhere."""
    logits, masks = case
    masks = torch.where(masks == IGNORE, 255, masks)
    run = trained(asked(loss), logits, masks)
    expected = F.cross_entropy(logits, masks, ignore_index=255)
    torch.testing.assert_close(run, expected)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (run, expected)]
    torch.testing.assert_close(*gradients)


def test_photos_without_labels_are_not_shown_to_it(case):
    logits, masks = case
    loss = trained(asked(torch.nn.CrossEntropyLoss()), logits[2:], torch.full((1, 5, 6), 255))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
    assert (masks[2] == IGNORE).all()


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (lambda logits, masks: 1.0, "gives a float, not a tensor"),
        (lambda logits, masks: logits.mean((2, 3)), r"gives the shape \(3, 4\) for 3 photos"),
        (lambda logits, masks: logits.detach().mean((1, 2, 3)), "has no gradient"),
    ],
)
def test_an_answer_that_is_no_loss_is_refused(loss, says):
    logits = torch.randn(3, 4, 5, 6, requires_grad=True)
    with pytest.raises(UserError, match=says):
        asked(loss)(logits, torch.zeros(3, 5, 6, dtype=torch.uint8))


def test_a_loss_of_pythons_that_is_missing_is_named():
    terms, _ = terms_of(own)
    with pytest.raises(UserError, match=r"test_losses\.own .* hand it in again"):
        make_criterion(terms, None, 255, CPU)


def test_a_training_with_losses_of_ones_own_is_resumed_with_them(start, tmp_path):
    """Beside one that needs the whole logits."""
    loss = [CrossEntropy(class_weights="softened"), (0.5, own), Ohem()]
    run = start("run", {"schedule.steps": 2, "schedule.validate_every": 2}, loss=loss, quiet=True)
    saved = (run / "config.toml").read_text()
    assert f'name = "{__name__}.own"' in saved
    assert 'kind = "ohem"' in saved
    more = {"recipe": "scratch", "overrides": {"schedule.steps": 4}, "resume": True, "quiet": True}
    with pytest.raises(UserError, match="hand it in again"):
        train(None, run, **more)
    with pytest.raises(UserError, match="loss cannot be changed"):
        train(None, run, loss=own, **more)
    train(None, run, loss=loss, **more)
    rows = [row.split(",") for row in (run / "log.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["step", "2", "4"]
    assert all(float(row[3]) > float(row[4]) for row in rows[1:]), "more than the cross-entropy"
