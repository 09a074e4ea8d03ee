"""Which photo is trained on, and which are kept back."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from fullconv.data.importers.annotations import Item, Note
from fullconv.data.importers.import_request import VAL, Request
from fullconv.errors import UserError

TRAIN = "train"
USUAL = {"train": TRAIN, "training": TRAIN, "val": "val", "valid": "val", "validation": "val",
         "test": "test", "testing": "test"}  # fmt: skip
"""Split by what tools and people call it, in lower case."""


def assign(items: Sequence[Item], request: Request) -> tuple[list[str], list[Note]]:
    """The split of each item, and what there is to say about it; UserError for a bad pattern.

    As the source gives them; with ``--val`` or ``--test``, or where it gives none, by shares.
    Photos of one group are never split_rasters.
    """
    given = any(item.split is not None for item in items)
    if given and not request.resplits:
        if request.group is not None:
            raise UserError(
                "--group splits photos by shares; say which: --val 0.2 --group ...", "FC-IMPORT-006"
            )
        splits = [item.split or TRAIN for item in items]
        text = "as the source gives them"
        if "val" not in splits:
            text += f"; there is no val, which training needs: --val {VAL:g}"
        without = [Note("no split", item.file) for item in items if item.split is None]
        return splits, [Note("split", "", text), *without]
    shares = {"val": VAL if not request.resplits else request.val or 0, "test": request.test or 0}
    names = [item.name for item in items]
    if not request.resplits and len(items) == 1:
        return [TRAIN], [Note("split", "", "all train: a single photo cannot be split")]
    keys = names if request.group is None else [_key(name, request.group) for name in names]
    splits = by_shares(keys, shares, request.seed)
    return splits, [Note("split", "", _said(shares, keys, request, given))]


def by_shares(keys: Sequence[str], shares: dict[str, float], seed: int) -> list[str]:
    """A split for each key, equal keys in one: 'train' gets what ``shares`` leave.

    Large groups are placed first, in an order drawn by ``seed``, each into the split that lacks
    most; so a split is off by less than twice the largest group, and exact without groups.
    """
    sizes = Counter(keys)
    lacking = {name: round(share * len(keys)) for name, share in shares.items() if share > 0}
    lacking = {name: max(number, 1) for name, number in lacking.items()}
    if len(sizes) <= len(lacking):
        raise UserError(
            f"{len(sizes)} photos or groups cannot be split into {', '.join((TRAIN, *lacking))}; "
            "give --val 0 to train on all of them",
            "FC-IMPORT-029",
        )
    lacking = {TRAIN: max(len(keys) - sum(lacking.values()), 1), **lacking}
    order = np.random.default_rng(seed).permutation(len(sizes))
    groups = [sorted(sizes)[place] for place in order]
    home: dict[str, str] = {}
    for group in sorted(groups, key=lambda group: -sizes[group]):
        name = max(lacking, key=lambda name: lacking[name])
        home[group] = name
        lacking[name] -= sizes[group]
    for name in lacking:  # few large groups may leave one without any
        if name not in home.values():
            shared = Counter(home.values())
            home[min((g for g in home if shared[home[g]] > 1), key=lambda g: sizes[g])] = name
    return [home[key] for key in keys]


def _key(name: str, pattern: str) -> str:
    """What the pattern matches in a name, its first bracket if it has one."""
    match = re.search(pattern, name)
    if match is None:
        raise UserError(
            f"--group {pattern!r} matches nothing in the photo's name {name!r}; "
            "write a pattern that matches every name, as '^[^_]+'",
            "FC-IMPORT-029",
        )
    return match[match.re.groups and 1] or ""


def _said(shares: dict[str, float], keys: Sequence[str], request: Request, given: bool) -> str:
    by = ", ".join(f"{share:g} {name}" for name, share in shares.items() if share) or "none"
    text = f"by shares ({by}), seed {request.seed}"
    if request.group is not None:
        sizes: dict[str, int] = defaultdict(int)
        for key in keys:
            sizes[key] += 1
        text += f", {len(sizes)} groups of up to {max(sizes.values())} photos kept together"
    return text + ("; the source's own splits are given up" if given else "")
