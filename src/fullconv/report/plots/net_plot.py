"""A net drawn: how far each layer sees and how large its map is."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fullconv.report.plots.figure import png

if TYPE_CHECKING:
    from fullconv.models import Explanation

SHADES = ("#dbe9f6", "#b0d2e7", "#78b3d8", "#3f8fc5", "#1862aa", "#08306b")


def explanation_picture(explained: "Explanation") -> bytes:
    """PNG: receptive field and map size layer by layer, and both drawn on the photo."""
    figure = Figure(figsize=(13, 5.2), layout="constrained")
    layers, photo = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_layers(layers, explained)
    _draw_photo(photo, explained)
    height, width = explained.size
    spec = explained.spec
    figure.suptitle(f"{spec.name} on {height}x{width}, padding {spec.padding}")
    return png(figure)


def _draw_layers(axes: Axes, explained: "Explanation") -> None:
    rows = explained.rows
    places = range(len(rows))
    most = max(explained.size)  # a global receptive field
    strides = sorted({row.stride for row in rows})
    for stride in strides:
        shade = SHADES[min(strides.index(stride), len(SHADES) - 1)]
        chosen = [(i, row.field or most) for i, row in enumerate(rows) if row.stride == stride]
        axes.bar([i for i, _ in chosen], [f for _, f in chosen], color=shade, label=str(stride))
    side = min(explained.size)
    axes.axhline(side, color="#c44", linewidth=1)
    axes.text(0, side, "shorter side of the photo", color="#c44", va="bottom", fontsize=9)
    axes.set_xticks(places, [row.name for row in rows], rotation=90, fontsize=8)
    if len(rows) > 40:
        axes.xaxis.set_major_locator(MaxNLocator(40, integer=True))
    axes.set_ylabel("receptive field in pixels")
    axes.legend(title="stride", loc="center left")


def _draw_photo(axes: Axes, explained: "Explanation") -> None:
    """The photo's frame, the centres of the coarsest score pixels, and what the middle one sees."""
    height, width = explained.size
    high, wide = explained.score_size
    stride, offset = float(explained.score_map.scale), float(explained.score_map.offset)
    axes.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, linewidth=1.5))
    columns, lines = (
        [offset + stride * i for i in range(wide)],
        [offset + stride * i for i in range(high)],
    )
    axes.plot(
        [x for _ in lines for x in columns], [y for y in lines for _ in columns],
        ".", color=SHADES[3], markersize=3,
    )  # fmt: skip
    x, y, field = columns[wide // 2], lines[high // 2], explained.rows[-1].field
    corner, sides = (-0.5, -0.5), (width, height)
    if field is not None:
        corner, sides = (x - field / 2, y - field / 2), (field, field)
    axes.add_patch(Rectangle(corner, *sides, facecolor="#c44", alpha=0.15))
    axes.plot([x], [y], "o", color="#c44", markersize=5)
    which = "coarsest score map" if len(explained.spec.strides) > 1 else "score map"
    axes.set_title(f"{high}x{wide} pixels of the {which},\nand what one of them sees")
    axes.set_aspect("equal")
    axes.margins(0.02)
    axes.invert_yaxis()
