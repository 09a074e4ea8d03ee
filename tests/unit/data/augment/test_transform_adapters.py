"""Augmentations of the user's own: what the loader gives them, and pipelines of other libraries."""

import random

import numpy as np
import pytest
import torch

from fullconv.data import (
    Augmentation,
    Sample,
    from_albumentations,
    from_torchvision,
    loader,
    open_source,
)
from fullconv.errors import UserError

SOURCE = open_source("shapes:48x64:n=20", "train")


def flipped(sample, rng):
    """Left and right, by the generator that is handed in."""
    if rng.random() < 0.5:
        return Sample(sample.name, sample.image[:, ::-1], sample.mask[:, ::-1])
    return sample


def batches(augmentation, **options):
    options = {"batch_size": 4, "stop_step": 5, "seed": 3} | options
    return list(loader(SOURCE, augmentation=augmentation, **options))


def same(one, other):
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.masks, b.masks)
        for a, b in zip(one, other, strict=True)
    )


def test_a_callable_takes_the_place_of_the_augmentation():
    plain, changed = batches(Augmentation()), batches(flipped)
    assert [batch.names for batch in plain] == [batch.names for batch in changed]
    kinds = set()
    for one, other in zip(plain, changed, strict=True):
        for index in range(4):
            turned = not torch.equal(one.images[index], other.images[index])
            kinds.add(turned)
            expected = (one.images[index].flip(1), one.masks[index].flip(1))
            if turned:
                assert torch.equal(other.images[index], expected[0])
                assert torch.equal(other.masks[index], expected[1])
    assert kinds == {True, False}


def test_its_randomness_depends_on_the_seed_and_the_step_alone():
    whole = batches(flipped)
    assert same(whole[3:], batches(flipped, start_step=3))
    assert same(whole, batches(flipped, workers=2))
    assert not same(whole, batches(flipped, seed=4))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda s: None, "the augmentation gave a NoneType"),
        (lambda s: Sample(s.name, s.image / 255, s.mask), r"float64 .* leave normalisation"),
        (lambda s: Sample(s.name, s.image.transpose(2, 0, 1), s.mask), r"\(3, 48, 64\)"),
        (lambda s: Sample(s.name, s.image, None), "gave nothing for its mask"),
        (lambda s: Sample(s.name, s.image[:9], s.mask), "the mask 64 x 48 and the image 64 x 9"),
        (lambda s: Sample(s.name, s.image, s.mask + 50), "is no class"),
    ],
)
def test_what_an_augmentation_may_not_give_is_refused_with_the_photo(made, message):
    with pytest.raises(UserError, match=rf"shapes-train-\d+: .*{message}"):
        batches(lambda sample, rng: made(sample))


def test_only_the_built_in_augmentation_can_be_halved():
    with pytest.raises(UserError, match="coarse_steps"):
        batches(flipped, coarse_steps=2)


# Pipelines of other libraries.


def shift(image, mask):
    """A pipeline that draws from all three shared generators; both have rows first."""
    steps = random.randrange(10), int(np.random.randint(10)), int(torch.randint(10, ()))
    return tuple(np.roll(each, sum(steps), 1) for each in (image, mask))


class OldAlbumentations:
    """The interface of albumentations up to 1.4.18: the shared generators."""

    def __call__(self, *, image, mask):
        return dict(zip(("image", "mask"), shift(image, mask), strict=True))


class NewAlbumentations:
    """The interface since: a generator of its own, seeded by set_random_seed."""

    def set_random_seed(self, seed):
        self.random = np.random.default_rng(seed)

    def __call__(self, *, image, mask):
        steps = int(self.random.integers(60))
        return {"image": np.roll(image, steps, 1), "mask": np.roll(mask, steps, 1)}


@pytest.mark.parametrize("pipeline", [OldAlbumentations, NewAlbumentations])
def test_albumentations_pipelines_move_photo_and_mask_exactly_again(pipeline):
    augmentation = from_albumentations(pipeline())
    whole = batches(augmentation)
    assert same(whole[2:], batches(from_albumentations(pipeline()), start_step=2))
    plain = batches(Augmentation())
    assert not same(whole, plain)
    shifted, before = whole[0], plain[0]
    (steps,) = [n for n in range(64) if torch.equal(before.images[0].roll(n, 1), shifted.images[0])]
    assert torch.equal(before.masks[0].roll(steps, 1), shifted.masks[0])


def test_the_shared_generators_are_left_as_they_were():
    def drawn():
        return random.random(), np.random.random(), torch.rand(()).item()

    def seeded():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)

    seeded()
    expected = drawn()
    seeded()
    from_albumentations(OldAlbumentations())(SOURCE[0], np.random.default_rng(0))
    assert drawn() == expected


def test_the_real_albumentations_is_such_a_pipeline():
    albumentations = pytest.importorskip("albumentations", reason="albumentations is not installed")
    pipeline = albumentations.Compose([albumentations.HorizontalFlip(p=0.5)])
    whole = batches(from_albumentations(pipeline))
    assert same(whole[2:], batches(from_albumentations(pipeline), start_step=2))


def test_torchvisions_pipelines_move_photo_and_mask_exactly_again(timm):
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    pipeline = v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomCrop(
                32, padding=8, fill={tv_tensors.Image: 114, tv_tensors.Mask: 255, "others": 0}
            ),
            v2.ColorJitter(brightness=0.5),
        ]
    )
    whole = batches(from_torchvision(pipeline))
    assert whole[0].images.shape == (4, 32, 32, 3) and whole[0].images.dtype == torch.uint8
    assert same(whole[3:], batches(from_torchvision(pipeline), start_step=3))
    assert not same(whole, batches(from_torchvision(pipeline), seed=4))
    assert any((batch.masks == 255).any() for batch in whole)

    flip = from_torchvision(v2.RandomHorizontalFlip(1.0))(SOURCE[0], np.random.default_rng(0))
    assert (flip.image == SOURCE[0].image[:, ::-1]).all()
    assert (flip.mask == SOURCE[0].mask[:, ::-1]).all()


def test_a_torchvision_pipeline_that_normalises_is_refused(timm):
    from torchvision.transforms import v2

    pipeline = from_torchvision(v2.ToDtype(torch.float32, scale=True))
    with pytest.raises(UserError, match="leave normalisation"):
        batches(pipeline)
