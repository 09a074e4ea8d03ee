"""The style of a class map for QGIS: NAME.qml beside NAME.tif, which QGIS reads by itself.

A paletted renderer, as `QgsPalettedRasterRenderer::create` reads it: of each class its value, its
name and its colour.
"""

from pathlib import Path
from xml.sax.saxutils import quoteattr

from fullconv.classes import ClassSet
from fullconv.errors import printable
from fullconv.files.atomic import write_atomically

_MARK = "<!-- written by fullconv -->"
_VERSION = "3.16.0-Hannover"
"""Of QGIS, whose form of the file this is; later ones read it too."""


def write_style(raster: Path, classes: ClassSet) -> list[Path]:
    """Write the style of the class map ``raster``; the paths written.

    None where a style lies there that somebody else has written, as QGIS does when its user saves
    changed colours as the default. OSError passes through.
    """
    path = raster.with_suffix(".qml")
    if path.exists() and _MARK not in path.read_text("utf-8", "replace"):
        return []
    write_atomically(path, style_of(classes))
    return [path]


def style_of(classes: ClassSet) -> str:
    """The text of the style; values without an entry, as the ignored one, are not drawn."""
    entries = "\n".join(
        f'        <paletteEntry value="{value}" color="#{bytes(color).hex()}" alpha="255" '
        f"label={quoteattr(printable(name))}/>"
        for value, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
    )
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="{_VERSION}" styleCategories="Symbology">
  {_MARK}
  <pipe>
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">
      <rasterTransparency/>
      <colorPalette>
{entries}
      </colorPalette>
    </rasterrenderer>
    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>
    <huesaturation saturation="0" grayscaleMode="0" colorizeOn="0"/>
    <rasterresampler maxOversampling="2"/>
    <resamplingStage>resamplingFilter</resamplingStage>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
"""
