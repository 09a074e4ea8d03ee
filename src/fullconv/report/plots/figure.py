"""Common parts of all plots: PNG bytes, and names in any script without matplotlib's warnings."""

import io
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager

from fullconv.visualize import drawable, runs


def png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the layout of tiny or crowded figures
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def drawn_names(names: Sequence[str], kind: str, first: int = 1) -> list[str]:
    """The names as a plot shows them: 'class 3' (``kind`` and number) where no font has one."""
    return [
        drawable(name, f"{kind} {number}", outlines=True)
        for number, name in enumerate(names, first)
    ]


def families(texts: Iterable[str]) -> list[str]:
    """The font families that have all glyphs of ``texts``, matplotlib's own first."""
    files = {file for text in texts for file, _ in runs(text, outlines=True) or () if file}
    names = ["DejaVu Sans"]
    for file in sorted(files):
        name = _family(file)
        names += [name] if name not in names else []
    return names


def _family(file: Path) -> str:
    """The name by which matplotlib knows a font file, which it is told of."""
    name = FontProperties(fname=file).get_name()
    if name not in fontManager.get_font_names():
        fontManager.addfont(file)
    return name
