"""Batches by step number: a pure function of (source, seed, step), from any step at once."""

import itertools
import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fullconv.data.augment.mix import cutmix, paste
from fullconv.data.augment.transforms import MEAN_COLOR, Augmentation, Fill, Transform, augment
from fullconv.data.dataset import check_transformed
from fullconv.data.sample import Batch, Sample, Source
from fullconv.data.shards.source import AHEAD, prefetch
from fullconv.data.splits.multimodal import kinds_shown
from fullconv.errors import UserError
from fullconv.modalities import COLOR

if TYPE_CHECKING:
    import torch

_ORDER, _AUGMENT, _CUTMIX, _PASTE = range(4)  # part of the seeds: random numbers apart by use


def loader(
    source: Source,
    *,
    batch_size: int,
    augmentation: Augmentation | Transform | None = None,
    seed: int = 0,
    start_step: int = 0,
    stop_step: int | None = None,
    coarse_steps: int = 0,
    scaled_steps: int | None = None,
    workers: int = 0,
    prefetch: int = 2,
    fill: Fill = MEAN_COLOR,
    rank: int = 0,
    world: int = 1,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """Batches of the steps ``start_step`` to ``stop_step`` - 1; endless where that is None.

    Sample number g of the training (g counts through all steps, ranks and slots) is photo
    ``g % N`` of the permutation by (seed, g // N), augmented by random numbers from (seed, g), and
    mixed with another photo by random numbers of their own; a callable ``augmentation`` gets the
    photo and the generator of (seed, g). So a batch depends on the seed and the step alone, not on
    ``workers`` or on where the loader started; and ``world`` processes of ``batch_size`` see what
    one of ``world * batch_size`` sees.
    The steps below ``coarse_steps`` see photos and crops of half the size; those from
    ``scaled_steps`` on see photos that are not scaled at random.
    ``workers`` processes prepare ``prefetch`` batches each ahead of time; 0 works in this process.
    Raises UserError for data errors, naming the file, also from a worker.
    """
    if batch_size < 1 or workers < 0 or not 0 <= rank < world:
        raise UserError(
            f"batch_size {batch_size}, workers {workers}, rank {rank} of {world}: need a batch of "
            "1 or more, no negative workers, and a rank below world",
            "FC-DATA-129",
        )
    if len(source) == 0:
        raise UserError(f"the split {source.split!r} is empty", "FC-DATA-103")
    augmentation = augmentation or Augmentation()
    if coarse_steps and not isinstance(augmentation, Augmentation):
        raise UserError(
            "coarse_steps halve the built-in augmentation only: set them to 0", "FC-DATA-129"
        )
    batches = Batches(
        source, batch_size, augmentation, coarse_steps, scaled_steps, seed, fill, rank, world
    )
    steps = itertools.count(start_step) if stop_step is None else range(start_step, stop_step)
    return _iterate(batches, steps, workers, prefetch, pin_memory)


def _iterate(
    batches: "Batches", steps: Any, workers: int, prefetch: int, pin_memory: bool
) -> Iterator[Batch]:
    from torch.utils.data import DataLoader

    others = set(multiprocessing.active_children())
    feed = DataLoader(
        batches,  # pyright: ignore[reportArgumentType]: it need not subclass Dataset
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=prefetch if workers else None,
        worker_init_fn=_ignore_stop_signals,
        pin_memory=pin_memory,
        collate_fn=_as_it_is,
    )
    own: set[Any] = set()
    batch_iterator: Any = None
    try:
        batch_iterator = iter(feed)
        own = set(multiprocessing.active_children()) - others
        for batch in batch_iterator:
            if isinstance(batch, UserError):
                raise batch
            yield Batch(*batch)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise UserError("a loader process died, most likely for lack of memory: use fewer workers, "
                        "a smaller crop or a smaller batch", "FC-DATA-130") from error  # fmt: skip
    finally:
        # An error's traceback may keep the iterator alive, and with it the workers.
        getattr(batch_iterator, "_shutdown_workers", lambda: None)()
        for worker in own:
            worker.kill()  # one that is stuck would ignore any other signal


def _as_it_is(batch: Any) -> Any:
    return batch


def _ignore_stop_signals(_: int) -> None:
    """Signals to stop may reach all processes of a training; only the main process handles them."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


@lru_cache(maxsize=4)
def order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """The order of the ``count`` photos in ``epoch``: a permutation by (seed, epoch)."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(count)


@dataclass(frozen=True, eq=False)
class Batches:
    """Step number -> batch, as a tuple, which DataLoader can pin and send between processes."""

    source: Source
    batch_size: int
    augmentation: Augmentation | Transform
    coarse_steps: int
    scaled_steps: int | None
    seed: int
    fill: Fill
    rank: int
    world: int

    def __getitem__(
        self, step: int
    ) -> "tuple[int, torch.Tensor, torch.Tensor, list[str]] | UserError":
        """The batch. A UserError is returned: DataLoader would wrap a raised one in a traceback."""
        first = (step * self.world + self.rank) * self.batch_size
        augmentation = self._augmentation_of(step)
        prefetch(self.source, self._coming(step))
        try:
            samples = [self.sample(first + slot, augmentation) for slot in range(self.batch_size)]
            return (step, *_stack(samples))
        except UserError as error:
            return error

    def _augmentation_of(self, step: int) -> Augmentation | Transform:
        augmentation = self.augmentation
        if not isinstance(augmentation, Augmentation):
            return augmentation
        if self.scaled_steps is not None and step >= self.scaled_steps:
            augmentation = augmentation.unscaled()
        return augmentation.halved() if step < self.coarse_steps else augmentation

    def sample(self, number: int, augmentation: Augmentation | Transform) -> Sample:
        """Sample ``number`` of the whole training, augmented.

        Another photo, drawn evenly and augmented alike, is read only where it is mixed in.
        """
        index = self._index(number)
        rng = np.random.default_rng([self.seed, _AUGMENT, number])
        if not isinstance(augmentation, Augmentation):
            plain = self._labelled(index)
            return check_transformed(augmentation(plain, rng), plain, self.source.classes)
        sample = self._augmented(index, augmentation, rng)
        ignore, overlapping = self.source.classes.ignore, self.source.classes.is_overlapping
        if other := self._other(_CUTMIX, augmentation.cutmix, number, index, augmentation):
            sample = cutmix(sample, *other)
        if other := self._other(_PASTE, augmentation.paste, number, index, augmentation):
            sample = paste(sample, *other, ignore, overlapping)
        return sample

    def _index(self, number: int) -> int:
        """The photo of sample ``number``."""
        count = len(self.source)
        epoch, position = divmod(number, count)
        return int(order(self.seed, epoch, count)[position])

    def _coming(self, step: int) -> list[int]:
        """The photos of this step and of the next ones that this process will prepare, in order."""
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        stride = self.world * self.batch_size * (info.num_workers if info else 1)
        first = (step * self.world + self.rank) * self.batch_size
        numbers = (
            first + ahead * stride + slot
            for ahead in range(-(-AHEAD // self.batch_size) + 1)
            for slot in range(self.batch_size)
        )
        return [index for number in numbers for index in self._photos_of(number)]

    def _photos_of(self, number: int) -> list[int]:
        """The photo of a sample, and those that are mixed into it."""
        index, augmentation = self._index(number), self.augmentation
        if not isinstance(augmentation, Augmentation):
            return [index]
        uses = ((_CUTMIX, augmentation.cutmix), (_PASTE, augmentation.paste))
        others = (self._drawn(*use, number, index) for use in uses)
        return [index, *(other[0] for other in others if other)]

    def _drawn(
        self, purpose: int, probability: float, number: int, index: int
    ) -> tuple[int, np.random.Generator] | None:
        """Another photo than ``index`` to mix in, and what to draw the rest from; or None."""
        if not probability:
            return None
        rng = np.random.default_rng([self.seed, purpose, number])
        if rng.random() >= probability:
            return None
        count = len(self.source)
        return (index + int(rng.integers(1, max(count, 2)))) % count, rng

    def _other(
        self, purpose: int, probability: float, number: int, index: int, augmentation: Augmentation
    ) -> tuple[Sample, np.random.Generator] | None:
        """Another photo than ``index``, augmented, and what to draw the rest from; or None."""
        drawn = self._drawn(purpose, probability, number, index)
        if drawn is None:
            return None
        other, rng = drawn
        return self._augmented(other, augmentation, rng), rng

    def _augmented(
        self, index: int, augmentation: Augmentation, rng: np.random.Generator
    ) -> Sample:
        classes, colored = self.source.classes, COLOR in kinds_shown(self.source)
        options = self.fill, classes.ignore, colored, classes.is_overlapping
        return augment(self._labelled(index), augmentation, rng, *options)

    def _labelled(self, index: int) -> Sample:
        plain = self.source[index]
        if plain.mask is None:
            raise UserError(f"{self.source.files(index)[0] or plain.name}: this photo has no mask; "
                            "add one or leave the photo out", "FC-DATA-107")  # fmt: skip
        return plain


def _stack(samples: list[Sample]) -> "tuple[torch.Tensor, torch.Tensor, list[str]]":
    import torch

    first = samples[0]
    for other in samples:
        if other.image.shape != first.image.shape:
            (h, w), (height, width) = first.image.shape[:2], other.image.shape[:2]
            raise UserError(
                f"{first.name} is {w} x {h} and {other.name} {width} x {height}, so they cannot "
                "share a batch; set a crop size, or batch size 1",
                "FC-DATA-129",
            )
    masks = np.stack([sample.mask for sample in samples if sample.mask is not None])
    if masks.dtype != np.uint8:
        masks = masks.astype(np.int64)
    images = np.stack([sample.image for sample in samples])
    return torch.from_numpy(images), torch.from_numpy(masks), [s.name for s in samples]
