import multiprocessing
import os
import signal
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from fullconv.data import Augmentation, loader, open_source
from fullconv.errors import UserError

AUGMENT = Augmentation(
    crop=(40, 48), scale=(0.7, 1.4), hflip=True, rotate=10, brightness=0.2, saturation=0.2
)
SMALL = "shapes:48x64:n=10"


def batches(start=0, stop=6, seed=3, size=4, **options):
    source = open_source(SMALL, "train")
    return list(
        loader(
            source, batch_size=size, augmentation=AUGMENT, seed=seed, start_step=start,
            stop_step=stop, **options,
        )
    )  # fmt: skip


def same(one, other) -> bool:
    return (
        one.step == other.step
        and one.names == other.names
        and torch.equal(one.images, other.images)
        and torch.equal(one.masks, other.masks)
    )


def test_what_a_batch_is():
    batch = batches(stop=1)[0]
    assert batch.images.shape == (4, 40, 48, 3)
    assert batch.images.dtype == batch.masks.dtype == torch.uint8
    assert batch.masks.shape == (4, 40, 48)
    assert len(batch.names) == 4


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("start", [0, 1, 5])
def test_a_step_is_the_same_whatever_the_start_and_the_workers(start, workers):
    reference = batches()
    got = batches(start=start, workers=workers)
    assert [batch.step for batch in got] == list(range(start, 6))
    assert all(same(a, b) for a, b in zip(got, reference[start:], strict=True))


def test_another_seed_is_another_training():
    assert not any(same(a, b) for a, b in zip(batches(), batches(seed=4), strict=True))


def test_every_photo_once_an_epoch_in_new_order():
    names = [name for batch in batches(stop=5) for name in batch.names]  # 20 samples, 10 photos
    assert len(set(names[:10])) == len(set(names[10:])) == 10
    assert names[:10] != names[10:]


def test_processes_share_what_one_would_see():
    whole = batches(size=4)
    parts = [batches(size=2, rank=rank, world=2) for rank in range(2)]
    for step, batch in enumerate(whole):
        assert torch.equal(batch.images, torch.cat([part[step].images for part in parts]))


def test_accumulated_small_batches_are_the_large_one():
    large, small = batches(size=4, stop=3), batches(size=2, stop=6)
    for step, batch in enumerate(large):
        pair = small[2 * step : 2 * step + 2]
        assert torch.equal(batch.masks, torch.cat([part.masks for part in pair]))


def test_coarse_steps_see_the_same_photos_at_half_size():
    plain, coarse = batches(), batches(coarse_steps=3)
    assert [b.images.shape[1:3] for b in coarse] == [(20, 24)] * 3 + [(40, 48)] * 3
    assert all(same(a, b) for a, b in zip(plain[3:], coarse[3:], strict=True))
    for fine, half in zip(plain[:3], coarse[:3], strict=True):
        assert fine.names == half.names
        # The same scenes but for the pixels along outlines; another batch shares a third at most.
        assert (fine.masks[:, ::2, ::2] == half.masks).float().mean() > 0.7
        assert (plain[3].masks[:, ::2, ::2] == half.masks).float().mean() < 0.4


def test_the_last_steps_see_photos_at_their_own_size():
    source, moved = open_source(SMALL, "train"), replace(AUGMENT, scale=(0.5, 0.7))
    for augmentation, own in ((AUGMENT, 1.0), (moved, 0.7)):
        fixed = replace(augmentation, scale=(own, own))
        first, unscaled, last = (
            list(loader(source, batch_size=2, augmentation=a, stop_step=6, scaled_steps=until))
            for a, until in ((augmentation, None), (fixed, None), (augmentation, 4))
        )
        assert all(same(a, b) for a, b in zip(first[:4], last[:4], strict=True))
        assert all(same(a, b) for a, b in zip(unscaled[4:], last[4:], strict=True))
        assert not any(same(a, b) for a, b in zip(first[4:], last[4:], strict=True))


def test_steps_at_half_size_may_also_be_without_random_scales():
    own = replace(AUGMENT, scale=(1.0, 1.0))
    source = open_source(SMALL, "train")
    both = list(loader(source, batch_size=2, augmentation=AUGMENT, stop_step=4, coarse_steps=4,
                       scaled_steps=0))  # fmt: skip
    half = list(loader(source, batch_size=2, augmentation=own, stop_step=4, coarse_steps=4))
    assert all(same(a, b) for a, b in zip(both, half, strict=True))


def test_a_late_step_comes_at_once_and_without_end():
    stream = loader(
        open_source(SMALL, "train"), batch_size=2, augmentation=AUGMENT, start_step=10**9
    )
    assert [batch.step for batch in islice(stream, 2)] == [10**9, 10**9 + 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_fault_is_one_line_also_from_a_worker(make_folder, workers):
    data = make_folder(train=4)
    broken = data / "images/train/002.png"
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(UserError) as caught:
        list(loader(open_source(data, "train"), batch_size=4, stop_step=1, workers=workers))
    assert str(caught.value).startswith(str(broken))
    assert "\n" not in str(caught.value)


def test_photos_without_mask_and_of_several_sizes(make_folder, save):
    data = make_folder(train=2)
    (data / "masks/train/001.png").unlink()
    with pytest.raises(UserError, match=r"001\.png: this photo has no mask"):
        list(loader(open_source(data, "train"), batch_size=2, stop_step=1))
    save(np.zeros((9, 9, 3), np.uint8), "set/images/train/001.png")
    save(np.zeros((9, 9), np.uint8), "set/masks/train/001.png")
    with pytest.raises(UserError, match="crop"):
        list(loader(open_source(data, "train"), batch_size=2, stop_step=1))


def test_values_that_cannot_be_meant():
    for options in ({"batch_size": 0}, {"batch_size": 1, "rank": 2, "world": 2}):
        with pytest.raises(UserError):
            loader(open_source(SMALL, "train"), **options)


def test_many_classes_travel_as_int64(tmp_path, save):
    (tmp_path / "labels.txt").write_text("\n".join(f"c{i}" for i in range(400)))
    save(np.zeros((4, 4, 3), np.uint8), "images/a.png")
    save(np.full((4, 4), 399, np.uint16), "masks/a.png")
    batch = next(iter(loader(open_source(tmp_path, "all"), batch_size=1, stop_step=1)))
    assert batch.masks.dtype == torch.int64
    assert (batch.masks == 399).all()


def test_workers_do_not_hear_ctrl_c():
    stream = loader(
        open_source(SMALL, "train"), batch_size=2, augmentation=AUGMENT, stop_step=8, workers=1
    )
    steps = [next(stream).step]
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGINT)
    steps += [batch.step for batch in stream]
    assert steps == list(range(8))
