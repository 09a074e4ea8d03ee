"""uvicorn with a socket bound before the start, and a stop that finishes accepted requests."""

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fullconv.errors import UserError
from fullconv.serve.app import build_app
from fullconv.serve.middleware import CROWDED
from fullconv.serve.service import Service

HEAD_SECONDS = 15.0
"""A connection on which no request has arrived within this time is closed."""
CONNECTIONS = 512
"""Beyond so many, idle connections are closed, and new ones get /healthz only."""
REST_SECONDS = 5.0
"""How long the rest of a body is read and dropped after its answer.

A connection that is closed while the client sends is reset, and the client may not see the answer.
"""
ANSWERING = 5.0  # seconds to send the last answers


class Connection(H11Protocol):
    """uvicorn's, with limits on its number and on the time that it stays open without use."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        self.loop.call_later(HEAD_SECONDS, self._close_without_request)
        if len(self.connections) > CONNECTIONS and not self._close_idle_one():
            self.app_state = {**self.app_state, CROWDED: True}

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.idle_since = self.loop.time()
        if self.conn.their_state is h11.SEND_BODY or CROWDED in self.app_state:
            self.loop.call_later(REST_SECONDS, self._close_if_idle)

    def _close_idle_one(self) -> bool:
        """Close the connection that is idle for longest; False where every one has a request."""
        others = [c for c in self.connections if isinstance(c, Connection) and c is not self]
        idle = [c for c in others if c._is_idle()]
        if idle:
            min(idle, key=lambda c: c.idle_since)._close()
        return bool(idle)

    def _is_idle(self) -> bool:
        without_request = self.cycle is None or self.cycle.response_complete
        return without_request and not self.transport.is_closing()

    def _close_if_idle(self) -> None:
        if self._is_idle():
            self._close()

    def _close_without_request(self) -> None:
        if self.cycle is None:
            self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """Ends by SIGTERM or Ctrl-C when the last answer is sent; a second Ctrl-C ends it at once.

    ``ready`` is called, in a thread, once it answers and is ended by signals.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await asyncio.to_thread(self._ready)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own raises the signal again at the end, which would make a good end a bad one.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; UserError where it cannot be had. Port 0 is any that is free."""
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        # With the protocol named: asyncio sends at once (TCP_NODELAY) on such sockets only, and an
        # answer takes 40 ms more without.
        listening = socket.socket(*places[0][:3])
    except (OSError, UnicodeError) as error:  # UnicodeError: a name of more than 63 characters
        raise _cannot_listen(host, port, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(places[0][4])
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise _cannot_listen(host, port, error) from error
    return listening


def _cannot_listen(host: str, port: int, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    message = f"{host}:{port}: {reason}; choose another --host or --port"
    return UserError(message, "FC-SERVE-019")


def address(listening: socket.socket) -> str:
    """The URL of the service."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    service: Service,
    listening: socket.socket,
    log: bool = False,
    ready: Callable[[], object] = lambda: None,
) -> None:
    """Answer until SIGTERM or Ctrl-C; returns when all that was accepted is answered.

    With ``log`` each request is a line on stdout. ``ready`` is called, in a thread, once it
    answers and is ended by signals. Raises KeyboardInterrupt where a second Ctrl-C did not wait.
    """
    server = server_of(service, log, ready)
    server.run(sockets=[listening])
    if server.force_exit:
        raise KeyboardInterrupt


def server_of(
    service: Service, log: bool = False, ready: Callable[[], object] = lambda: None
) -> Server:
    """A server of ``service`` with the options of `run`."""
    settings = service.settings
    options: dict[str, Any] = {
        "http": Connection,
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
        "proxy_headers": False,
        "log_config": None,  # its own would write to the stderr of now, whatever becomes of that
        "log_level": "error",
        "access_log": False,  # it would show queries
        "timeout_graceful_shutdown": int(settings.upload_seconds + settings.seconds + ANSWERING),
    }
    return Server(uvicorn.Config(build_app(service, log), **options), ready)
