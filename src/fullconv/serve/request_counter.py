"""Counts every answer by path and status, those of the guard too."""

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fullconv.serve.prometheus import Metrics

OTHER = "other"
"""In place of a path that does not exist: strangers must not be able to add series."""


class Counted:
    """ASGI middleware around all others; ``paths`` are those that exist."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if scope["path"] in self.paths else OTHER
                self.metrics.requests.labels(path, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counted if scope["type"] == "http" else send)
