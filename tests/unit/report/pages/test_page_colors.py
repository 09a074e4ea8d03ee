"""Writing on the pages can be read, by day and in the dark; the measure is WCAG's."""

import re
from importlib import resources

import pytest

from fullconv.classes.colors import contrast
from fullconv.report.pages.run_page import HOTTEST

READ, SEEN = 4.5, 3.0  # what WCAG 2 asks of text and of graphics (level AA)
BASE = resources.files("fullconv.report") / "templates/base.css"
OTHERS = (
    resources.files("fullconv.report") / "templates/page.css",
    resources.files("fullconv.serve") / "page/page.css",
)
INKS = ("ink", "soft", "accent", "good", "bad", "warning")
LINES = [f"series-{number}" for number in range(1, 8)]


def colors(text):
    """``--name: #rgb`` -> its three numbers; what is partly clear is left out."""
    found = re.findall(r"--([a-z0-9-]+): #([0-9a-f]{6}|[0-9a-f]{3});", text)
    longer = {
        name: code if len(code) == 6 else "".join(2 * c for c in code) for name, code in found
    }
    return {name: tuple(bytes.fromhex(code)) for name, code in longer.items()}


def used(scheme):
    """The colours of all pages by day or in the dark."""
    day, dark = BASE.read_text("utf-8").split("prefers-color-scheme: dark")
    dark = dark.split("}")[0]
    assert colors(day).keys() == colors(dark).keys(), "a colour stays that of day"
    return colors(day) | (colors(dark) if scheme == "dark" else {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_ink_on_every_ground(scheme):
    inks = used(scheme)
    for ink in INKS:
        for ground in ("paper", "tint"):
            assert contrast(inks[ink], inks[ground]) >= READ, f"{ink} on {ground}"
    assert contrast(inks["on-accent"], inks["accent"]) >= READ


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_stand_out_and_numbers_in_hot_cells_can_be_read(scheme):
    inks = used(scheme)
    for line in LINES:
        assert contrast(inks[line], inks["paper"]) >= SEEN, line
    share = HOTTEST / 100
    hot = [share * h + (1 - share) * t for h, t in zip(inks["heat"], inks["tint"], strict=True)]
    assert contrast(inks["ink"], hot) >= READ


def test_the_pages_have_no_colours_of_their_own():
    for sheet in OTHERS:
        assert not colors(sheet.read_text("utf-8")), sheet
