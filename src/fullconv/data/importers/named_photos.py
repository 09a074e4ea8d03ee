"""Where the photos are that label files name."""

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TypeVar

from fullconv.data.checks.findings import DataError
from fullconv.data.importers.annotations import Item, Note
from fullconv.data.importers.export_files import files_below
from fullconv.data.reading.image import SUFFIXES

_Path = TypeVar("_Path", bound=PurePath)
UNREADABLE = frozenset({".heic", ".heif"})
"""Endings of photos, as phones write them, that Pillow cannot read without further software."""


class Shelf:
    """All pictures below some folders, found by the names that label files use for them.

    Nothing outside of the folders is ever found, whatever a name says.
    """

    def __init__(self, source: Path, images: Path | None = None) -> None:
        self.source = source if source.is_dir() else source.parent
        self.folders = (self.source, images) if images else (self.source,)
        self.pictures: list[Path] = []
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._unreadable: list[Path] = []
        known: set[str] = set()  # 'src/a.jpg' in src and /home/me/src is one picture
        for file in (file for folder in self.folders for file in files_below(folder)):
            if file.suffix.lower() in UNREADABLE:
                self._unreadable.append(file)
            elif file.suffix.lower() in SUFFIXES and os.path.abspath(file) not in known:
                known.add(os.path.abspath(file))
                self._by_name[file.name].append(file)
                self._by_name[file.stem].append(file)
                self.pictures.append(file)

    def beside(self, name: str, near: Path) -> Path | None:
        """The picture at exactly ``near / name``, with its suffix or without."""
        exact = _readable(Path(os.path.abspath(near / name.replace("\\", "/"))))
        same = {path: Path(os.path.abspath(path)) for path in self._by_name.get(exact.name, [])}
        found = [p for p, place in same.items() if exact in (place, place.with_suffix(""))]
        return found[0] if len(found) == 1 else None

    def unlabelled(self, items: Iterable[Item]) -> list[Note]:
        """The pictures of the source that none of ``items`` uses."""
        used = {item.photo for item in items}
        rest = (file for file in self.pictures if file not in used)
        return [Note("unlabelled", str(file)) for file in rest if self.source in file.parents]

    def find(self, name: str, near: Path, file: str | Path, split: str | None = None) -> Path:
        """The picture that ``file`` calls ``name``: with its suffix and folders, or without.

        One at ``near / name`` is taken first, then one whose path ends with ``name``, then one of
        the bare name; among several, the one in a folder named after ``split``. Raises UserError
        (DataError) where there is none, or more than one.
        """
        exact = self.beside(name, near)
        if exact is not None:
            return exact
        wanted = _readable(plain(name))
        same = self._by_name.get(wanted.name, [])
        for group in (
            [path for path in same if _ends_with(path, wanted)],
            [path for path in same if split and any(p.startswith(split) for p in path.parts)],
            same,
        ):
            if len(group) == 1:
                return group[0]
        folders = " and ".join(map(str, self.folders))
        if same:
            what = f"its photo {name!r} is there more than once: {same[0]} and {same[1]}"
            raise DataError(file, what, "", "name the right folder with --images")
        self._not_heic(file, plain(name), near)
        raise DataError(file, f"its photo {name!r} is not in {folders}", "",
                        "put it there, or name its folder with --images")  # fmt: skip

    def _not_heic(self, file: str | Path, wanted: PurePosixPath, near: Path) -> None:
        """Raise DataError where the photo is there, but in a format that is not read."""
        same = [photo for photo in self._unreadable if photo.stem in (wanted.name, wanted.stem)]
        if not same:
            return
        photo = next((photo for photo in same if photo.parent == near), same[0])
        heic, jpeg = shlex.quote(photo.name), shlex.quote(f"{photo.stem}.jpg")
        fix = (
            f"convert it to {jpeg} beside it: magick {heic} {jpeg}, "
            f"or on a Mac: sips -s format jpeg {heic} --out {jpeg}"
        )
        raise DataError(file, f"its photo {photo} is HEIC, which is not read", "", fix)


def _readable(name: _Path) -> _Path:
    """'1.heic' as '1': the photo may have been converted after it was labelled."""
    return name.with_suffix("") if name.suffix.lower() in UNREADABLE else name


def plain(name: str) -> PurePosixPath:
    """A path from a file as one that leads nowhere else: relative, without '..' and drives."""
    windows = PureWindowsPath(name)
    parts = windows.parts[1:] if windows.anchor else windows.parts
    leads_out = bool(windows.anchor) or ".." in parts
    return PurePosixPath(*(parts[-1:] if leads_out else parts))


def _ends_with(path: Path, wanted: PurePosixPath) -> bool:
    found = path if path.name == wanted.name else path.with_suffix("")
    return found.parts[-len(wanted.parts) :] == wanted.parts
