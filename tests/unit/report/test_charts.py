"""Curves as SVG: values at their places, round ticks, no spike lost, names as text."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    Line,
    drawn,
    ticks,
)
from fullconv.report.charts import thinned as thin
from fullconv.report.curves import curves, overlaid_curves


def numbers(path):
    return np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2)


def test_values_lie_where_the_scales_say():
    chart = Chart("loss", [Line("", np.array([0.0, 50, 100]), np.array([0.0, 1, 2]))])
    line = drawn(chart).lines[0]
    left, right, low, high = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP
    expected = [[left, low], [(left + right) / 2, (low + high) / 2], [right, high]]
    assert numbers(line.path).tolist() == expected
    assert line.points.split(" ")[1] == f"{expected[1][0]:g},{expected[1][1]:g},50,1"
    assert [list(dot) for dot in line.dots] == expected


def test_shares_are_percent_and_what_is_above_the_top_lies_on_it():
    chart = Chart("x", [Line("", np.array([1.0, 2]), np.array([0.723, 9.0]))], top=1.0, share=True)
    made = drawn(chart)
    assert made.lines[0].points.split(" ")[0].endswith(",1,72.3")
    assert numbers(made.lines[0].path)[1][1] == TOP
    assert [text for _, text in made.up] == ["0", "20", "40", "60", "80", "100"]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low, length):
    high = low + max(length, 1e-6 * abs(low))
    marks = ticks(low, high, 5)
    slack = 1e-6 * max(abs(low), abs(high))
    assert all(low - slack <= mark <= high + slack for mark in marks)
    assert len(marks) <= 7
    steps = np.diff(marks)
    assert np.allclose(steps, steps[:1], rtol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 299, 300, 301, 5000, 100_000])
def test_long_curves_are_thinned_and_keep_their_spikes(count):
    values = np.random.default_rng(count).random(count)
    values[count // 3], values[count // 2] = 50, -50
    places = thin(values, 300)
    assert len(places) <= 302
    assert {0, count // 3, count // 2, count - 1} <= set(places.tolist())
    assert (np.diff(places) > 0).all()


def test_one_step_alone_is_drawn():
    for value in (0.0, 0.5):
        line = drawn(Chart("x", [Line("", np.array([7.0]), np.array([value]))])).lines[0]
        assert np.isfinite(numbers(line.path)).all() and len(line.dots) == 1
        assert line.dots[0][0] == (LEFT + WIDTH - RIGHT) / 2


@pytest.mark.parametrize(
    ("value", "text"), [(5.061e-5, "5.06e-5"), (0.0006, "6e-4"), (0.25, "0.25"), (20000, "20k"),
                        (0, "0"), (1.4531, "1.453")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    chart = Chart("x", [Line("", np.array([1.0]), np.array([float(value)]))])
    assert drawn(chart).lines[0].last == text


def test_a_curve_of_many_values_is_smoothed_over_its_own_faint_line():
    steps = np.arange(1.0, 201)
    noisy = 1 + np.random.default_rng(0).normal(0, 0.1, 200)
    (chart,) = curves({"step": steps, "loss": noisy})
    smooth, raw = (numbers(path)[:, 1] for path in (chart.lines[0].path, chart.lines[0].raw))
    assert np.abs(np.diff(smooth)).mean() < 0.5 * np.abs(np.diff(raw)).mean()


def test_runs_keep_their_colours_where_one_has_no_values():
    log = {"step": np.array([1.0, 2]), "loss": np.array([2.0, 1])}
    (chart,) = overlaid_curves({"a": {}, "b": log, "c": log})
    assert [line.name for line in chart.lines] == ["b", "c"]
    assert [line.style.split()[0] for line in chart.lines] == ["series-2", "series-3"]


def test_the_eighth_run_has_another_dash():
    log = {"step": np.array([1.0, 2]), "loss": np.array([2.0, 1])}
    (chart,) = overlaid_curves({str(n): log for n in range(8)})
    assert len({line.style for line in chart.lines}) == 8


def test_nothing_known_is_no_chart():
    assert curves({}) == [] == curves({"step": np.array([1.0]), "loss": np.array([np.nan])})
    assert overlaid_curves({"a": {}, "b": {}}) == []
