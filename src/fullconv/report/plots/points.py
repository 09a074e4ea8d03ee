"""Nets as named points: how well against how fast."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from fullconv.report.plots.figure import drawn_names, families, png

Points = Sequence[tuple[str, float, float]]
"""Name, value across, value up."""
NEAR = 10  # points from a dot to its name
STEP = 3.0  # points that a name is moved at a time
DOT = 5.0  # pixels around a dot that are kept free of names


def points_picture(points: Points, across: str, up: str, title: str) -> bytes:
    """PNG of ``points`` with their names; ``across`` and ``up`` say what the axes are.

    A point with a value that is nan is left out.
    """
    return png(points_figure(points, across, up, title))


def points_figure(points: Points, across: str, up: str, title: str) -> Figure:
    """The figure of ``points_picture``."""
    figure = Figure(figsize=(7.6, 5), layout="constrained")
    axes = figure.subplots()
    names = drawn_names([name for name, _, _ in points], "net")
    known = [
        (name, x, y) for name, (_, x, y) in zip(names, points, strict=True) if x == x and y == y
    ]
    for index, (_, x, y) in enumerate(known):
        axes.plot([x], [y], "o", color=f"C{index}")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.margins(0.12)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    figure.draw_without_rendering()  # from here on it is known where a point lies in the picture
    _write_names(axes, known)
    return figure


def _write_names(axes: Axes, points: Points) -> None:
    """Each name beside its dot, towards the middle, moved until it covers nothing."""
    dots = [axes.transData.transform((x, y)) for _, x, y in points]
    taken = [Bbox.from_bounds(x - DOT, y - DOT, 2 * DOT, 2 * DOT) for x, y in dots]
    centre = sum(axes.bbox.intervalx) / 2, sum(axes.bbox.intervaly) / 2
    font = families(name for name, _, _ in points)
    order = sorted(range(len(points)), key=lambda place: abs(dots[place][1] - centre[1]))
    for place in reversed(order):  # from the edges inwards, where there is room
        name, x, y = points[place]
        right, high = dots[place][0] > centre[0], dots[place][1] > centre[1]
        written = axes.annotate(
            name, (x, y), (-NEAR if right else NEAR, 0), textcoords="offset points",
            ha="right" if right else "left", va="center", fontsize=9, color=f"C{place}",
            parse_math=False, fontfamily=font,
            arrowprops={"arrowstyle": "-", "color": f"C{place}", "alpha": 0.4, "shrinkA": 0,
                        "relpos": (float(right), 0.5)},
        )  # fmt: skip
        taken.append(_make_room(written, taken, -STEP if high else STEP))


def _make_room(name: Annotation, taken: Sequence[Bbox], step: float) -> Bbox:
    """Move a name until it lies on nothing; where it lies then, in pixels."""
    while any(name_box(name).overlaps(box) for box in taken):
        x, y = name.get_position()
        name.set_position((x, y + step))
    return name_box(name)


def name_box(name: Annotation) -> Bbox:
    """The text alone, without the line to its dot."""
    name.update_positions(name.get_figure()._get_renderer())  # pyright: ignore
    return Text.get_window_extent(name)
