"""The labelling tools by name, and `write_labels`."""

import importlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from fullconv.classes import ClassSet
from fullconv.data.exporters.labelled_photo import Item, ShapeOptions, named_once
from fullconv.data.exporters.outlines.vectorize import check_shapes
from fullconv.errors import UserError
from fullconv.files.atomic import folder_atomically

Write = Callable[[Iterable[Item], Path, ClassSet, ShapeOptions], Iterator[Item]]


@dataclass(frozen=True)
class Exporter:
    """A tool: what `--to` takes, and the command or place that opens what is written.

    ``write(items, folder, classes, options)`` of ``tools/NAME.py`` writes each item and yields it,
    and at the end what belongs to all of them. ``importer`` is the format that reads it back.
    """

    name: str
    opens: str
    importer: str | None

    def write(
        self, items: Iterable[Item], folder: Path, classes: ClassSet, options: ShapeOptions
    ) -> Iterator[Item]:
        module = importlib.import_module(
            f"fullconv.data.exporters.tools.{self.name.replace('-', '_')}"
        )
        return cast(Write, module.write)(items, folder, classes, options)


EXPORTERS: Mapping[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        Exporter("labelme", "labelme {out} --labels {out}/labels.txt --nodata", "labelme"),
        Exporter("cvat", "in CVAT: a task of {out}/images with {out}/labels.json as its labels, "
                 "then Upload annotations, CVAT 1.1, {out}/annotations.xml", "cvat"),
        Exporter("coco", "{out}/annotations/instances_default.json, with {out}/images", "coco"),
        Exporter("label-studio", "in Label Studio: {out}/labels.xml as the labelling interface, "
                 "{out}/images as local storage, then Import {out}/tasks.json", "label-studio"),
        Exporter("geojson", "in QuPath: drag {out}/NAME.geojson onto its photo", None),
    )
}  # fmt: skip


def exporter(tool: str) -> Exporter:
    """The exporter called ``tool``; UserError with the known names otherwise."""
    if tool not in EXPORTERS:
        raise UserError(
            f"--to {tool}: there is no such tool; known: {', '.join(EXPORTERS)}", "FC-LABELS-002"
        )
    return EXPORTERS[tool]


def write_labels(
    tool: str,
    items: Iterable[Item],
    out: str | Path,
    classes: ClassSet,
    *,
    tolerance: float = 1.0,
    smallest: int = 0,
    with_background: bool = False,
) -> int:
    """Write photos and their class maps as shapes that ``tool`` edits; returns how many.

    ``out`` is a folder that must not be there, or be empty; it appears when everything is in it,
    the photos and classes.toml too. The options are those of `ShapeOptions`. ``items`` are taken
    one by one. Raises UserError for an unknown tool, impossible options, class maps with other
    values than ``classes``, and two photos of one name.
    """
    options = ShapeOptions(tolerance, smallest, with_background)
    return sum(1 for _ in written_labels(tool, items, out, classes, options))


def written_labels(
    tool: str, items: Iterable[Item], out: str | Path, classes: ClassSet, options: ShapeOptions
) -> Generator[Item, None, None]:
    """As `write_labels`, but yields each item once it is written, for progress.

    ``out`` is there when the iteration has ended; one that is given up leaves nothing.
    """
    check_shapes(options.tolerance, options.smallest)
    chosen = exporter(tool)
    with folder_atomically(out) as folder:
        (folder / "classes.toml").write_text(classes.to_toml(), "utf-8")
        yield from chosen.write(named_once(items), folder, classes, options)
