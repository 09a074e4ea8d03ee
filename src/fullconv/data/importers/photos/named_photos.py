"""Where the photos are that label files name."""

import os
import re
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TypeVar
from urllib.parse import unquote

from fullconv.data.importers.annotations import Item, Note
from fullconv.data.importers.export_files import files_below
from fullconv.data.reading.image import SUFFIXES
from fullconv.data.reading.walk import composed
from fullconv.errors import DataError

_Path = TypeVar("_Path", bound=PurePath)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^/\\]*[/\\]")
UNREADABLE = frozenset({".heic", ".heif"})
"""Endings of photos, as phones write them, that Pillow cannot read without further software."""


class Shelf:
    """All pictures below some folders, found by the names that label files use for them.

    Names are compared in Unicode's composed form (NFC): a Mac's archives write 'é' as two
    characters. Nothing outside of the folders is ever found, whatever a name says. What lies in the
    folders ``without`` is no photo.
    """

    def __init__(
        self, source: Path, images: Path | None = None, without: Collection[Path] = ()
    ) -> None:
        self.source = source if source.is_dir() else source.parent
        self.folders = (self.source, images) if images else (self.source,)
        self.pictures: list[Path] = []
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._unreadable: list[Path] = []
        known: set[str] = set()  # 'src/a.jpg' in src and /home/me/src is one picture
        for file in (file for folder in self.folders for file in files_below(folder)):
            if not set(without).isdisjoint(file.parents):
                continue
            if file.suffix.lower() in UNREADABLE:
                self._unreadable.append(file)
            elif file.suffix.lower() in SUFFIXES and os.path.abspath(file) not in known:
                known.add(os.path.abspath(file))
                self._by_name[composed(file.name)].append(file)
                self._by_name[composed(file.stem)].append(file)
                self.pictures.append(file)

    def beside(self, name: str, near: Path) -> Path | None:
        """The picture at exactly ``near / name``, with its suffix or without."""
        exact = _readable(_place(near / name.replace("\\", "/")))
        same = {path: _place(path) for path in self._by_name.get(exact.name, [])}
        matches = [p for p, place in same.items() if exact in (place, place.with_suffix(""))]
        if len(matches) > 1:  # two forms of one name lie there: the one that is written
            written = os.path.abspath(near / name.replace("\\", "/"))
            matches = [path for path in matches if os.path.abspath(path) == written]
        return matches[0] if len(matches) == 1 else None

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
        if not plain(name).name:
            raise DataError(file, f"names no photo ({_quoted(name)})", "",
                            "name the photo in the tool", "FC-IMPORT-065")  # fmt: skip
        spellings = (name, unquote(name), str(plain(name)))  # 'my%20photo.jpg', an address
        for spelling in dict.fromkeys(spellings):
            path = self._find(spelling, near, file, split)
            if path is not None:
                return path
        self._not_heic(file, plain(name), near)
        folders = " and ".join(map(str, self.folders))
        what = f"its photo {_quoted(name)} is not in {folders}{self._alike(plain(name).name)}"
        fix = "put it there, or name its folder with --images"
        raise DataError(file, what, "", fix, "FC-IMPORT-020")

    def _find(self, name: str, near: Path, file: str | Path, split: str | None) -> Path | None:
        exact = self.beside(name, near)
        if exact is not None:
            return exact
        wanted = _readable(plain(composed(name)))
        same = self._by_name.get(wanted.name, [])
        for group in (
            [path for path in same if _ends_with(path, wanted)],
            [path for path in same if split and any(p.startswith(split) for p in path.parts)],
            same,
        ):
            if len(group) == 1:
                return group[0]
        if not same:
            return None
        what = f"its photo {_quoted(name)} is there more than once: {same[0]} and {same[1]}"
        fix = "name the right folder with --images"
        raise DataError(file, what, "", fix, "FC-IMPORT-021")

    def _alike(self, name: str) -> str:
        """A photo whose name looks nearly the same, and where it differs."""
        key = _looks_of(name)
        for path in self.pictures:
            if _looks_of(path.name) == key:
                return f"; {path.name!r} is, {difference(composed(name), composed(path.name))}"
        return ""

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
        what = f"its photo {photo} is HEIC, which is not read"
        raise DataError(file, what, "", fix, "FC-IMPORT-022")


def _readable(name: _Path) -> _Path:
    """'1.heic' as '1': the photo may have been converted after it was labelled."""
    return name.with_suffix("") if name.suffix.lower() in UNREADABLE else name


def _place(path: Path) -> Path:
    return Path(composed(os.path.abspath(path)))


def _quoted(name: str) -> str:
    """A name as a message shows it, the middle of a long one left out."""
    return repr(name if len(name) <= 200 else f"{name[:98]}...{name[-98:]}")


def _looks_of(name: str) -> str:
    """What two names share that a person may take for one: case, width, spaces and dashes aside."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in plain if c.isalnum() or c == ".")


def difference(name: str, other: str) -> str:
    """Where two names differ first, with the code points: they may look the same."""
    place = next(
        (i for i, (a, b) in enumerate(zip(name, other, strict=False)) if a != b),
        min(len(name), len(other)),
    )
    signs = [
        f"U+{ord(text[place]):04X}" if place < len(text) else "its end" for text in (other, name)
    ]
    return f"which has {signs[0]} where the label file has {signs[1]} (character {place + 1})"


def plain(name: str) -> PurePosixPath:
    """A path from a file as one that leads nowhere else: relative, without '..' and drives.

    Of an address (https://.../a.jpg?key=1, s3://...) the name of its file.
    """
    if _ADDRESS.match(name):
        path = re.split(r"[?#]", name, maxsplit=1)[0]
        return PurePosixPath(unquote(re.split(r"[/\\]", path)[-1]))
    windows = PureWindowsPath(name)
    parts = windows.parts[1:] if windows.anchor else windows.parts
    leads_out = bool(windows.anchor) or ".." in parts
    return PurePosixPath(*((p for p in parts[-1:] if p != "..") if leads_out else parts))


def _ends_with(path: Path, wanted: PurePosixPath) -> bool:
    named = path if composed(path.name) == wanted.name else path.with_suffix("")
    parts = tuple(composed(part) for part in named.parts)
    return parts[-len(wanted.parts) :] == wanted.parts
