"""The nets in a list, and one of them layer by layer; nets and engines measured side by side."""

import math
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from fullconv.benchmark.engine_table import EngineBenchmark
from fullconv.benchmark.table import (
    COMPUTED,
    MEASURED,
    Comparison,
    computed_cells,
    measured_cells,
    scored_cells,
    scored_head,
)
from fullconv.cli.tables.screen import table
from fullconv.geometry import chain
from fullconv.models import Explanation, Summary
from fullconv.models.analysis.explain import Crop
from fullconv.models.backbones.definition import PAPER_PAD


def nets_table(summaries: Sequence[Summary], size: tuple[int, int]) -> Table:
    """One row a net."""
    listing = table(
        f"Nets for 21 classes; multiply-adds at {size[0]}x{size[1]}, padding same",
        ("net", "conv layers", "parameters", "receptive field", "multiply-adds"),
    )
    for net in summaries:
        listing.add_row(
            net.name,
            str(net.conv_layers),
            f"{net.parameters / 1e6:.1f} M",
            "all" if net.has_global_field else str(net.receptive_field),
            f"{net.multiply_adds / 1e9:.1f} G",
        )
    return listing


def explanation_table(explained: Explanation) -> Table:
    """One row a layer."""
    height, width = explained.size
    listing = table(
        f"{explained.spec.name} on {height}x{width}, padding {explained.spec.padding}",
        ("layer", "size", "channels", "stride", "field", "offset", "memory", "multiply-adds"),
    )
    for row in explained.rows:
        listing.add_row(
            row.name,
            f"{row.height}x{row.width}",
            str(row.channels),
            str(row.stride),
            "all" if row.field is None else str(row.field),
            f"{float(row.offset):g}",
            f"{row.bytes / 2**20:.1f} MiB",
            f"{row.multiply_adds / 1e9:.2f} G",
        )
    return listing


def explanation_notes(explained: Explanation) -> list[str]:
    """The lines below the table: the coordinate map, the crops, the costs, the warnings."""
    high, wide = explained.score_size
    which = "coarsest score map" if len(explained.spec.strides) > 1 else "score map"
    notes = [
        f"The {which} is {high}x{wide}. Its pixel i sits at {explained.score_map} of "
        f"the photo, {_sits(explained)}.",
        *_alignment(explained),
        f"One photo: {explained.cost.multiply_adds / 1e9:.1f} G multiply-adds, "
        f"{explained.cost.activation_bytes / 2**20:.0f} MiB of fp32 outputs of all layers.",
    ]
    if explained.cost_ratio is not None:
        notes.append(
            f"Padding 'paper' makes {explained.cost_ratio:.2f} times the multiply-adds of 'same' "
            f"here; it pads {PAPER_PAD} where {explained.least_pad} would do."
        )
    return notes + [f"Warning: {text}" for text in explained.warnings]


def _sits(explained: Explanation) -> str:
    """What of a score pixel lies where it sits."""
    definition, coarsest = explained.spec.definition, explained.spec.strides[0]
    if definition.has_global_field(coarsest):
        return "where what it belongs to lies; it sees all of the photo"
    if definition.map(coarsest) != chain(definition.windows(coarsest)):
        return "which is not the centre of the receptive field that it sees"
    return "the centre of the receptive field that it sees"


def _alignment(explained: Explanation) -> list[str]:
    """How scores come to lie on the pixels they belong to."""
    if explained.spec.resizes_scores:
        return [
            "No crop: the score map is resized to the photo, as the published weights of this "
            "net were trained, not placed where its pixels sit."
        ]
    if explained.spec.is_pyramid:
        return [
            "Each map of the pyramid is upsampled to where its pixels sit on the next finer one, "
            "added there and blended; the finest is scored."
        ]
    if explained.spec.is_deconv and explained.spec.padding == "same":
        return ["The coarser scores are summed on the finest score map.", *_deconv_notes(explained)]
    if explained.spec.padding == "same":
        where = "on the next finer score map" if explained.fuses_on_the_way else "on the photo"
        return [
            "No crop: with 'same' padding every score is upsampled to where its pixels sit and "
            f"added {where}."
        ]
    return [_crop_note(crop) for crop in explained.crops]


def _deconv_notes(explained: Explanation) -> list[str]:
    """The deconvolutions that mix the classes; their pads are the crops."""
    return [
        f"{crop.deconv.name} (kernel {crop.deconv.kernel}, stride {crop.deconv.stride}, pad "
        f"{crop.pixels}): learned, mixes the classes, adds a bias, to "
        f"{AIMS.get(crop.cropped, crop.cropped)}."
        for crop in explained.crops
    ]


def _crop_note(crop: Crop) -> str:
    deconv, aim = crop.deconv, AIMS.get(crop.cropped, crop.cropped)
    how = f"{deconv.name} (kernel {deconv.kernel}, stride {deconv.stride}): "
    if crop.pixels < 0:
        return how + f"begins {-crop.pixels} pixels inside {aim}: those get no score of their own."
    return how + (
        f"then a crop of {crop.pixels} lines it up with {aim}, the difference of the two maps' "
        "offsets."
    )


AIMS = {"score": "the photo"}


def comparison_tables(comparison: Comparison) -> list[Table]:
    """The nets counted, and their costs and scores measured: two tables with a row for each net."""
    height, width = comparison.size
    counted = table(f"On one photo of {height}x{width}", COMPUTED)
    measured = table("Measured", ("net", *MEASURED, *scored_head(comparison)))
    for row in comparison.rows:
        counted.add_row(*map(escape, computed_cells(row)))
        scored = scored_cells(row, comparison)
        measured.add_row(escape(row.candidate.name), *measured_cells(row), *scored)
    return [counted, measured]


def engines_table(benchmark: EngineBenchmark) -> Table:
    """The engines that were measured, the reference first."""
    first = benchmark.rows[0]
    size = f"{benchmark.size[0]}x{benchmark.size[1]}"
    columns = ("engine", "file", "a photo", "memory", f"times {first.name}", f"as {first.name}")
    engines = table(f"On one photo of {size}, {benchmark.precision}, median", columns, left=2)
    for row in benchmark.rows:
        if row.timing and first.timing:
            seconds, times = row.timing.median, first.timing.median / row.timing.median
            cells = f"{seconds:.3g} s", f"{row.timing.peak_mib} MiB", f"{times:.2f}"
            engines.add_row(row.name, escape(str(row.typed)), *cells, percent_same(row.same))
    return engines


def percent_same(share: float) -> str:
    """'99.9996%', and '100%' only where every pixel is."""
    return "100%" if share == 1 else f"{math.floor(share * 1e6) / 1e4:.4f}%"


def engine_notes(benchmark: EngineBenchmark) -> list[str]:
    """The nets that were left out, with the reason and the command to add them."""
    first, best, fastest = benchmark.rows[0].name, benchmark.recommended, benchmark.fastest
    lines = [f"left out: {row.name}: {row.error}" for row in benchmark.rows if row.error]
    lines.append(f"fastest with every class as {first} has it: {benchmark.command(best)}")
    if fastest is not best:
        changed = 100 - 100 * fastest.same
        lines.append(f"faster, {changed:.2g}% of the pixels differ: {benchmark.command(fastest)}")
    return lines
