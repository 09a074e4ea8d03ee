"""uvicorn with a socket that is bound first, and a stop that finishes what was accepted."""

import asyncio
import signal
import socket
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fullconv.errors import UserError
from fullconv.serve.app import build_app
from fullconv.serve.service import Service

HEAD_SECONDS = 15.0
"""Who has not said within this time what is asked for is cut off."""
CONNECTIONS = 512
ANSWERING = 5.0  # seconds to send the last answers


class Punctual(H11Protocol):
    """uvicorn waits without end for the first request of a connection; this does not."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._cut_off)

    def _cut_off(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """Ends by SIGTERM or Ctrl-C when the last answer is sent; a second Ctrl-C ends it at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own raises the signal again at the end, which would make a good end a bad one.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; UserError where it cannot be had. Port 0 is any that is free."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        # With the protocol named: asyncio sends at once (TCP_NODELAY) on such sockets only, and an
        # answer takes 40 ms more without.
        made = socket.socket(*found[0][:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{host}:{port}: {reason}; choose another --host or --port") from error
    made.listen(128)
    return made


def address(listening: socket.socket) -> str:
    """Its URL."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(service: Service, listening: socket.socket, log: bool = False) -> None:
    """Answer until SIGTERM or Ctrl-C; returns when all that was accepted is answered.

    Raises KeyboardInterrupt where a second Ctrl-C did not wait for that.
    """
    server = server_of(service, log)
    server.run(sockets=[listening])
    if server.force_exit:
        raise KeyboardInterrupt


def server_of(service: Service, log: bool = False) -> Server:
    """A server of ``service``, with a line for each request where ``log``."""
    settings = service.settings
    options: dict[str, Any] = {
        "http": Punctual,
        "ws": "none",
        "lifespan": "on",
        "limit_concurrency": CONNECTIONS,
        "server_header": False,
        "proxy_headers": False,
        "log_level": "info" if log else "error",
        "access_log": log,
        "timeout_graceful_shutdown": int(settings.upload_seconds + settings.seconds + ANSWERING),
    }
    return Server(uvicorn.Config(build_app(service), **options))
