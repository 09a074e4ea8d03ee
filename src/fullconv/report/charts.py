"""Curves as an inline SVG: scales, ticks and paths, and the values to read off."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 400, 240  # units of an SVG; text of 12 units stays legible on a phone
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 24  # margins, the tick labels in them
MOST_POINTS = 300  # of a line: one every 1.2 units
DOTS = 60  # up to so many points are drawn as dots too
COLORS, DASHES = 7, 4


@dataclass(frozen=True, eq=False)
class Line:
    """A curve: its name, steps and values, and the values before smoothing, drawn faint."""

    name: str
    steps: Floats
    values: Floats
    raw: Floats | None = None
    style: int = 0
    """Which colour and dash, counted from 0."""
    dots: tuple[Floats, Floats] | None = None
    """Steps and values that are marked; None: all of a line of few."""


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines over steps with one scale; ``top`` None: by the values. ``share``: 0..1, in percent."""

    title: str
    lines: Sequence[Line]
    top: float | None = None
    share: bool = False


@dataclass(frozen=True)
class DrawnLine:
    """A line as the template writes it; ``points`` are 'x,y,step,text' by spaces."""

    name: str
    style: str
    path: str
    raw: str
    dots: Sequence[tuple[float, float]]
    points: str
    last: str


@dataclass(frozen=True)
class DrawnChart:
    """A chart as the template writes it, in units of `WIDTH` x `HEIGHT`."""

    title: str
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    lines: Sequence[DrawnLine]


def drawn_together(charts: Sequence[Chart]) -> list[DrawnChart]:
    """Charts over the same steps, so that one place in all of them is one step."""
    spans = [steps_of(chart) for chart in charts]
    whole = min((low for low, _ in spans), default=0), max((high for _, high in spans), default=0)
    return [drawn(chart, whole) for chart in charts]


def steps_of(chart: Chart) -> tuple[float, float]:
    """The first and the last step of a chart; each of its lines has a value."""
    steps = np.concatenate([line.steps for line in chart.lines])
    return float(steps.min()), float(steps.max())


def drawn(chart: Chart, span: tuple[float, float] | None = None) -> DrawnChart:
    """The scales, ticks and paths of a chart, over the steps of ``span`` where it is given."""
    low, high = span or steps_of(chart)
    values = np.concatenate([line.values for line in chart.lines])
    top = chart.top if chart.top is not None else float(values.max())
    top = top if top > 0 else 1.0
    alone = 1 if high == low else 0  # a single step stands in the middle
    across = _Scale(low - alone, high + alone, LEFT, WIDTH - RIGHT)
    up = _Scale(0, top, HEIGHT - BOTTOM, TOP)
    return DrawnChart(
        chart.title,
        [(across.place(tick), _number(tick)) for tick in ticks(low, high, 5)],
        [(up.place(tick), _shown(tick, chart.share)) for tick in ticks(0, top, 5)],
        [_drawn_line(line, across, up, chart.share) for line in chart.lines],
    )


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def places(self, values: Floats) -> Floats:
        """Where values lie; what is beyond the scale lies at its end."""
        part = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return np.round(self.start + (self.end - self.start) * part, 1)

    def place(self, value: float) -> float:
        return float(self.places(np.array([value]))[0])


def _drawn_line(line: Line, across: _Scale, up: _Scale, share: bool) -> DrawnLine:
    chosen = thinned(line.values, MOST_POINTS)
    steps, values = line.steps[chosen], line.values[chosen]
    xs, ys = across.places(steps), up.places(values)
    texts = [_shown(value, share, ".4g") for value in values]
    dots = (xs, ys) if len(chosen) <= DOTS else (xs[:0], ys[:0])
    if line.dots is not None:
        dots = across.places(line.dots[0]), up.places(line.dots[1])
    raw = ""
    if line.raw is not None:
        spikes = thinned(line.raw, 2 * MOST_POINTS)
        raw = _path(across.places(line.steps[spikes]), up.places(line.raw[spikes]))
    return DrawnLine(
        line.name,
        f"series-{line.style % COLORS + 1} dash-{line.style // COLORS % DASHES}",
        _path(xs, ys),
        raw,
        list(zip(dots[0].tolist(), dots[1].tolist(), strict=True)),
        " ".join(
            f"{x:g},{y:g},{step:.0f},{text}"
            for x, y, step, text in zip(xs, ys, steps, texts, strict=True)
        ),
        texts[-1],
    )


def _path(xs: Floats, ys: Floats) -> str:
    points = (f"{x:g} {y:g}" for x, y in zip(xs, ys, strict=True))
    return "M" + "L".join(points)


def thinned(values: Floats, most: int) -> npt.NDArray[np.intp]:
    """Places of about ``most`` of the values: of each stretch the lowest and the highest, so that
    no spike is lost, and the last one."""
    if len(values) <= most:
        return np.arange(len(values))
    parts = np.array_split(np.arange(len(values)), most // 2)
    ends = [(part[values[part].argmin()], part[values[part].argmax()]) for part in parts]
    return np.unique([0, *(place for pair in ends for place in pair), len(values) - 1])


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _shown(value: float, share: bool, form: str = ".4g") -> str:
    return f"{100 * value:.1f}".removesuffix(".0") if share else _number(value, form)


def _number(value: float, form: str = ".4g") -> str:
    """Short: '20k' for 20,000, '5.1e-5' for what is small."""
    if 0 < abs(value) < 0.01:
        digits, _, power = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    if abs(value) >= 10_000 and value % 100 == 0:
        return f"{value / 1000:g}k"
    return f"{value:{form}}"
