"""The files of an export: neither hidden ones, nor what an earlier import left in its folder."""

from pathlib import Path

from fullconv.data.importers.import_report import JSON, TEXT
from fullconv.data.walk import walk


def files_below(folder: Path) -> list[Path]:
    """All files, sorted, also in folders that are links; those of an import's data set are passed over.

    So 'fullconv import . out' can be typed twice. Left out is what `walk` leaves out: hidden files,
    the '._a.json' of a Mac's archive, the copies in '.ipynb_checkpoints'.
    """
    files = walk(folder).files
    imported = {file.parent for file in files if file.name == JSON and file.parent != folder}
    return [f for f in files if imported.isdisjoint(f.parents) and f.name not in (JSON, TEXT)]
