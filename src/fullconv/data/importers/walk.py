"""The files of an export: neither hidden ones, nor what an earlier import left in its folder."""

from pathlib import Path

from fullconv.data.importers.report import JSON


def files_below(folder: Path, pattern: str = "**/*") -> list[Path]:
    """The files that fit ``pattern``, sorted; data sets that an import made are passed over.

    So 'fullconv import . out' can be typed twice. Hidden are also the '._a.json' of a Mac's archive
    and the copies in '.ipynb_checkpoints'.
    """
    found = [file for file in folder.glob(pattern) if file.is_file()]
    made = {report.parent for report in folder.rglob(JSON)}
    return sorted(
        file
        for file in found
        if made.isdisjoint(file.parents)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
