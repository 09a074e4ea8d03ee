"""The connections between the processes of a training, each with process 0: how they are made, and
messages over them, one line of JSON each."""

import contextlib
import json
import os
import selectors
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MEETING = 120.0  # seconds for all processes to connect
SAID = 5.0  # seconds for one that has connected to say who it is
TAKEN = 2.0  # seconds for the other end to take a message
LEAVING = 5.0  # seconds for the other ends to have heard the last word

Message = dict[str, Any]


class Connections:
    """The connections of this process, ``links`` by the number of the process at their end."""

    def __init__(self, links: dict[int, socket.socket]) -> None:
        self.links, self.rest = links, dict.fromkeys(links, b"")

    @property
    def numbers(self) -> list[int]:
        """The processes at the other ends."""
        return list(self.links)

    def send(self, message: Message, without: int | None = None) -> None:
        """To all, but ``without`` one; nothing is said of those that cannot take it."""
        line = json.dumps(message).encode() + b"\n"
        for number, link in list(self.links.items()):
            if number != without:
                with contextlib.suppress(OSError):
                    link.sendall(line)

    def ready(self, seconds: float) -> list[int]:
        """The processes that have sent something, or have gone; none after ``seconds`` of silence.

        Raises OSError or ValueError where a connection has been closed meanwhile.
        """
        with selectors.DefaultSelector() as selector:
            for number, link in self.links.items():
                selector.register(link, selectors.EVENT_READ, number)
            return [key.data for key, _ in selector.select(seconds)]

    def receive(self, number: int) -> list[Message] | None:
        """The messages that have come from a process; None where its connection is closed."""
        try:
            content = self.links[number].recv(1 << 16)
        except OSError:
            content = b""
        if not content:
            return None
        *lines, self.rest[number] = (self.rest[number] + content).split(b"\n")
        return [json.loads(line) for line in lines]

    def drop(self, number: int) -> None:
        """Close the connection with one process, if it is not closed already."""
        if link := self.links.pop(number, None):
            link.close()

    def leave(self) -> None:
        """Close all once the other ends have taken what was sent, and have closed theirs.

        What is closed with something unread in it takes the words on their way along.
        """
        end = time.monotonic() + LEAVING
        for link in list(self.links.values()):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_WR)
        for link in list(self.links.values()):
            with contextlib.suppress(OSError):  # of one that has gone, or says nothing
                _read_to_its_end(link, end)
        self.close()

    def close(self) -> None:
        """Close all, with no word."""
        for link in list(self.links.values()):
            link.close()


def _read_to_its_end(link: socket.socket, end: float) -> None:
    """Read and drop what comes until the other end closes; TimeoutError at the moment ``end``."""
    while True:
        link.settimeout(max(0.01, end - time.monotonic()))
        if not link.recv(1 << 16):
            return


def meet(fabric: "Fabric") -> "Connections":
    """Connections of process 0 to all others, whom the process group has told of its address."""
    is_one_machine = fabric.world_size == fabric.strategy.num_processes  # pyright: ignore
    if fabric.global_rank == 0:
        server = _server(is_one_machine)
        token = os.urandom(16).hex()
        fabric.broadcast((server.getsockname()[1], token))
        with server:
            return Connections(_accept(server, fabric.world_size, token))
    address: Any = fabric.broadcast(None)
    port, token = address
    host = "127.0.0.1" if is_one_machine else os.environ["MASTER_ADDR"]
    link = socket.create_connection((host, port), timeout=MEETING)
    link.sendall(f"{token} {fabric.global_rank}\n".encode())
    return Connections({0: _ready(link)})


def _server(is_one_machine: bool) -> socket.socket:
    if is_one_machine:
        return socket.create_server(("127.0.0.1", 0))
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _accept(server: socket.socket, world: int, token: str) -> dict[int, socket.socket]:
    """The connections of the other processes by their number; one without ``token`` is closed.

    TimeoutError where they have not come in time.
    """
    server.settimeout(MEETING)
    links: dict[int, socket.socket] = {}
    while len(links) < world - 1:
        link, _ = server.accept()
        sent_token, _, number = _first_line(link).partition(" ")
        if sent_token != token:
            link.close()
            continue
        links[int(number)] = _ready(link)
    return links


def _first_line(link: socket.socket) -> str:
    """What the other end says first; of a stranger, who says nothing or goes, what there is."""
    content = b""
    link.settimeout(SAID)
    with contextlib.suppress(OSError):
        while not content.endswith(b"\n") and len(content) < 100:
            byte = link.recv(1)
            if not byte:
                break
            content += byte
    return content.decode("ascii", "replace").strip()


def _ready(link: socket.socket) -> socket.socket:
    link.settimeout(TAKEN)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link
