"""How folders of photos and of masks, and masks beside their photos, are usually called.

As ``img`` with ``gt``, or street1_mask.png for street1.jpg.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

MASK_WORDS = frozenset({
    "mask", "masks", "label", "labels", "labelids", "labeltrainids", "gt", "groundtruth", "seg",
    "segmentation", "annotation", "annotations", "annot", "anno", "ann", "target", "l",
})  # fmt: skip
"""In lower case. 'L' is that of CamVid's own files (0001TP_006690_L.png)."""
PHOTO_WORDS = frozenset({"image", "images", "img", "imgs", "im", "photo", "photos", "leftimg8bit"})
PHOTO_FOLDERS = frozenset({
    "images", "image", "imgs", "img", "photos", "photo", "img_dir", "inputs",
})  # fmt: skip
MASK_FOLDERS = frozenset({
    "masks", "mask", "labels", "label", "annotations", "annotation", "gt", "ground_truth",
    "groundtruth", "segmentation", "segmentations", "targets", "ann_dir",
})  # fmt: skip
"""Names of folders, in lower case; ``img_dir`` and ``ann_dir`` are MMSegmentation's."""
_BETWEEN = re.compile(r"[\s_.\-]+")
_WORD_AND_NUMBER = re.compile(r"([A-Za-z]+)(\d.*)")


def is_mask_name(name: str) -> bool:
    """Whether the first or the last word of a name is one for masks, and not its only one."""
    words = _words(name)
    return len(words) > 1 and bool(MASK_WORDS & {words[0].lower(), words[-1].lower()})


def masks_of(photos: Iterable[str], masks: Mapping[str, str]) -> dict[str, str]:
    """Photo -> mask, by their names without such words; only where one photo fits one mask.

    Names are paths without suffix. Where a mask has the name of a photo, nothing is guessed: the
    result is empty.
    """
    photos = list(photos)
    if any(name in masks for name in photos):
        return {}
    by_key = {_key(name, MASK_WORDS): name for name in masks}
    mask_keys = Counter(_key(name, MASK_WORDS) for name in masks)
    photo_keys = Counter(_key(name, PHOTO_WORDS) for name in photos)
    return {
        name: by_key[key]
        for name in photos
        if photo_keys[key := _key(name, PHOTO_WORDS)] == mask_keys[key] == 1
    }


def without_words(name: str) -> str:
    """A name without the words for masks and photos at its ends: 'train' for 'train_images'."""
    return _key(name, MASK_WORDS | PHOTO_WORDS)


def _key(name: str, ends: frozenset[str]) -> str:
    """The name without a word of ``ends`` at its beginning and end, folders included."""
    folder, slash, _ = name.rpartition("/")
    words = _words(name)
    if len(words) > 1 and words[0].lower() in ends:
        words = words[1:]
    if len(words) > 1 and words[-1].lower() in ends:
        words = words[:-1]
    return folder + slash + "_".join(words)


def _words(name: str) -> list[str]:
    """The words of the last part of a path; 'mask12' is two."""
    words = [word for word in _BETWEEN.split(name.rpartition("/")[2]) if word]
    joined = _WORD_AND_NUMBER.fullmatch(words[0]) if words else None
    if joined and joined[1].lower() in MASK_WORDS | PHOTO_WORDS:
        words = [joined[1], joined[2], *words[1:]]
    return words
