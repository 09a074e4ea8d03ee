"""The names of results, from the names of their photos."""

import os
from collections import Counter, defaultdict
from pathlib import Path


def result_names(depths: dict[Path, int]) -> dict[Path, Path]:
    """Path of each result: as short as the files' own folders allow, no two alike."""
    paths = {file: Path(os.path.abspath(file)) for file in depths}  # links keep their names
    files = {path: file for file, path in reversed(paths.items())}  # the same file named twice
    once = set(files.values())
    depths = {file: depth for file, depth in depths.items() if file in once}
    stems = Counter(_key(paths[file].with_suffix("")) for file in depths)
    ends = {
        file: file.name if stems[_key(paths[file].with_suffix(""))] > 1 else file.stem
        for file in depths
    }
    while True:
        names = {
            file: Path(*paths[file].parent.parts[1:][_tail(depth)], ends[file])
            for file, depth in depths.items()
        }
        folders: dict[str, set[Path]] = defaultdict(set)
        for file, name in names.items():
            folders[_key(name)].add(paths[file].parent)
        alike = [file for file, name in names.items() if len(folders[_key(name)]) > 1]
        if not alike:
            return names
        depths |= {file: depths[file] + 1 for file in alike}


def _tail(depth: int) -> slice:
    return slice(0, 0) if depth == 1 else slice(-(depth - 1), None)


def _key(path: Path) -> str:
    return str(path).casefold()  # some file systems do not tell A from a
