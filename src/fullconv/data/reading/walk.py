"""The files below a folder as every command sees them: without debris, links followed once."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from pathlib import Path

DEBRIS = frozenset({
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found",
    "__pycache__", "thumbs.db", "desktop.ini",
})  # fmt: skip
"""Files and folders that systems leave behind, in lower case; so is what begins with a dot."""
HIDDEN = "hidden, or a system's own"
READ_ALREADY = "a link to a folder that is read already"


@dataclass
class Walk:
    """The ``files`` below a folder, sorted, and what was ``left_out`` (path -> why)."""

    files: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


def walk(folder: Path) -> Walk:
    """All files below ``folder``, also in linked folders, but no debris.

    Real folders come before those that links lead to. No folder is entered twice, nor one around
    ``folder`` itself, so links cannot make a loop. Nothing of ``folder``'s own name is looked at.
    """
    texts, left_out = walk_as_text(folder)
    return Walk([Path(text) for text in texts], left_out)


def walk_as_text(folder: Path) -> tuple[list[str], dict[Path, str]]:
    """The same files as str, and what was left out: `Path` objects take most of a walk's time."""
    left_out: dict[Path, str] = {}
    folders = [files for files in _by_folder(folder, left_out) if files]
    files = [file for of_folder in folders for file in of_folder]
    if len(folders) > 1:  # those of one folder are sorted
        files.sort(key=lambda file: file.split(os.sep))
    return files, left_out


def has_file(folder: Path, wanted: Callable[[Path], bool]) -> bool:
    """Whether ``walk`` gives a file that is ``wanted``; it ends with the first one."""
    with suppress(OSError), os.scandir(folder) as entries:  # mostly it lies directly in the folder
        for entry in entries:
            if _is_file(entry) and not is_debris(entry.name) and wanted(folder / entry.name):
                return True
    return any(wanted(Path(file)) for files in _by_folder(folder, {}) for file in files)


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder``, links to folders among them, but no debris; sorted."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _is_folder(entry)]
    return [folder / name for name in sorted(names) if not is_debris(name)]


def _by_folder(folder: Path, left_out: dict[Path, str]) -> Iterator[list[str]]:
    """The files of each folder, sorted; what is ``left_out`` is added there."""
    met, waiting = set(folder.resolve().parents), [folder]
    while waiting:
        stack = [waiting.pop(0)]
        while stack:
            here = stack.pop()
            try:
                with os.scandir(here) as entries:
                    inside = list(entries)
            except OSError as error:
                left_out[here] = f"cannot be read ({error.strerror})"
                continue
            real = here.resolve()
            if real in met:
                left_out[here] = READ_ALREADY
                continue
            met.add(real)
            folders: list[os.DirEntry[str]] = []
            others: list[os.DirEntry[str]] = []
            for entry in inside:
                (folders if _is_folder(entry) else others).append(entry)
            stack += reversed(list(_enter(here, folders, False, left_out)))
            waiting += _enter(here, folders, True, left_out)
            yield list(_taken(here, others, left_out))


def is_debris(name: str) -> bool:
    """Whether a file or folder of this name is left out: hidden, or a system's own."""
    return name.startswith(".") or name.lower() in DEBRIS


def is_debris_below(pattern: str, file: Path) -> bool:
    """Whether a ``file`` that a glob pattern gives is debris by a part that it does not name."""
    return any(is_debris(part) for part in file.parts if part not in pattern)


def _enter(
    here: Path, folders: list["os.DirEntry[str]"], linked: bool, left_out: dict[Path, str]
) -> Iterator[Path]:
    """The folders to go into, sorted: the ``linked`` ones, which come later, or the others."""
    for entry in sorted(folders, key=lambda entry: entry.name):
        if is_debris(entry.name):
            left_out[here / entry.name] = HIDDEN
        elif entry.is_symlink() == linked:
            yield here / entry.name


def _taken(here: Path, files: list["os.DirEntry[str]"], left_out: dict[Path, str]) -> Iterator[str]:
    start = str(here / "_")[:-1]
    for entry in sorted(files, key=attrgetter("name")):
        name = entry.name
        if is_debris(name):
            left_out[here / name] = HIDDEN
        elif _is_file(entry):
            yield start + name
        else:
            cause = "a link that leads nowhere" if entry.is_symlink() else "no file"
            left_out[here / name] = cause


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:  # links that lead in a circle
        return False


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def existing(path: Path) -> Path:
    """``path``, or the file beside it whose name differs in its Unicode form only.

    A Mac's archives write 'é' as two characters, most others as one.
    """
    if os.path.isfile(path):
        return path
    return _by_composed_name(path.parent).get(composed(path.name), path)


@lru_cache(maxsize=64)
def _by_composed_name(folder: Path) -> dict[str, Path]:
    try:
        return {composed(name): folder / name for name in os.listdir(folder)}
    except (OSError, ValueError):
        return {}


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which equal names are equal."""
    return unicodedata.normalize("NFC", name)
