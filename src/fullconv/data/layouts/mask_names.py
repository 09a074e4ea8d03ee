"""How folders of photos and of masks, and masks beside their photos, are usually called.

As ``img`` with ``gt``, or street1_mask.png for street1.jpg.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

PHOTO_FOLDERS = frozenset({"images", "image", "imgs", "img", "photos", "photo", "img_dir"})
MASK_FOLDERS = frozenset({
    "masks", "mask", "labels", "label", "annotations", "annotation", "gt", "ground_truth",
    "groundtruth", "segmentation", "segmentations", "ann_dir",
})  # fmt: skip
"""Names of folders, in lower case; ``img_dir`` and ``ann_dir`` are MMSegmentation's."""
_MASK = (
    "masks?|labels?|labelids|labeltrainids|gt|groundtruth|seg|segmentation|annotations?|annot|ann"
)
_PHOTO = "images?|imgs?|photos?|leftimg8bit|sat"
_BETWEEN = r"[\s_.\-]+"


def _ends(words: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of a name that begins, and of one that ends, with one of ``words``.

    A number may follow a word at once: 'mask12'.
    """
    first = rf"(?P<folder>(?:.*/)?)(?:{words})(?:{_BETWEEN}(?=[^/])|(?=\d))(?P<rest>[^/]+)"
    last = rf"(?P<folder>(?:.*/)?)(?P<rest>[^/]+?){_BETWEEN}(?:{words})"
    return re.compile(first, re.IGNORECASE), re.compile(last, re.IGNORECASE)


_MASK_ENDS, _PHOTO_ENDS = _ends(_MASK), _ends(_PHOTO)
_ANY_ENDS = _ends(f"{_MASK}|{_PHOTO}")
_L = re.compile(r"(?P<folder>(?:.*/)?)(?P<rest>[^/]+)_L")
"""The end of CamVid's own masks: 0001TP_006690_L.png."""


def photos_named_by(mask: str) -> set[str]:
    """The names that a mask's name has without a word for masks at one of its ends."""
    return _shortened(mask, _MASK_ENDS)


def without_words(name: str) -> str:
    """A name without a word for masks or photos at one of its ends: 'train' for 'train_images'."""
    return min(_shortened(name, _ANY_ENDS), default=name)


def masks_of(photos: Iterable[str], masks: Collection[str]) -> dict[str, str]:
    """Photo -> mask, by their names without such words; only where one photo fits one mask.

    Names are paths without suffix. Where a mask has the name of a photo, nothing is guessed: the
    result is empty. Nor is a name shortened where a longer one fits: of 'img_1' the mask is
    'img_1_mask', and 'mask_1' only where no mask has the whole name of a photo in its own.
    """
    photos = list(photos)
    known = set(photos)
    if not known.isdisjoint(masks):
        return {}
    whole = {mask: photos_named_by(mask) & known for mask in masks}
    pairs = _one_to_one(whole) or _one_to_one(
        {mask: _shortened(mask, (_L,)) & known for mask in masks}
    )
    if pairs:
        return pairs
    by_key: dict[str, set[str]] = {}
    for name in photos:
        for key in {name, *_shortened(name, _PHOTO_ENDS)}:
            by_key.setdefault(key, set()).add(name)
    return _one_to_one(
        {
            mask: {name for key in photos_named_by(mask) for name in by_key.get(key, ())}
            for mask in masks
        }
    )


def _one_to_one(fitting: Mapping[str, set[str]]) -> dict[str, str]:
    """Photo -> mask, of masks that fit one photo which no other mask fits."""
    times = Counter(name for names in fitting.values() for name in names)
    pairs = {
        next(iter(names)): mask
        for mask, names in fitting.items()
        if len(names) == 1 and times[next(iter(names))] == 1
    }
    return dict(sorted(pairs.items()))


def _shortened(name: str, ends: Iterable[re.Pattern[str]]) -> set[str]:
    matches = (pattern.fullmatch(name) for pattern in ends)
    return {match["folder"] + match["rest"] for match in matches if match}
