"""Where the photos are that label files name."""

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath, PureWindowsPath

from fullconv.data.faults import DataError
from fullconv.data.photo import SUFFIXES


class Shelf:
    """All pictures below some folders, found by the names that label files use for them.

    Nothing outside of the folders is ever found, whatever a name says.
    """

    def __init__(self, *folders: Path | None) -> None:
        self.folders = tuple(dict.fromkeys(f for f in folders if f is not None))
        self.pictures: list[Path] = []
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for file in sorted({f for folder in self.folders for f in folder.rglob("*")}):
            if file.suffix.lower() in SUFFIXES and not file.name.startswith("."):
                self._by_name[file.name].append(file)
                self._by_name[file.stem].append(file)
                self.pictures.append(file)

    def find(self, name: str, near: Path, file: str | Path, split: str | None = None) -> Path:
        """The picture that ``file`` calls ``name``: with its suffix and folders, or without.

        One at ``near / name`` is taken first, then one whose path ends with ``name``, then one of
        the bare name; among several, the one in a folder named after ``split``. Raises UserError
        (DataError) where there is none, or more than one.
        """
        wanted = plain(name)
        same = self._by_name.get(wanted.name, [])
        exact = Path(os.path.normpath(near / name.replace("\\", "/")))
        for group in (
            [path for path in same if exact in (path, path.with_suffix(""))],
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
        raise DataError(file, f"its photo {name!r} is not in {folders}", "",
                        "put it there, or name its folder with --images")  # fmt: skip


def plain(name: str) -> PurePosixPath:
    """A path from a file as one that leads nowhere else: relative, without '..' and drives."""
    windows = PureWindowsPath(name)
    parts = windows.parts[1:] if windows.anchor else windows.parts
    leads_out = bool(windows.anchor) or ".." in parts
    return PurePosixPath(*(parts[-1:] if leads_out else parts))


def _ends_with(path: Path, wanted: PurePosixPath) -> bool:
    found = path if path.name == wanted.name else path.with_suffix("")
    return found.parts[-len(wanted.parts) :] == wanted.parts
