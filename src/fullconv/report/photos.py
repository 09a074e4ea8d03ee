"""Photos on a page with truth and prediction over them, and a slider between the two."""

from collections.abc import Sequence
from html import escape

import numpy as np

from fullconv.classes import ClassSet
from fullconv.metrics import percent
from fullconv.pictures import IGNORED
from fullconv.report import html
from fullconv.report.embedded import layer_png
from fullconv.report.extremes import Kept

SCRIPT = "photos.js"
HOW = (
    "Left of the line is the truth, right of it the prediction; move it with the pointer on the "
    "photo, or with the slider and the arrow keys. The percentage is the share of labelled pixels "
    "that are right."
)


def photos_section(kept: Sequence[Kept], classes: ClassSet) -> str:
    """The worst photos, then the best, each with its slider; one slider for the tint of all."""
    if not kept:
        return ""
    kept = [each for each in kept if _known(each, classes)]
    blocks = [html.note(HOW), _tint(), _legend(kept, classes)]
    for kind in ("worst", "best"):
        figures = [_photo(each, classes) for each in kept if each.kind == kind]
        if figures:
            blocks.append(
                f"<h3>{kind.capitalize()}</h3><div class='photos'>{''.join(figures)}</div>"
            )
    return "".join(blocks)


def _known(kept: Kept, classes: ClassSet) -> bool:
    size = len(classes.palette())
    return kept.truth.max(initial=0) < size and kept.prediction.max(initial=0) < size


def _photo(kept: Kept, classes: ClassSet) -> str:
    name = escape(kept.name, quote=True)
    layers = (
        html.picture(kept.photo, kept.name, "jpeg")
        + html.picture(layer_png(kept.truth, classes), "truth", style="truth")
        + html.picture(layer_png(kept.prediction, classes), "prediction", style="prediction")
        + "<span class='rule'></span><span class='tag left'>truth</span>"
        "<span class='tag right'>prediction</span>"
    )
    slider = (
        "<input type='range' data-split min='0' max='100' value='50' "
        f"aria-label='{name}: truth left, prediction right'>"
    )
    caption = f"{name}: {percent(kept.accuracy)} %"
    return html.figure(f"<div class='layers'>{layers}</div>{slider}", caption)


def _tint() -> str:
    return (
        "<p class='control'><label>tint <input type='range' data-tint min='0' max='100' value='65'>"
        "</label></p>"
    )


def _legend(kept: Sequence[Kept], classes: ClassSet) -> str:
    """The classes that these photos show, and that some of it is ignored."""
    seen = {
        int(v) for each in kept for mask in (each.truth, each.prediction) for v in np.unique(mask)
    }
    named = [
        f"<li>{html.swatch(classes, value)}{escape(classes.names[value])}</li>"
        for value in sorted(seen)
        if value < len(classes)
    ]
    if classes.ignore in seen:
        striped = "<span class='swatch ignored' style='color:rgb({},{},{})'></span>"
        named.append(f"<li>{striped.format(*classes.ignore_color)}{IGNORED}</li>")
    return f"<ul class='legend'>{''.join(named)}</ul>"
