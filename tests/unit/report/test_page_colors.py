"""Writing on the pages can be read, by day and in the dark; the measure is WCAG's."""

import re
from importlib import resources

import pytest

from fullconv.classes.colors import contrast

READ = 4.5  # what WCAG 2 asks of text (level AA)
SHEETS = {
    "report": (resources.files("fullconv.report") / "templates/page.css", "good bad warning"),
    "serve": (resources.files("fullconv.serve") / "page/page.css", "error"),
}


def colors(text):
    """``--name: #rgb`` -> its three numbers; what is partly clear is left out."""
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{6}|[0-9a-f]{3});", text)
    longer = {
        name: code if len(code) == 6 else "".join(2 * c for c in code) for name, code in found
    }
    return {name: tuple(bytes.fromhex(code)) for name, code in longer.items()}


@pytest.mark.parametrize("page", SHEETS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_ink_on_every_ground(page, scheme):
    sheet, more = SHEETS[page]
    day, dark = sheet.read_text("utf-8").split("prefers-color-scheme: dark")
    used = colors(day) | (colors(dark.split("}")[0]) if scheme == "dark" else {})
    for ink in ["ink", "soft", "accent", *more.split()]:
        for ground in ("paper", "tint"):
            assert contrast(used[ink], used[ground]) >= READ, f"{ink} on {ground}"
    if scheme == "dark":
        assert colors(day).keys() == colors(dark.split("}")[0]).keys(), "a colour stays that of day"
