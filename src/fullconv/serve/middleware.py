"""Access control, security headers and counters: before and around every request.

The service has no cookies and no CORS. What remains are pages of others that are open in the same
browser: they could call a service on this machine under a name of their own (DNS rebinding), or
send it photos without seeing the answer. Both are refused by the headers that browsers set.
"""

import hmac
import time
from collections.abc import Collection
from contextlib import suppress
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fullconv.serve.prometheus import Metrics
from fullconv.serve.request_errors import RequestError, busy
from fullconv.serve.schema import ErrorAnswer
from fullconv.serve.settings import Settings

PROTECTED = ("/v1/", "/metrics", "/openapi.json")
"""The paths that need the token; the others tell nothing about photos or nets."""
TOKEN_PARAMETERS = {"token", "access_token", "auth_token", "api_key", "apikey", "authorization"}
CROWDED = "crowded"
"""In the state of a connection: there are too many others, and it is for /healthz only."""
OTHER_PATHS = "other"
"""In place of a path that does not exist: strangers must not be able to add series."""

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
            if CROWDED in scope.get("state", {}) and scope["path"] != "/healthz":
                raise busy(1)
            check(scope["path"], scope["query_string"], Headers(scope=scope), self.settings)
        except RequestError as error:
            await error_response(error)(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)


def error_response(error: RequestError) -> JSONResponse:
    """The answer to a request that has an error."""
    content = ErrorAnswer(error=error.message, code=error.code)
    return JSONResponse(content.model_dump(), error.status, error.headers)


def check(path: str, query: bytes, headers: Headers, settings: Settings) -> None:
    """Raise RequestError for who must not ask.

    421 for a name that is not ours, 403 for a page of another origin, 401 without the token, 400
    for one in the URL, which browsers, proxies and logs keep.
    """
    host = headers.get("host", "")
    if settings.hosts and _name(host) not in settings.hosts:
        message = f"this service is not called {host[:100]!r}: see --allow-host"
        raise RequestError(421, message, "FC-SERVE-001")
    foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign and path.startswith(PROTECTED):  # a link from elsewhere to the page itself is fine
        raise RequestError(403, "asked by a page of another origin", "FC-SERVE-002")
    origin = headers.get("origin")
    if origin is not None and not _is_same(origin, host):
        message = f"asked by a page of another origin, {origin[:100]!r}"
        raise RequestError(403, message, "FC-SERVE-002")
    if _has_token(query, settings.token):
        message = "a token in the URL is not accepted: send the header Authorization: Bearer TOKEN"
        raise RequestError(400, message, "FC-SERVE-004")
    if settings.token and path.startswith(PROTECTED):
        _check_token(headers.get("authorization", ""), settings.token)


def _is_same(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # a broken IPv6 address
        return False


def _has_token(query: bytes, token: str | None) -> bool:
    parts = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return any(name.lower() in TOKEN_PARAMETERS or token in (name, value) for name, value in parts)


def _check_token(authorization: str, token: str) -> None:
    scheme, _, sent_token = authorization.partition(" ")
    # Compared in constant time, as bytes: a header may hold any of them.
    right = hmac.compare_digest(sent_token.strip().encode("utf-8", "replace"), token.encode())
    if scheme.lower() != "bearer" or not right:
        raise RequestError(
            401,
            "this service asks for a token: send the header Authorization: Bearer TOKEN",
            "FC-SERVE-003",
            {"WWW-Authenticate": 'Bearer realm="fullconv"'},
        )


def _name(host: str) -> str:
    """The name in ``Host`` without its port: 'localhost:8000' to 'localhost'."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class RequestCounter:
    """ASGI middleware around all others: counts every answer by path and status.

    ``paths`` are those that exist. With ``log`` it prints a line for each request, without the
    query, where somebody may have put a secret.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, paths: Collection[str], log: bool = False
    ) -> None:
        self.app, self.metrics, self.paths, self.log = app, metrics, frozenset(paths), log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                path, status = scope["path"], message["status"]
                known = path if path in self.paths else OTHER_PATHS
                self.metrics.requests.labels(known, str(status)).inc()
                if self.log:
                    client = (scope.get("client") or ("-",))[0]
                    seconds = time.perf_counter() - start
                    line = f"{client} {scope['method']} {quote(path)[:200]} {status}"
                    with suppress(OSError, ValueError):  # nobody reads it any more
                        print(f"{line} {seconds:.3f} s", flush=True)
            await send(message)

        await self.app(scope, receive, counted if scope["type"] == "http" else send)
