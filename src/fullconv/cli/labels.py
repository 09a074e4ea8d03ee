"""``fullconv predict --to``: what a labelling tool edits, and ``--areas``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.help_panels import MORE
from fullconv.cli.main import say
from fullconv.cli.photo_results import show_results
from fullconv.errors import UserError, printable

if TYPE_CHECKING:
    from fullconv.data.exporters import ShapeOptions
    from fullconv.inference import Input, Prediction, Predictor
    from fullconv.inference.areas import AreaTable
    from fullconv.inference.rasters import RasterOutcome

To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="TOOL",
        help="Write shapes for a labelling tool in place of pictures: labelme, cvat, coco, "
        "label-studio or geojson; for rasters geojson.",
    ),
]
Tolerance = Annotated[
    float,
    typer.Option(
        "--tolerance",
        help="With --to: by how many pixels outlines may be simplified; 0 is exact.",
        rich_help_panel=MORE,
    ),
]
Smallest = Annotated[
    int,
    typer.Option(
        "--smallest",
        help="With --to: regions of fewer pixels are merged into the one around them.",
        rich_help_panel=MORE,
    ),
]
WithBackground = Annotated[
    bool,
    typer.Option(
        "--with-background",
        help="With --to: write the regions of the class background too.",
        rich_help_panel=MORE,
    ),
]
Areas = Annotated[
    bool,
    typer.Option(
        "--areas",
        help="Write areas.csv: the pixels and share of each class, and square metres where a "
        "raster's system has metres.",
    ),
]


@dataclass
class Labels:
    """The options ``--to`` and ``--areas``, and the results that they collect."""

    out: Path
    tool: str | None
    options: "ShapeOptions"
    areas: "AreaTable | None"
    photos: "Sequence[Input]" = field(default_factory=tuple)

    @classmethod
    def asked(
        cls, out: Path, to: str | None, tolerance: float, smallest: int, background: bool,
        areas: bool,
    ) -> "Labels":  # fmt: skip
        """The options checked together; UserError where they contradict each other."""
        from fullconv.data.exporters import ShapeOptions, exporter
        from fullconv.data.exporters.outlines.vectorize import check_shapes
        from fullconv.inference.areas import AreaTable

        check_shapes(tolerance, smallest)
        if to is not None:
            exporter(to)
        options = ShapeOptions(tolerance, smallest, background)
        return cls(out, to, options, AreaTable() if areas else None)

    def check(
        self,
        photos: "Sequence[Input]",
        rasters: "Sequence[Input]",
        scores: bool,
        probability: bool,
    ) -> None:
        """UserError for what a tool cannot be given."""
        if self.tool is None:
            return
        if rasters and self.tool != "geojson":
            raise UserError(
                f"{rasters[0]}: is a raster, which {self.tool} does not take: use --to geojson",
                "FC-LABELS-005",
            )
        if rasters and photos:
            raise UserError(
                f"{rasters[0]}: is a raster, {photos[0]} a photo: predict them in two calls, each "
                "with an --out of its own",
                "FC-LABELS-005",
            )
        if scores:
            raise UserError("--scores and --to exclude each other: leave one out", "FC-LABELS-005")
        if probability and photos:
            raise UserError(
                "--probability: pictures are not written with --to, whose shapes have a confidence "
                "each: leave one out",
                "FC-LABELS-005",
            )

    def keep(self, photo: "Input", prediction: "Prediction") -> None:
        """Count the classes of a photo."""
        if self.areas is not None:
            self.areas.add_prediction(photo, prediction)

    def raster_done(self, predictor: "Predictor", entry: "Input", outcome: "RasterOutcome") -> None:
        """Write the polygons of a raster's class maps, and count their classes."""
        from fullconv.inference.rasters.geotiff import result_of
        from fullconv.inference.rasters.job import output_stems
        from fullconv.inference.rasters.polygons import pixel_counts, write_polygons

        classes = predictor.classes
        for output, stem in zip(classes.outputs, output_stems(entry.result, classes), strict=True):
            class_map = result_of(stem)
            if self.tool is not None:
                target = Path(f"{stem}.geojson")
                hidden = (0,) if output.is_sigmoid else ()
                count = write_polygons(class_map, target, output.classes, self.options, hidden)
                print(f"{entry}: {count:,} polygons; {printable(str(target))}")
            if self.areas is not None:
                counts, pixel = pixel_counts(class_map, output.classes)
                self.areas.add(str(entry), output.classes, counts, output.name, pixel)

    def finish(self) -> None:
        """Write the areas, and say how a tool opens what is there."""
        if self.areas is not None and self.areas.rows:
            self.areas.write(self.out / "areas.csv")


def predict_for_tool(
    predictor: "Predictor",
    photos: "Sequence[Input]",
    labels: Labels,
    extra_inputs: Mapping[str, Path],
) -> tuple[int, float]:
    """Predict photos and write the folder of a tool; the errors, and the net's seconds."""
    from fullconv.data.exporters import exporter
    from fullconv.inference.labelling import predict_labels

    assert labels.tool is not None
    if len(predictor.classes.outputs) > 1 and not predictor.classes.is_overlapping:
        say(f"note: {predictor.classes.outputs[0].name} is written, not the net's other outputs")
    results = predict_labels(predictor, photos, labels.tool, labels.out, labels.options,
                             extra_inputs=extra_inputs, keep=labels.keep)  # fmt: skip
    errors, seconds = show_results(results, len(photos))
    opens = exporter(labels.tool).opens.format(out=printable(str(labels.out)))
    print(f"open it: {opens}")
    return errors, seconds
