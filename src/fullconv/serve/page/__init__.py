"""The page: four files and an icon, sent as they are."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI, Response

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/base.css": ("base.css", "text/css; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""File and media type by path."""


def add_to(app: FastAPI) -> None:
    """Serve the page's files, which are read once."""
    for path, (name, media_type) in FILES.items():
        content = _content(name)
        app.add_api_route(path, _sender(content, media_type), include_in_schema=False)


def _content(name: str) -> bytes:
    """A file of this folder; the style that all pages share lies with the report's."""
    if name == "base.css":
        return files("fullconv.report").joinpath("templates", name).read_bytes()
    return files(__name__).joinpath(name).read_bytes()


def _sender(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return send
