"""Names in any script: drawn where a font of the system has the glyphs, numbered where none has."""

import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from fullconv import visualize as pictures
from fullconv.classes import ClassSet
from fullconv.visualize import fonts


def _box(width):
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 700), (width - 50, 700), (width - 50, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()


def write_font(path, characters, family):
    """A font in which each of ``characters`` is a black box."""
    names = {ord(c): f"uni{ord(c):04X}" for c in characters}
    glyphs = [".notdef", *names.values()]
    font = FontBuilder(1000)
    font.setupGlyphOrder(glyphs)
    font.setupCharacterMap(names)
    font.setupGlyf(dict.fromkeys(glyphs, _box(1000)))
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 50)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return path


@pytest.fixture
def system(monkeypatch):
    """``system(file, ...)``: these are all fonts that the system has."""

    def has(*files):
        monkeypatch.setattr(fonts, "system_fonts", lambda: list(files))
        for cached in (fonts.runs, fonts._font_with):
            cached.cache_clear()

    has()
    yield has
    for cached in (fonts.runs, fonts._font_with):
        cached.cache_clear()


def test_a_font_of_the_system_draws_what_dejavu_lacks(system, tmp_path):
    road = write_font(tmp_path / "road.ttf", "道路", "Road")
    system(write_font(tmp_path / "a.ttf", "道", "Half"), road)
    assert fonts.runs("道路") == ((road, "道路"),)
    assert pictures.label("道路", 4) == "道路"
    assert pictures.undrawable(["道路", "été"]) == []


def test_a_name_in_two_scripts_takes_a_font_for_each(system, tmp_path):
    car = write_font(tmp_path / "emoji.ttf", "🚗", "Emoji")
    system(car)
    assert fonts.runs("été 🚗") == ((fonts.main_font(), "été "), (car, "🚗"))
    drawn = pictures.legend([0], ClassSet(("été 🚗",)), 300, 20)
    plain = pictures.legend([0], ClassSet(("été",)), 300, 20)
    assert (drawn < 60).all(-1).sum() > (plain < 60).all(-1).sum() + 100  # the black box


@pytest.mark.parametrize("name", ["道路", "été 🚗", "하늘", "天空", "👩‍🚀"])
def test_without_the_glyphs_the_number_of_the_class_is_drawn(system, name):
    assert pictures.label(name, 7) == "class 7"
    assert pictures.undrawable([name, "road"]) == [name]
    with_number = pictures.legend([0], ClassSet((name,)), 300, 20)
    assert np.array_equal(with_number, pictures.legend([0], ClassSet(("class 0",)), 300, 20))


def test_damaged_fonts_are_passed_over(system, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"\0\1\0\0" + bytes(40))
    (tmp_path / "empty.otf").touch()
    good = write_font(tmp_path / "z.ttf", "道", "Good")
    system(tmp_path / "broken.ttf", tmp_path / "gone.ttf", tmp_path / "empty.otf", good)
    assert fonts.runs("道") == ((good, "道"),)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("e\u0301te\u0301", "été"),
        ("two\nlines\tand\x07bell", "two lines and bell"),
        ("❤\ufe0f", "❤"),
        ("x" * 500, "x" * 39 + "…"),
        ("道" * 500, "道" * 39 + "…"),
    ],
)
def test_what_a_picture_makes_of_a_name(name, drawn):
    assert fonts.drawn_form(name) == drawn


@pytest.mark.parametrize("name", ["two\nlines", "\u202eabc", "$x_{$", "x" * 3000, "\ud800"])
def test_no_name_breaks_a_legend(system, name):
    shown = pictures.legend([0], ClassSet((name,)), 200, 14)
    assert shown.shape[1] < 700
    assert shown.shape[0] < 60


def test_the_fonts_of_this_system_can_be_looked_through():
    fonts.system_fonts.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(pictures.undrawable(["道路", "🚗", "하늘"]), list)
