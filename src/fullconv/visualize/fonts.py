"""Text in pictures: DejaVu Sans, and for what it lacks a font of the system, found by coverage.

Chinese, Japanese, Korean and emoji are in no font that Python packages bring along. A name that no
font covers is drawn as the number of its class.
"""

import contextlib
import importlib.util
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

LONGEST = 40
"""Characters of a name that are drawn."""
_COVERED = 0x530  # Latin, Greek, Cyrillic: all in DejaVu Sans, so nothing has to be looked up
_STRIKES = (109, 160, 136, 128, 96, 64, 32, 20)  # sizes in pixels of bitmap emoji fonts
_BLANK = ("lastresort", "blank", "tofu")  # fonts that have a box for every character
_PLAIN = ("cjk", "gothic", "hei", "pingfang", "malgun", "hiragino", "nanum", "emoji", "sans")

Color = tuple[int, int, int]
Run = tuple[Path | None, str]
"""A font file (None: Pillow's own font) and the text that is drawn with it."""


def label(name: str, number: int) -> str:
    """How a picture calls the class ``number``: by its name, or 'class 3' where no font has it."""
    return drawable(name, f"class {number}")


def drawable(text: str, otherwise: str, outlines: bool = False) -> str:
    """``text`` in one line, of a long one the beginning; ``otherwise`` where no font has it.

    With ``outlines`` fonts of bitmaps, as most emoji are, do not count: matplotlib cannot draw
    them.
    """
    shown = drawn_form(text)
    return otherwise if runs(shown, outlines) is None else shown


def undrawable(names: Iterable[str]) -> list[str]:
    """The ``names`` that no font of this system can draw completely."""
    return [name for name in names if runs(drawn_form(name)) is None]


def drawn_form(name: str, longest: int = LONGEST) -> str:
    """A name in one line of at most ``longest`` characters, composed (NFC), without controls."""
    text = unicodedata.normalize("NFC", name)
    text = "".join(c if c.isprintable() else " " for c in text if not _is_invisible(c))
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _is_invisible(character: str) -> bool:
    """Joiners and variation selectors, which are drawn as nothing."""
    code = ord(character)
    return unicodedata.category(character) == "Cf" or 0xFE00 <= code <= 0xFE0F or code >= 0xE0000


@lru_cache(maxsize=4096)
def runs(text: str, outlines: bool = False) -> tuple[Run, ...] | None:
    """``text`` in pieces of one font each; None where a character is in no font."""
    main = main_font()
    rare = frozenset(c for c in text if ord(c) >= _COVERED and not _has(main, c))
    if not rare:
        return ((main, text),) if text else ()
    whole = _font_with(frozenset(text) - {" "}, outlines)
    if whole:
        return ((whole, text),)
    pieces: list[Run] = []
    for character in text:
        file = _font_with(frozenset(character), outlines) if character in rare else main
        if character in rare and file is None:
            return None
        if pieces and pieces[-1][0] == file:
            pieces[-1] = file, pieces[-1][1] + character
        else:
            pieces.append((file, character))
    return tuple(pieces)


@cache
def main_font() -> Path | None:
    """DejaVu Sans, which comes with matplotlib and knows most alphabets; None without it."""
    package = importlib.util.find_spec("matplotlib")
    for folder in package.submodule_search_locations or () if package else ():
        file = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        if file.is_file():
            return file
    return None


@lru_cache(maxsize=256)
def _font_with(characters: frozenset[str], outlines: bool) -> Path | None:
    """The first font of the system that has all ``characters``; None where there is none."""
    for file in system_fonts():
        if all(_has(file, c) for c in characters) and (not outlines or _coverage(file)[1]):
            with contextlib.suppress(OSError):  # a font that Pillow cannot open
                face(file, 16)
                return file
    return None


@cache
def system_fonts() -> Sequence[Path]:
    """Font files of this system: plain ones with many characters first, bold and slanted last."""
    try:
        from matplotlib.font_manager import findSystemFonts
    except ImportError:
        return []
    files = [Path(name) for name in findSystemFonts()]
    return sorted((f for f in files if not any(b in f.name.lower() for b in _BLANK)), key=_order)


