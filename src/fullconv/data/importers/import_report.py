"""What an import did, in words and as JSON."""

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.importers.annotations import IGNORE, NOTES, Note

JSON, TEXT = "import-report.json", "import-report.txt"
IGNORED = "(ignored)"
_SHOWN = 3  # files named for each kind of note


@dataclass(frozen=True)
class LabelCount:
    """What became of a label: its class or '(ignored)', its shapes, photos and pixels."""

    label: str
    becomes: str
    shapes: int
    photos: int
    pixels: int


@dataclass(frozen=True)
class Report:
    """``splits`` are photos by split, ``labels`` the source's with their classes."""

    source: str
    format: str
    out: str
    splits: Mapping[str, int]
    classes: ClassSet
    labels: Sequence[LabelCount]
    notes: Sequence[Note] = field(default_factory=tuple)

    def to_json(self) -> str:
        """Everything, every file of every note."""
        content = {
            "source": self.source,
            "format": self.format,
            "splits": dict(self.splits),
            "classes": self.classes.to_dict(),
            "labels": [asdict(label) for label in self.labels],
            "notes": [asdict(note) for note in self.notes],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """The same to read, a few files named for each kind of note."""
        photos = ", ".join(f"{number} {split}" for split, number in self.splits.items())
        lines = [f"Imported {self.source} ({self.format}): {photos}", "", *self._table(), ""]
        lines += [line for kind in NOTES for line in self._kind(kind)]
        return "\n".join(lines).rstrip() + "\n"

    def next_commands(self) -> list[str]:
        """What to type now."""
        return [f"fullconv {command} {shlex.quote(self.out)}" for command in ("check", "train")]

    def without_pixels(self) -> list[str]:
        """Names of the classes that no pixel has."""
        there = {label.becomes for label in self.labels if label.pixels}
        return [name for name in self.classes.names if name not in there]

    def _table(self) -> list[str]:
        drawn = any(label.shapes for label in self.labels)
        whole = max(sum(label.pixels for label in self.labels), 1)
        head = ["label", "class", *(["shapes"] if drawn else []), "photos", "pixels", "share"]
        rows = [head]
        for label in self.labels:
            shapes = [str(label.shapes)] if drawn else []
            numbers = [
                str(label.photos),
                f"{label.pixels:,}",
                f"{100 * label.pixels / whole:.2f} %",
            ]
            rows.append([label.label, label.becomes, *shapes, *numbers])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [_row(row, widths) for row in rows]

    def _kind(self, kind: str) -> list[str]:
        notes = [note for note in self.notes if note.kind == kind]
        if kind in ("split", "no pixel", "spelling"):
            texts = (": ".join(filter(None, (note.file, note.what))) for note in notes)
            return [f"{NOTES[kind]}: {text}" for text in texts]
        if not notes:
            return []
        count = sum(note.count for note in notes)
        files: dict[str, list[Note]] = defaultdict(list)
        for note in notes:
            files[note.file].append(note)
        shown = [_of_file(file, same) for file, same in list(files.items())[:_SHOWN]]
        more = f"; and {len(files) - _SHOWN} more files" if len(files) > _SHOWN else ""
        return [f"note: {NOTES[kind]}: {count:,}, in {'; '.join(shown)}{more}"]


def _of_file(file: str, notes: list[Note]) -> str:
    texts = Counter(note.what for note in notes if note.what)
    what = ", ".join(text if n == 1 else f"{n} x {text}" for text, n in list(texts.items())[:3])
    return f"{file} ({what}{', ...' if len(texts) > 3 else ''})" if texts else file


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    words = [cell.ljust(width) for cell, width in zip(cells[:2], widths, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join((*words, *numbers)).rstrip()


def label_counts(
    becomes: Mapping[str, str], unlabelled: str, tallies: Sequence[tuple[Sequence[int], Mapping]]
) -> list[LabelCount]:
    """One row a label from the (pixels by number, shapes by label) of every photo.

    The pixels without label come last; labels of the format that are nowhere and ignored have none.
    """
    rows = []
    for number, label in [*enumerate(becomes, 1), (0, "(no label)")]:
        pixels = [int(counts[number]) for counts, _ in tallies]
        shapes = sum(by_label.get(label, 0) for _, by_label in tallies) if number else 0
        name = becomes[label] if number else unlabelled
        if sum(pixels) or shapes or (number and name != IGNORE):
            shown = IGNORED if name == IGNORE else name
            rows.append(LabelCount(label, shown, shapes, sum(p > 0 for p in pixels), sum(pixels)))
    return rows


def save(report: Report, folder: Path) -> None:
    """Write both forms into ``folder``."""
    (folder / JSON).write_text(report.to_json(), "utf-8")
    (folder / TEXT).write_text(report.to_text(), "utf-8")
