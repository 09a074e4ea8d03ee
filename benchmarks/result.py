"""A result: tables and what must be said about them, as JSON and as Markdown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from machine import machine


@dataclass(frozen=True)
class Table:
    """Cells are texts as they are shown."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Result:
    """What one script found; ``notes`` are sentences below the tables."""

    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: str = field(default_factory=machine)

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Result":
        """From what ``write`` has written."""
        tables = [Table(**table) for table in said["tables"]]
        return cls(tables, said["notes"], said["machine"])

    def markdown(self) -> str:
        """The tables, then the notes, then the machine."""
        parts = [f"**{table.title}**\n\n{_lines(table)}" for table in self.tables]
        remarks = [*self.notes, f"Machine: {self.machine}."]
        return "\n\n".join([*parts, "\n".join(f"- {note}" for note in remarks)]) + "\n"

    def finish(self, path: str | None) -> None:
        """Print it, and write it to ``path`` where one is given."""
        print(self.markdown())
        if path:
            Path(path).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def _lines(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [table.head, rule, *table.rows])
