"""The files of an export: neither hidden ones, nor what an earlier import left in its folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from fullconv.data.importers.import_report import JSON


def files_below(folder: Path) -> list[Path]:
    """All files, sorted, also in folders that are links; data sets of an import are passed over.

    So 'fullconv import . out' can be typed twice. Hidden are also the '._a.json' of a Mac's archive
    and the copies in '.ipynb_checkpoints'.
    """
    found = [file for file in _walk(folder) if file.is_file()]
    made = {file.parent for file in found if file.name == JSON}
    return sorted(file for file in found if made.isdisjoint(file.parents))


def _walk(top: Path) -> Iterator[Path]:
    """What is not hidden: first without following links, then the folders that links lead to.

    A folder that was met is not entered again, nor one around ``top``: no link makes a loop.
    """
    home = top.resolve()
    met, waiting = {*home.parents}, [top]
    while waiting:
        for place, folders, files in os.walk(waiting.pop(0)):
            real = Path(place).resolve()
            if real in met:
                folders.clear()
                continue
            met.add(real)
            shown = sorted(name for name in folders if not name.startswith("."))
            links = [name for name in shown if os.path.islink(os.path.join(place, name))]
            waiting += [Path(place, name) for name in links]
            folders[:] = [name for name in shown if name not in links]
            yield from (Path(place, name) for name in files if not name.startswith("."))
