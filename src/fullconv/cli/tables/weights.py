"""Published weights with size, licence and checksum; what became of converted ones."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from fullconv.checkpoints.installed import InstalledFile
from fullconv.checkpoints.registry import Published, file_here
from fullconv.cli.tables.datasets import size_and_check
from fullconv.cli.tables.screen import table

if TYPE_CHECKING:
    from fullconv.checkpoints import Conversion


def weights_tables(published: Iterable[Published]) -> list[Table]:
    """One table a source and licence, one row for each of its weights."""
    tables: dict[tuple[str, str], Table] = {}
    for weights in published:
        key, is_package = (
            (weights.source, weights.file.licence),
            isinstance(weights.file, InstalledFile),
        )
        if key not in tables:
            title = f"{weights.source}; licence: {weights.file.licence}"
            last = "package" if is_package else "cache"
            columns = ("name", "net", "classes", "format", "size", "check", last)
            tables[key] = table(title, columns, left=len(columns))
        row = (
            weights.name,
            weights.net,
            weights.classes,
            weights.format,
            *size_and_check(weights.file),
            _cached(weights),
        )
        tables[key].add_row(*row)
    return list(tables.values())


def _cached(weights: Published) -> str:
    """Whether their file is on this machine; which package would bring it, where one does."""
    if isinstance(weights.file, InstalledFile):
        return "installed" if file_here(weights) else weights.file.package
    return "yes" if file_here(weights) else ""


def conversion_tables(conversion: "Conversion") -> list[Table]:
    """The account of every array: loaded, missing here, not needed from there; no empty table."""
    loaded = table("", ("loaded", "from", "shape"), left=2)
    missing = table("", ("missing", "shape", "how it starts"), left=3)
    not_needed = table("", ("not needed", "shape", "why"), left=3)
    for row in conversion.loaded:
        loaded.add_row(row.ours, escape(row.theirs), _shape(row.shape))
    for row in conversion.missing:
        missing.add_row(row.ours, _shape(row.shape), row.note)
    for row in conversion.not_needed:
        not_needed.add_row(escape(row.theirs), _shape(row.shape), escape(row.note))
    for column in (missing.columns[-1], not_needed.columns[-1]):
        column.no_wrap = False
    return [part for part in (loaded, missing, not_needed) if part.row_count]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "-"
