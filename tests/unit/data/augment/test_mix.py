from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.classes import ClassSet
from fullconv.data import Augmentation, Sample, loader, open_source
from fullconv.data.augment.mix import cutmix, paste
from fullconv.errors import UserError

EVERYTHING = Augmentation(
    crop=(40, 48), scale=(0.7, 1.4), hflip=True, rotate=10, brightness=0.2, saturation=0.2,
    vflip=True, rotate90=True, grayscale=0.3, blur=2, noise=0.1, rare_crops=0.5, paste=0.5,
    cutmix=0.5,
)  # fmt: skip
ADDED = {"rare_crops": 0.5, "paste": 0.7, "cutmix": 0.7}


def drawn(seed: int, mark: int, outputs: int = 0, kind: type = np.uint8) -> Sample:
    """The colour is the mark and the place; a mask with classes of many frequencies."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:30, :40]
    image = np.stack([0 * x + mark, y, x, y + x], 2).astype(kind)
    size = (30, 40, outputs) if outputs else (30, 40)
    values = [0, 1, 2, 3, 4, 5, 255]
    mask = rng.choice(values, size, p=[0.5, 0.25, 0.12, 0.05, 0.02, 0.01, 0.05]).astype(np.uint8)
    return Sample(str(mark), image, mask)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([0, 2]), st.sampled_from([np.uint8, np.float32]))
def test_pasted_are_whole_rare_classes_of_the_other_and_nothing_else(seed, outputs, kind):
    one, other = drawn(seed, 0, outputs, kind), drawn(seed + 1, 1, outputs, kind)
    kept = one.image.copy(), one.mask.copy()
    made = paste(one, other, np.random.default_rng(seed))
    region = made.image[..., 0] == 1
    assert made.image.dtype == kind
    assert (made.image[region] == other.image[region]).all()
    assert (made.image[~region] == one.image[~region]).all()
    assert (made.mask[region] == other.mask[region]).all()
    assert (made.mask[~region] == one.mask[~region]).all()
    outside = set(np.unique(other.mask[~region]))
    pasted = {value for value in range(6) if value not in outside}
    assert pasted
    assert pasted <= {3, 4, 5}  # the rarer half
    inside = np.isin(other.mask, list(pasted))
    assert (region == (inside.any(2) if outputs else inside)).all()
    assert (one.image == kept[0]).all()  # the inputs stay as they are
    assert (one.mask == kept[1]).all()


def test_one_to_half_of_the_classes_are_pasted():
    one, other = drawn(0, 0), drawn(1, 1)
    counts = []
    for seed in range(200):
        region = paste(one, other, np.random.default_rng(seed)).image[..., 0] == 1
        counts.append(len(np.unique(other.mask[region])))
    shares = np.bincount(counts, minlength=4)[1:] / 200
    assert shares == pytest.approx([1 / 3] * 3, abs=0.12)


def test_of_a_photo_without_labels_nothing_is_pasted():
    one, other = drawn(0, 0), drawn(1, 1)
    other.mask[:] = 255
    pasted = paste(one, other, np.random.default_rng(0))
    assert (pasted.image == one.image).all()


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), st.sampled_from([0, 2]))
def test_cutmix_is_a_rectangle_of_the_other(seed, outputs):
    one, other = drawn(seed, 0, outputs), drawn(seed + 1, 1, outputs)
    made = cutmix(one, other, np.random.default_rng(seed))
    region = made.image[..., 0] == 1
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert region.sum() == height * width
    assert 0.1 - 0.03 < region.mean() < 0.5 + 0.03  # sides are whole pixels
    assert 0.5 * 0.85 < (width / 40) / (height / 30) < 2 * 1.15
    for mixed, inner, outer in (
        (made.image, other.image, one.image),
        (made.mask, other.mask, one.mask),
    ):
        assert (mixed[region] == inner[region]).all()
        assert (mixed[~region] == outer[~region]).all()


def test_the_area_of_cutmix_is_drawn_evenly():
    one, other = drawn(0, 0), drawn(1, 1)
    shares = [
        (cutmix(one, other, np.random.default_rng(s)).image[..., 0] == 1).mean() for s in range(400)
    ]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.02)
    assert np.std(shares) == pytest.approx(0.4 / 12**0.5, abs=0.02)


@dataclass(frozen=True)
class Marked:
    """Photos whose colour is their number and the place; the mask follows from it."""

    count: int
    kind: type = np.uint8
    split: str = "train"

    @property
    def classes(self):
        return ClassSet(tuple("abcdefg"))

    @property
    def names(self):
        return [str(i) for i in range(self.count)]

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        y, x = np.mgrid[:36, :44]
        image = np.stack([0 * x + index, y, x, y + x], 2).astype(self.kind)
        return Sample(str(index), image, self.mask(index))

    def mask(self, index):
        y, x = np.mgrid[:36, :44]
        # Class 0 mostly, others more and more rarely.
        label = (index + 3 * y + x) % 28
        return np.where(label < 7, label, 0).astype(np.uint8)

    def files(self, index):
        return None, None


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_every_pixel_keeps_its_label_whatever_is_mixed(kind):
    how = Augmentation(crop=(20, 32), hflip=True, vflip=True, rotate90=True, **ADDED)
    source, seen = Marked(9, kind), []
    fill = (0.0,) * 4
    for batch in loader(source, batch_size=6, augmentation=how, stop_step=10, fill=fill):
        index, y, x, both = batch.images.to(torch.int64).unbind(-1)
        label = (index + 3 * y + x) % 28
        assert torch.equal(both, y + x)
        assert torch.equal(batch.masks.to(torch.int64), torch.where(label < 7, label, 0))
        for name, marks in zip(batch.names, index, strict=True):
            unique = set(marks.unique().tolist())
            assert int(name) in unique
            seen.append(len(unique))
    assert set(seen) == {1, 2, 3}  # alone, with another, or one for each of the two ways


def test_what_is_not_mixed_is_as_without():
    plain = Augmentation(crop=(20, 32), hflip=True)
    options = {"batch_size": 20, "stop_step": 5, "fill": (0.0,) * 4}
    for key in ("paste", "cutmix"):
        how = replace(plain, **{key: 0.5})
        alone = loader(Marked(9), augmentation=plain, **options)
        mixed = loader(Marked(9), augmentation=how, **options)
        untouched = 0
        for before, after in zip(alone, mixed, strict=True):
            own = torch.tensor([int(name) for name in before.names])[:, None, None]
            foreign = after.images[..., 0] != own
            assert torch.equal(before.images[~foreign], after.images[~foreign])
            assert torch.equal(before.masks[~foreign], after.masks[~foreign])
            untouched += int((~foreign).flatten(1).all(1).sum())
        assert 35 < untouched < 65


def test_a_second_photo_is_read_only_where_it_is_mixed_in(monkeypatch):
    read = []
    plain = Marked.__getitem__
    monkeypatch.setattr(Marked, "__getitem__", lambda s, i: read.append(i) or plain(s, i))
    for share, low, high in ((0.0, 100, 100), (0.5, 130, 170), (1.0, 200, 200)):
        read.clear()
        how = Augmentation(crop=(8, 8), paste=share)
        list(loader(Marked(9), batch_size=10, augmentation=how, stop_step=10, fill=(0.0,) * 4))
        assert low <= len(read) <= high


def test_a_single_photo_is_mixed_with_itself():
    how = Augmentation(crop=(8, 8), paste=1, cutmix=1)
    (batch,) = loader(Marked(1), batch_size=4, augmentation=how, stop_step=1, fill=(0.0,) * 4)
    assert batch.images.shape == (4, 8, 8, 4)


def steps(start: int = 0, **options) -> list:
    source = open_source("shapes:48x64:n=10", "train")
    options = {"batch_size": 4, "seed": 3, "augmentation": EVERYTHING, **options}
    return list(loader(source, start_step=start, stop_step=6, **options))


@pytest.mark.parametrize(("start", "workers"), [(0, 2), (4, 0), (3, 2)])
def test_neither_the_workers_nor_a_resume_change_a_step(start, workers):
    reference, made = steps()[start:], steps(start, workers=workers)
    assert [batch.step for batch in made] == list(range(start, 6))
    for one, other in zip(reference, made, strict=True):
        assert one.names == other.names
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.masks, other.masks)


def test_two_processes_see_what_one_would():
    whole = steps()
    parts = [steps(batch_size=2, rank=rank, world=2) for rank in range(2)]
    for step, batch in enumerate(whole):
        assert torch.equal(batch.images, torch.cat([part[step].images for part in parts]))


def test_coarse_steps_mix_the_same_photos_at_half_size():
    how = replace(EVERYTHING, rotate=0, grayscale=0, blur=0, noise=0)
    plain, coarse = steps(augmentation=how), steps(augmentation=how, coarse_steps=6)
    alike = []
    for fine, half in zip(plain, coarse, strict=True):
        assert half.images.shape[1:3] == (20, 24)
        alike.append((fine.masks[:, ::2, ::2] == half.masks).float().mean())
    assert np.mean(alike) > 0.7


def test_another_photo_without_mask_is_named(make_folder):
    data = make_folder(train=2)
    (data / "masks/train/001.png").unlink()
    source = open_source(data, "train")
    how = Augmentation(crop=(8, 8), cutmix=1)
    with pytest.raises(UserError, match=r"001\.png: this photo has no mask"):
        list(loader(source, batch_size=1, augmentation=how, stop_step=1))