def _order(file: Path) -> tuple[bool, bool, str]:
    name = file.name.lower()
    styled = any(style in name for style in ("bold", "italic", "oblique", "thin", "black", "mono"))
    return not any(kind in name for kind in _PLAIN), styled, name


def _has(file: Path | None, character: str) -> bool:
    """Whether a font has a glyph for ``character``; what cannot be opened has none."""
    return file is not None and bool(np.isin(ord(character), _coverage(file)[0]))


@cache
def _coverage(file: Path) -> tuple[npt.NDArray[np.uint32], bool]:
    """The code points of a font, and whether it has outlines; the file is closed again."""
    from matplotlib.ft2font import FT2Font

    try:
        codes, has_outlines = list(FT2Font(str(file)).get_charmap()), True
    except (RuntimeError, OSError):  # damaged, or a font of bitmaps
        codes, has_outlines = _table_of(file), False
    return np.array(codes, np.uint32), has_outlines


def _table_of(file: Path) -> list[int]:
    """The code points in the character map of a font that FreeType does not open at any size."""
    try:
        from fontTools.ttLib import TTFont

        with TTFont(file, lazy=True, fontNumber=0) as font:
            return list(font.getBestCmap() or ())
    except Exception:  # damaged fonts make fontTools raise nearly anything
        return []


@dataclass(frozen=True, eq=False)
class Face:
    """A font opened at a size; ``scale`` takes the size of its bitmaps to the one that is drawn."""

    font: Any
    scale: float = 1.0


@lru_cache(maxsize=128)
def face(file: Path | None, size: int) -> Face:
    """A font at ``size`` pixels; OSError where Pillow cannot open it."""
    if file is None:
        return Face(ImageFont.load_default(size))
    try:
        return Face(ImageFont.truetype(str(file), size))
    except OSError:
        for strike in _STRIKES:
            with contextlib.suppress(OSError):
                return Face(ImageFont.truetype(str(file), strike), size / strike)
        raise


def text_width(text: str, size: int) -> int:
    """Pixels that ``text`` takes at ``size``."""
    return math.ceil(sum(_width(part, face(file, size)) for file, part in _drawn(text)))


def draw_text(
    picture: Image.Image, place: tuple[float, float], text: str, size: int, ink: Color
) -> None:
    """Write ``text`` into an RGB picture; ``place`` (x, y) is its left end, half up."""
    draw, (x, y) = ImageDraw.Draw(picture), place
    for file, part in _drawn(text):
        opened = face(file, size)
        if opened.scale == 1:
            draw.text((x, y), part, ink, opened.font, anchor="lm", embedded_color=True)
        else:
            _paste_bitmaps(picture, (x, y), part, opened, ink)
        x += _width(part, opened)


def _drawn(text: str) -> tuple[Run, ...]:
    """The runs of a text; of one that no font covers those of the main font, with its boxes."""
    return runs(text) or ((main_font(), text),)


def _width(text: str, opened: Face) -> float:
    return opened.font.getlength(text) * opened.scale


def _paste_bitmaps(
    picture: Image.Image, place: tuple[float, float], text: str, opened: Face, ink: Color
) -> None:
    """Glyphs that exist at one size, scaled to the one that is wanted."""
    width, height = math.ceil(opened.font.getlength(text)), round(2 * opened.font.size)
    glyphs = Image.new("RGBA", (max(width, 1), height))
    draw = ImageDraw.Draw(glyphs)
    draw.text((0, height / 2), text, ink, opened.font, anchor="lm", embedded_color=True)
    scaled = [max(1, round(side * opened.scale)) for side in glyphs.size]
    glyphs = glyphs.resize((scaled[0], scaled[1]), Image.Resampling.LANCZOS)
    picture.paste(glyphs, (round(place[0]), round(place[1] - glyphs.height / 2)), glyphs)
