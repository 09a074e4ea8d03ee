"""The pieces of a page: one HTML file that needs nothing else and no network.

What is called ``content`` or ``cells`` is HTML already; everything else is text, and escaped here.
"""

import base64
import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from html import escape
from importlib import resources

from fullconv.classes import ClassSet

Cells = Sequence[str]


def document(title: str, sections: Iterable[tuple[str, str]], top: str, scripts: Cells = ()) -> str:
    """A page: its title, what stands at the ``top``, and the sections (title, content).

    Sections without content are left out. ``scripts`` are files of ``static/``.
    """
    shown = [(name, content) for name, content in sections if content]
    links = "".join(f"<a href='#{_anchor(name)}'>{escape(name)}</a>" for name, _ in shown)
    blocks = "\n".join(_section(name, content) for name, content in shown)
    code = "".join(f"<script>{static(name)}</script>" for name in scripts)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}: fullconv</title><style>{static('page.css')}</style></head>\n"
        f"<body><header><h1>{escape(title)}</h1>\n<nav aria-label='sections'>{links}</nav></header>"
        f"\n<main>{top}\n{blocks}\n</main>{code}</body></html>\n"
    )


def _section(name: str, content: str) -> str:
    return f"<section id='{_anchor(name)}'><h2>{escape(name)}</h2>\n{content}</section>"


def _anchor(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")


@cache
def static(name: str) -> str:
    """A style sheet or script that comes with the package."""
    return resources.files("fullconv.report").joinpath("static", name).read_text("utf-8")


def picture(content: bytes | None, alt: str, kind: str = "png", style: str = "") -> str:
    """An image inside the page; nothing without ``content``. ``style`` is a class of the sheet."""
    if not content:
        return ""
    data = base64.b64encode(content).decode("ascii")
    named = f" class='{style}'" if style else ""
    return f"<img{named} alt='{escape(alt, quote=True)}' src='data:image/{kind};base64,{data}'>"


def plot(content: bytes | None, alt: str) -> str:
    """A picture with writing in it: never smaller than can be read, on a phone it is scrolled."""
    shown = picture(content, alt, style="plot")
    return f"<div class='wide' tabindex='0'>{shown}</div>" if shown else ""


def figure(content: str, caption: str) -> str:
    """Content with a line below; the caption is HTML."""
    return f"<figure>{content}<figcaption>{caption}</figcaption></figure>"


def pre(text: str) -> str:
    """Text as it is, nothing where there is none."""
    return f"<pre>{escape(text)}</pre>" if text.strip() else ""


def note(text: str) -> str:
    """A paragraph that explains."""
    return f"<p class='note'>{escape(text)}</p>"


def table(head: Cells, rows: Iterable[Cells], numbers: Collection[int] = ()) -> str:
    """A table; ``numbers`` are the columns set flush right. The first cell names its row."""

    def line(cells: Cells, first: str, others: str) -> str:
        shown = []
        for place, cell in enumerate(cells):
            tag = first if place == 0 else others
            kind = " class='number'" if place in numbers else ""
            shown.append(f"<{tag}{kind}>{cell}</{tag[:2]}>")
        return "<tr>" + "".join(shown) + "</tr>"

    body = "\n".join(line(row, "th scope='row'", "td") for row in rows)
    top = f"<thead>{line(head, 'th', 'th')}</thead>" if head else ""
    return f"<div class='wide' tabindex='0'><table>{top}<tbody>{body}</tbody></table></div>"


def bar(share: float, most: float = 8.0, style: str = "") -> str:
    """A bar of ``share`` (0..1) of ``most`` rem."""
    width = most * min(max(share, 0.0), 1.0)
    return (
        f"<span class='bar {style}'".replace(" '", "'") + f" style='width:{width:.2f}rem'></span>"
    )


def swatch(classes: ClassSet | None, index: int) -> str:
    """The colour of a class as a small box."""
    if classes is None:
        return ""
    red, green, blue = classes.colors[index]
    return f"<span class='swatch' style='background:rgb({red},{green},{blue})'></span>"
