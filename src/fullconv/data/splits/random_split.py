"""A data set without splits, split by seed: frames of one video stay together."""

import re
from collections.abc import Sequence

import numpy as np

from fullconv.data.importers.mapping.assign_splits import by_shares
from fullconv.data.listing_cache import cached
from fullconv.data.path_list import NameList
from fullconv.errors import UserError

SHARE = 0.2
"""The share of photos that are held out to validate on."""


def random_split(names: Sequence[str], seed: int, share: float = SHARE) -> dict[str, NameList]:
    """The ``names`` of 'train' and of 'val', in their order; the same for the same seed.

    Names that differ in their last number only (``clip1_0001``, ``clip1_0002``) are taken for
    frames of one video and stay together. Where all names are of one such series, a part of it
    without gaps is held out, so that few neighbours are separated. Raises UserError for fewer than
    two photos.
    """
    if len(names) < 2:
        raise UserError(
            f"{len(names)} photo cannot be split into train and val: add photos", "FC-DATA-103"
        )
    return cached(("split", seed, share), lambda: _random_split(names, seed, share), same=(names,))


def _random_split(names: Sequence[str], seed: int, share: float) -> dict[str, NameList]:
    series = [series_of(name) for name in names]
    if len(set(series)) == 1:
        held_out = _run_of(names, seed, share)
    else:
        splits = by_shares(series, {"val": share}, seed)
        held_out = {name for name, split in zip(names, splits, strict=True) if split == "val"}
    return {
        "train": NameList.of([name for name in names if name not in held_out]),
        "val": NameList.of([name for name in names if name in held_out]),
    }


def grouping_of(names: Sequence[str]) -> str:
    """How the ``names`` decided which photos stay together, in words; empty where they did not."""
    series = cached("series", lambda: len({series_of(name) for name in names}), same=(names,))
    if series == len(names):
        return ""
    if series == 1:
        return "neighbours by number held out together, as frames of one video are alike"
    return "frames of one video kept together, by their names"


def series_of(name: str) -> str:
    """A photo's name with its last number as '#': the same for the frames of a video."""
    folder, _, stem = name.rpartition("/")
    return f"{folder}/" + re.sub(r"\d+(?=\D*$)", "#", stem)


def _run_of(names: Sequence[str], seed: int, share: float) -> set[str]:
    """Neighbours in the order of their numbers, from a place drawn by ``seed`` on."""
    in_order = sorted(names, key=lambda name: [int(n) for n in re.findall(r"\d+", name)] or [0])
    count = max(1, round(share * len(names)))
    first = int(np.random.default_rng(seed).integers(len(names) - count + 1))
    return set(in_order[first : first + count])
