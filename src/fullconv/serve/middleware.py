"""Who may ask, and what a browser may do with the answers: before and around every request.

The service has no cookies and no CORS. What remains are pages of others that are open in the same
browser: they could call a service on this machine under a name of their own (DNS rebinding), or
send it photos without seeing the answer. Both are refused by the headers that browsers set.
"""

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fullconv.serve.request_errors import Refusal
from fullconv.serve.settings import Settings

PROTECTED = ("/v1/", "/metrics")
"""What needs the token. The rest, the page's files among it, says nothing of photos or nets."""

CONTENT_SECURITY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware: refuses by headers, and adds the headers of ``HEADERS`` to every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            check(scope["path"], Headers(scope=scope), self.settings)
        except Refusal as refusal:
            answer = JSONResponse({"error": refusal.message}, refusal.status, refusal.headers)
            await answer(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)


def check(path: str, headers: Headers, settings: Settings) -> None:
    """Raise Refusal: 421 for a name that is not ours, 403 for a page of others, 401 for a token."""
    host = headers.get("host", "")
    if settings.hosts and _name(host) not in settings.hosts:
        raise Refusal(421, f"this service is not called {host[:100]!r}: see --allow-host")
    foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign and path.startswith(PROTECTED):  # a link from elsewhere to the page itself is fine
        raise Refusal(403, "asked by a page of another origin")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise Refusal(403, f"asked by a page of another origin, {origin[:100]!r}")
    if settings.token and path.startswith(PROTECTED):
        _check_token(headers.get("authorization", ""), settings.token)


def _check_token(authorization: str, token: str) -> None:
    scheme, _, given = authorization.partition(" ")
    # Compared in constant time, as bytes: a header may hold any of them.
    right = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    if scheme.lower() != "bearer" or not right:
        raise Refusal(
            401, "this service asks for a token: Authorization: Bearer TOKEN",
            {"WWW-Authenticate": 'Bearer realm="fullconv"'},
        )  # fmt: skip


def _name(host: str) -> str:
    """The name in ``Host`` without its port: 'localhost:8000' to 'localhost'."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
