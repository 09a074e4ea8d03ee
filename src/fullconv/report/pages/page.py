"""Pages from the templates of this folder: one HTML file that needs nothing else and no network.

Whatever a template is given is text, and escaped where it is written (jinja2's autoescape).
"""

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fullconv.files.write_targets import check_page_target
from fullconv.metrics import percent
from fullconv.report.score_files import write_file


def write_page(path: str | Path, template: str, **values: Any) -> Path:
    """Write the page that ``template`` makes of ``values``; UserError where that cannot be.

    A file that is there and no page is not replaced.
    """
    check_page_target(path)
    write_file(path, render(template, **values).encode())
    return Path(path)


def render(template: str, **values: Any) -> str:
    """The HTML of a page."""
    return legible(_environment().get_template(template).render(**values))


def legible(text: str) -> str:
    """The text, the bytes of a file's name that are no UTF-8 as ``\\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fullconv.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    environment.filters |= {
        "anchor": _anchor,
        "base64": _base64,
        "percent": percent,
        "sha256": _sha256,
    }
    environment.globals["static"] = static
    return environment


def static(*names: str) -> Markup:
    """Style sheets or scripts that come with the package, one behind the other."""
    folder = resources.files("fullconv.report").joinpath("templates")
    return Markup("".join(folder.joinpath(name).read_text("utf-8") for name in names))


def _anchor(name: str) -> str:
    """The anchor of a section, for links."""
    return re.sub(r"\W+", "-", name.lower()).strip("-")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _sha256(text: str) -> str:
    """How a content security policy names the one style sheet or script that it allows."""
    return "sha256-" + _base64(hashlib.sha256(text.encode()).digest())
