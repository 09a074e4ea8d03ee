"""How predictions and predictors show themselves: in a line, and in a notebook."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import escape
from PIL import Image

from fullconv.classes import ClassSet

SIDE = 1024
"""The longest side of a picture in a notebook, in pixels."""
_NAMED = 4  # classes named in a line

Part = tuple[str, bytes, ClassSet, Mapping[str, float]]
"""An output's name, its PNG, its classes and the share of each that occurs."""


def described(size: Sequence[int], shares: Mapping[str, float], output: str) -> str:
    """'Prediction(640 x 480: road 61.2 %, sky 30.1 %, car 8.7 %)'."""
    named = [f"{name} {share:.1%}" for name, share in list(shares.items())[:_NAMED]]
    more = [f"{len(shares) - _NAMED} more"] if len(shares) > _NAMED else []
    what = ", ".join([*named, *more]) or "nothing"
    return f"Prediction({size[1]} x {size[0]}{', ' + output if output else ''}: {what})"


def notebook_png(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture as PNG, its longer side at most `SIDE`."""
    image, file = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(file, "PNG")
    return file.getvalue()


def prediction_html(parts: Sequence[Part]) -> str:
    """A picture and a table of the classes for each output."""
    return "".join(_part_html(*part) for part in parts)


def _part_html(output: str, png: bytes, classes: ClassSet, shares: Mapping[str, float]) -> str:
    heading = f"<h4>{escape(output)}</h4>" if output else ""
    colors = dict(zip(classes.names, classes.colors, strict=True))
    rows = "".join(
        f"<tr><td>{_swatch(colors[name])}{escape(name)}</td><td>{share:.1%}</td></tr>"
        for name, share in shares.items()
    )
    content = base64.b64encode(png).decode("ascii")
    image = f"<img alt='overlay' style='max-width:100%' src='data:image/png;base64,{content}'>"
    return f"{heading}{image}<table><tr><th>class</th><th>pixels</th></tr>{rows}</table>"


def predictor_html(facts: Sequence[tuple[str, str]], classes: ClassSet) -> str:
    """A table of ``facts`` and the classes with their colours."""
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts)
    pairs = zip(classes.names, classes.colors, strict=True)
    named = " ".join(f"<span>{_swatch(color)}{escape(name)}</span>" for name, color in pairs)
    return f"<table>{rows}<tr><th>classes</th><td>{named}</td></tr></table>"


def _swatch(color: Sequence[int]) -> str:
    box = "display:inline-block;width:0.8em;height:0.8em;margin-right:0.3em"
    return f"<span style='{box};background:rgb({', '.join(map(str, color))})'></span>"
