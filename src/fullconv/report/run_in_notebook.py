"""The run folder that `fullconv.train` returns: a path, which a notebook shows as a summary."""

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullconv.errors import UserError
from fullconv.metrics.display import html_table
from fullconv.report.run_summary import shown_run

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # PosixPath or WindowsPath: Path has no subclasses before Python 3.12


class RunFolder(_Path):
    """A path that shows in a notebook how far the run is, how good, and two typical photos."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Path], tuple[str]]:
        return Path, (str(self),)

    def _repr_html_(self) -> str | None:
        try:
            shown = shown_run(self)
        except UserError:
            return None  # a path below the run
        names, values = [""], [shown.lead]
        for name, value, _ in shown.headline:
            names.append(name)
            values.append(value)
        figures = html_table(names, [values], str(self))
        page = self / "report.html"
        link = f"<p>Its page: <code>{html.escape(str(page))}</code></p>"
        more = link if page.is_file() else ""
        return figures + "".join(map(_row, shown.opening)) + more


def _row(photo: Mapping[str, Any]) -> str:
    """Photo, truth and prediction side by side."""
    pictures = [
        _picture(photo["photo"], "jpeg", "photo"),
        _picture(photo["truth"], "png", "truth"),
        _picture(photo["prediction"], "png", "prediction"),
    ]
    return f"<div style='display:flex;gap:.4em;margin:.4em 0'>{''.join(pictures)}</div>"


def _picture(content: bytes, kind: str, name: str) -> str:
    data = base64.b64encode(content).decode("ascii")
    style = "display:block;width:100%;image-rendering:auto"
    return (
        f"<figure style='margin:0;flex:1;max-width:20em'><img alt='{name}' style='{style}' "
        f"src='data:image/{kind};base64,{data}'><figcaption>{name}</figcaption></figure>"
    )
