"""Published data sets: downloaded, verified, unpacked, and there whole or not at all."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from fullconv.data.published.registry import PublishedData, find_published_data
from fullconv.download import RetryPolicy, download, exclusive, unpack
from fullconv.errors import UserError

Shown = Callable[[str], AbstractContextManager[Callable[[int, int | None], object]]]


def fetch(
    name: str,
    folder: str | Path,
    *,
    keep: bool = False,
    shown: Shown = lambda what: nullcontext(lambda done, total: None),
    offline: bool | None = None,
    retry: RetryPolicy | None = None,
) -> Path:
    """The place of the data set called ``name`` below ``folder``; fetched where it is not there.

    The archive is downloaded into ``folder``, or taken from there, and removed after unpacking
    unless ``keep`` or it was there before. It is unpacked beside its place and renamed when
    complete. ``shown(what)`` gives a context with the function that shows progress, once for
    each step. Raises UserError.
    """
    data, folder = find_published_data(name), Path(folder).expanduser()
    place = folder / data.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / name):
            if not place.exists():
                _fetch(data, folder, place, keep, shown, offline, retry)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror or error})", "FC-FILE-002"
        ) from error
    return place


def _fetch(
    data: PublishedData,
    folder: Path,
    place: Path,
    keep: bool,
    shown: Shown,
    offline: bool | None,
    retry: RetryPolicy | None,
) -> None:
    archive = folder / data.file.name
    keep = keep or archive.exists()
    with shown(f"downloading {data.name}") as progress:
        download(data.file, archive, progress=progress, offline=offline, retry=retry)
    # A killed call leaves this name behind; no call that runs uses it, as only one does at once.
    temporary = folder / f".{data.name}.unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with shown(f"unpacking {data.name}") as progress:
            unpack(archive, temporary, progress)
        unpacked = temporary / (data.inside or "")
        if not unpacked.is_dir():
            raise UserError(
                f"{archive}: there is no {data.inside} in it; nothing is unpacked", "FC-DATA-124"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(unpacked, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not keep:
        archive.unlink()
