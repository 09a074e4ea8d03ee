"""What the heads of many photos say, read once: their sizes, and whether they may have 16 bits."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.file_stamps import (
    read_store,
    rows_of,
    stamp,
    store_file,
    write_store,
)
from fullconv.data.reading.image import largest_photo as largest_of_few
from fullconv.data.reading.image import size_said
from fullconv.data.reading.options import may_be_deep
from fullconv.data.sample import Source

MANY = 1000
"""Photos from which on their heads are kept between commands."""
_memo: list[tuple[tuple[Path, ...], npt.NDArray[np.int32]]] = []


def largest_photo(source: Source) -> tuple[int, int]:
    """Height and width of the photo with the most pixels, as the files' heads say.

    Of photos that are no files, or cannot be read, nothing is known: then that of the first one.
    """
    photos = _many_photos(source)
    if photos is not None:
        heads = heads_of(photos)
        pixels = heads[:, 0].astype(np.int64) * heads[:, 1]
        if pixels.max():
            height, width, _ = heads[int(pixels.argmax())].tolist()
            return height, width
    return largest_of_few(source)


def photos_maybe_deep(source: Source) -> list[Path]:
    """The photos that may have more than 8 bits."""
    photos = _many_photos(source)
    if photos is None:
        return [file for n in range(len(source)) if (file := source.files(n)[0])]
    return [photos[row] for row in np.flatnonzero(heads_of(photos)[:, 2])]


def _many_photos(source: Source) -> tuple[Path, ...] | None:
    inner = getattr(source, "sources", (source,))[0]
    photos = getattr(inner, "photos", None)
    return photos if isinstance(photos, tuple) and len(photos) >= MANY else None


def heads_of(photos: tuple[Path, ...]) -> npt.NDArray[np.int32]:
    """Height and width, 0 where a head does not say, and 1 where a photo may be deep; (N, 3).

    Heads of files that are as they were are taken from the last time.
    """
    for known, heads in _memo:
        if known is photos:
            return heads
    file = store_file("heads", str(photos[0].parent.absolute()))
    store = read_store(file)
    old, rows = store.get("heads"), {}
    if old is not None and old.shape == (len(store["keys"]), 3):
        rows = rows_of(store["keys"])
    heads, keys, is_new = np.zeros((len(photos), 3), np.int32), [], False
    for number, photo in enumerate(photos):
        key = stamp((photo.absolute(),))
        row = rows.get(key) if key else None
        if row is None or old is None:
            heads[number] = (*(size_said(photo) or (0, 0)), may_be_deep(photo))
            is_new = True
        else:
            heads[number] = old[row]
        keys.append(key)
    if is_new:
        lasting = [number for number, key in enumerate(keys) if key]
        write_store(file, [keys[number] for number in lasting], {"heads": heads[lasting]})
    _memo[:] = [*_memo[-3:], (photos, heads)]
    return heads
