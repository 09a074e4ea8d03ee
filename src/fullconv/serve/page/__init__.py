"""The page: three files and an icon, sent as they are."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI, Response

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""File and media type by path."""


def add_to(app: FastAPI) -> None:
    """Serve the page's files, which are read once."""
    for path, (name, media_type) in FILES.items():
        content = files(__name__).joinpath(name).read_bytes()
        app.add_api_route(path, _sender(content, media_type), include_in_schema=False)


def _sender(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return send
