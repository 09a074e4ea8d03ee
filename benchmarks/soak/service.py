"""A service under load: photos by eight clients while others misbehave; answers are checked."""

import http.client
import io
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soak.children import Child
from soak.scenes import Scenes
from soak.tally import Tally

CLIENTS = 8
SIZES = ((48, 64), (33, 47), (60, 60))
PHOTOS = 24
COLUMNS = ["requests", "right", "told to retry (503)", "lost", "wrong", "hostile requests",
           "answered with 500", "MiB after each quarter"]  # fmt: skip
ROW = "eight clients"
PAUSE = 0.05
"""Seconds between two misbehaving connections of a kind."""


@dataclass(frozen=True)
class Photo:
    """A photo as bytes, and its class map."""

    content: bytes
    mask: np.ndarray


@dataclass(frozen=True)
class Address:
    """Where the service listens, and its process."""

    host: str
    port: int
    process: subprocess.Popen[str]

    def resident(self) -> float:
        """Memory of the process in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+)", text)[1]) / 1024  # pyright: ignore


def soak_service(scenes: Scenes, requests: int, seed: int) -> Tally:
    """``requests`` of eight clients, a quarter at a time, and what misbehaves beside them."""
    tally = Tally("service", COLUMNS)
    tally.rows[ROW] = dict.fromkeys(COLUMNS, 0)
    photos = _photos(scenes, seed)
    with _served(scenes.net, scenes.folder / "service.log") as address:
        stop = threading.Event()
        bad = [threading.Thread(target=_misbehave, args=(kind, address, stop, tally, seed))
               for kind in MISBEHAVIOURS]  # fmt: skip
        for thread in bad:
            thread.start()
        resident = []
        for quarter in range(4):
            _send(address, photos, requests // 4, quarter, tally)
            resident.append(address.resident())
        stop.set()
        for thread in bad:
            thread.join()
        tally.rows[ROW][COLUMNS[7]] = ", ".join(f"{mebibytes:.0f}" for mebibytes in resident)
        address.process.send_signal(signal.SIGTERM)
        if code := address.process.wait(60):
            tally.find(ROW, f"the service ended with {code}")
    said = (scenes.folder / "service.log").read_text("utf-8", "replace")
    if "Traceback" in said:
        tally.find(ROW, f"the service printed {said[said.index('Traceback') :][:300]!r}")
    sizes = ", ".join(f"{height}x{width}" for height, width in SIZES)
    tally.notes.append(f"Hostile all the time: {', '.join(MISBEHAVIOURS)}. Photos of {sizes}.")
    tally.notes.append(
        "The memory includes photos of 24 megapixels, one in forty of the small PNGs, which are "
        "allowed and predicted."
    )
    return tally


def _send(address: Address, photos: list[Photo], count: int, quarter: int, tally: Tally) -> None:
    """``count`` photos by all clients."""
    lock = threading.Lock()

    def client(first: int) -> None:
        for number in range(first, count, CLIENTS):
            outcome, what = _asked(address, photos[(number + quarter) % len(photos)])
            with lock:
                tally.count(ROW, "requests")
                tally.count(ROW, outcome)
                if outcome in ("lost", "wrong"):
                    tally.find(ROW, f"{outcome}: {what}")

    threads = [threading.Thread(target=client, args=(first,)) for first in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _asked(address: Address, photo: Photo) -> tuple[str, str]:
    """How a request for a class map ended; a 503 says to come again."""
    from PIL import Image

    headers = {"Content-Type": "image/png", "Accept": "image/png"}
    for _ in range(100):
        connection = http.client.HTTPConnection(address.host, address.port, timeout=90)
        try:
            connection.request("POST", "/v1/segment", photo.content, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return "lost", repr(error)
        finally:
            connection.close()
        if answer.status != 503:
            break
        time.sleep(0.05)
    else:
        return COLUMNS[2], ""
    if answer.status != 200:
        return "wrong", f"{answer.status} {content[:200]!r}"
    same = np.array_equal(np.asarray(Image.open(io.BytesIO(content))), photo.mask)
    return ("right", "") if same else ("wrong", "another class map")


def _photos(scenes: Scenes, seed: int) -> list[Photo]:
    """Different photos, their class maps predicted in Python, in a fork."""
    from PIL import Image

    random_values, contents = np.random.default_rng(seed), []
    for number in range(PHOTOS):
        height, width = SIZES[number % len(SIZES)]
        small = Image.fromarray(random_values.integers(0, 256, (6, 8, 3), np.uint8))
        file = io.BytesIO()
        small.resize((width, height)).save(file, "PNG")
        contents.append(file.getvalue())
    target = scenes.folder / "masks.npz"

    def predict() -> None:
        from fullconv import Predictor

        predictor = Predictor(scenes.net, "cpu")
        np.savez(target, *[predictor(io.BytesIO(content)).mask for content in contents])

    child = Child(predict, scenes.folder / "masks.log")
    if code := child.wait():
        raise RuntimeError(f"the class maps were not predicted ({code}): {child.said()}")
    with np.load(target) as masks:
        return [Photo(c, masks[f"arr_{number}"]) for number, c in enumerate(contents)]


@contextmanager
def _served(net: Path, log: Path) -> Iterator[Address]:
    """The service as a process of its own, at a free port."""
    command = [
        sys.executable,
        "-m",
        "fullconv",
        "serve",
        str(net),
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, text=True)
    try:
        end = time.monotonic() + 120
        while not (match := re.search(r"http://([\d.]+):(\d+)", log.read_text())):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the service did not start: {log.read_text()}")
            time.sleep(0.1)
        yield Address(match[1], int(match[2]), process)
    finally:
        process.kill()
        process.wait()


def _misbehave(kind: str, address: Address, stop: threading.Event, tally: Tally, seed: int) -> None:
    """Connect again and again, and look at what comes back."""
    chance = random.Random(f"{seed} {kind}")
    while not stop.is_set():
        answer = b""
        with suppress(OSError), socket.create_connection((address.host, address.port), 20) as peer:
            peer.settimeout(20)
            answer = MISBEHAVIOURS[kind](peer, chance, stop)
        tally.count(ROW, "hostile requests")
        if answer.startswith(b"HTTP/1.1 500"):
            tally.count(ROW, COLUMNS[6])
            tally.find(ROW, f"{kind}: {answer[:200]!r}")
        stop.wait(PAUSE)


def _head(length: int, kind: str = "image/png") -> bytes:
    return (f"POST /v1/segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {length}\r\nConnection: close\r\n\r\n").encode()  # fmt: skip


def _slow(peer: socket.socket, chance: random.Random, stop: threading.Event) -> bytes:
    """A byte every 50 ms, for five seconds."""
    peer.sendall(_head(10_000))
    for _ in range(100):
        if stop.is_set():
            break
        peer.sendall(b"\x89")
        time.sleep(0.05)
    return b""


def _half_open(peer: socket.socket, chance: random.Random, stop: threading.Event) -> bytes:
    """Half of an upload, then nothing, then the end."""
    content = _bomb(64, 64)
    peer.sendall(_head(len(content)) + content[: chance.randrange(len(content))])
    stop.wait(chance.choice((0, 0.5, 2)))
    return b""


def _too_large(peer: socket.socket, chance: random.Random, stop: threading.Event) -> bytes:
    """A length of many gigabytes."""
    peer.sendall(_head(chance.choice((2**33, 2**40, 10**30))))
    return peer.recv(4096)


def _bombs(peer: socket.socket, chance: random.Random, stop: threading.Event) -> bytes:
    """A small PNG of many megapixels."""
    sizes = ((4000, 6000), (20_000, 20_000), (2**31 - 1, 2**31 - 1))
    content = _bomb(*chance.choices(sizes, (1, 20, 20))[0])  # the first is allowed, and predicted
    peer.sendall(_head(len(content)) + content)
    return peer.recv(4096)


def _rubbish(peer: socket.socket, chance: random.Random, stop: threading.Event) -> bytes:
    """Bytes that are no photo, and requests that are no HTTP."""
    content = chance.randbytes(chance.randrange(1, 2000))
    kind = chance.choice(("image/png", "multipart/form-data; boundary=x", "application/json"))
    peer.sendall(chance.choice((_head(len(content), kind) + content, content,
                                b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n")))  # fmt: skip
    peer.shutdown(socket.SHUT_WR)
    return peer.recv(4096)


def _bomb(height: int, width: int) -> bytes:
    """A PNG of this size by its header; of at most 24 megapixels also by its content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    rows = min(height * (width // 8 + 1), 3_100_000)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x01\x00\x00\x00\x00"
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b""))  # fmt: skip


MISBEHAVIOURS: dict[str, Callable[[socket.socket, random.Random, threading.Event], bytes]] = {
    "slow clients": _slow,
    "uploads that stop half-way": _half_open,
    "lengths of gigabytes": _too_large,
    "small PNGs of up to 4 * 10^18 pixels": _bombs,
    "rubbish": _rubbish,
}
