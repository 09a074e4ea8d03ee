"""What the heads of many photos say, read once: their sizes, and whether they may have 16 bits."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.data.listing_cache import cached
from fullconv.data.path_list import PathList
from fullconv.data.reading.file_stamps import (
    Column,
    Stamps,
    Stats,
    column,
    read_store,
    store_file,
    write_store,
)
from fullconv.data.reading.image import largest_photo as largest_of_few
from fullconv.data.reading.image import size_said
from fullconv.data.reading.options import may_be_deep
from fullconv.data.sample import Source

MANY = 1000
"""Photos from which on their heads are kept between commands."""
MOST_OTHERS = 100_000
NO_HEADS = np.zeros((0, 3), np.int32)


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
    return [photos[row] for row in np.flatnonzero(heads_of(photos)[:, 2]).tolist()]


def _many_photos(source: Source) -> PathList | None:
    inner = getattr(source, "sources", (source,))[0]
    photos = getattr(inner, "photos", None)
    return photos if isinstance(photos, PathList) and len(photos) >= MANY else None


def heads_of(photos: PathList) -> npt.NDArray[np.int32]:
    """Height and width, 0 where a head does not say, and 1 where a photo may be deep; (N, 3).

    Heads of files that are as they were are taken from the last time.
    """
    return cached("heads", lambda: _heads_of(photos), same=(photos,))


def column_of(files: PathList) -> Column:
    """The files as the system has them now, read once within `cached_listings`."""
    return column(files, cached("stats", lambda: Stats.of(files.texts()), same=(files,)))


def _heads_of(photos: PathList) -> npt.NDArray[np.int32]:
    file = store_file("heads", str(photos[0].parent.absolute()))
    store, stamps = read_store(file), Stamps([column_of(photos)])
    known = store.get("heads", NO_HEADS)
    if not store or known.shape != (len(store["keys"]), 3):
        store, known = {}, NO_HEADS
    rows = stamps.rows_in(store) if store else np.full(len(photos), -1)
    heads = np.zeros((len(photos), 3), np.int32)
    heads[rows >= 0] = known[rows[rows >= 0]]
    for number in np.flatnonzero(rows < 0).tolist():
        photo = photos[number]
        heads[number] = (*(size_said(photo) or (0, 0)), may_be_deep(photo))
    if (rows < 0).any():
        new = {**stamps.stored(), "heads": heads[stamps.are_lasting]}
        # Other photos of the folder, as those of another split, stay: as many as there is room for.
        others = np.setdiff1d(np.arange(len(known)), rows)[: 4 * len(photos) + MOST_OTHERS]
        for name in ("keys", "stats", "heads") if len(others) else ():
            new[name] = np.concatenate([new[name], store[name][others]])
        write_store(file, new)
    return heads
