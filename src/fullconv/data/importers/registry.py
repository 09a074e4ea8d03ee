"""The annotation formats by name, and which of them a source is."""

import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from fullconv.data.importers.annotations import Export
from fullconv.data.importers.export_files import listed_once
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.unread_tools import refuse_unread_tool
from fullconv.errors import UserError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Importer:
    """One table of registry.toml, whose comment explains the fields.

    ``recognise`` and ``read`` are those of ``tools/NAME.py`` or ``datasets/NAME.py``, imported when
    they are first needed.
    """

    name: str
    files: str
    splits: str
    over: tuple[str, ...] = ()
    instead: str = ""

    def recognise(self, source: Path) -> bool:
        return bool(self._tool().recognise(source))

    def read(self, source: Path, request: Request) -> Export:
        if self.instead:
            raise UserError(f"{source}: {self.name} is not read; {self.instead}", "FC-IMPORT-003")
        return cast(Export, self._tool().read(source, request))

    def _tool(self):
        module = self.name.replace("-", "_")
        folder = "tools" if (FOLDER / "tools" / f"{module}.py").exists() else "datasets"
        return importlib.import_module(f"fullconv.data.importers.{folder}.{module}")


@cache
def importers() -> Mapping[str, Importer]:
    """Every format by the name that --from takes, in the order of registry.toml."""
    tables = tomllib.loads((FOLDER / "registry.toml").read_text("utf-8"))
    return {
        name: Importer(name, table["files"], table["splits"], tuple(table.get("over", ())),
                       table.get("instead", ""))
        for name, table in tables.items()
    }  # fmt: skip


def recognise(source: Path, name: str | None = None) -> Importer:
    """The importer of ``source``, or the one called ``name``.

    Of several that fit, one that stands ``over`` another is the more specific and wins. Raises
    UserError for an unknown name, a source that is not there, one that fits no format, and one
    that fits several equally: the user says then which is meant.
    """
    if not source.exists():
        raise UserError(f"{source}: there is no such file or folder", "FC-FILE-003")
    if source.suffix.lower() in (".zip", ".tar", ".gz", ".rar", ".7z"):
        raise UserError(
            f"{source}: is an archive; unpack it, and import the folder", "FC-IMPORT-001"
        )
    if name is not None:
        return _named(name)
    with listed_once():
        matches = [importer for importer in importers().values() if importer.recognise(source)]
    matches = _most_specific(matches)
    if not matches:
        refuse_unread_tool(source)
        raise UserError(
            f"{source}: no known format. Looked for: {', '.join(importers())} (docs/import.md "
            "says which files each has)",
            "FC-IMPORT-001",
        )
    if len(matches) > 1:
        names = ", ".join(importer.name for importer in matches)
        raise UserError(
            f"{source}: fits several formats ({names}); say which one is meant, as "
            f"--from {matches[0].name}",
            "FC-IMPORT-002",
        )
    return matches[0]


def _most_specific(matches: list[Importer]) -> list[Importer]:
    """Those that no other is over, and those that only such a one is over which is none itself."""
    below = {name for importer in matches for name in importer.over}
    tops = [importer for importer in matches if importer.name not in below]
    beaten = {name for importer in tops for name in importer.over}
    return [importer for importer in matches if importer.name not in beaten]


def _named(name: str) -> Importer:
    if name not in importers():
        raise UserError(
            f"--from {name}: there is no such format; known: {', '.join(importers())}",
            "FC-IMPORT-001",
        )
    return importers()[name]
