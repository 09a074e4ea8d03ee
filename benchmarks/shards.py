"""Photos a second from shards behind a slow server, against what a training takes.

    python benchmarks/shards.py                     # CamVid, 50 ms for each request
    python benchmarks/shards.py PHOTOS --latency 0.1 --recipe default

The data is packed, and a server on 127.0.0.1 answers each request for a range of a shard after the
latency. One loader process reads the folder, the shards on the disk, the shards from the server
without a cache, so that each photo waits for its request, with and without reading ahead, and the
shards from the cache. The training runs by itself on batches that lie ready, on all cores. Medians
of several rounds, in turn; the server takes part of the same cores.
"""

import argparse
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from fullconv.data import CacheOptions, Source, batches, open_source, pack
from fullconv.training import make_config
from loading import camvid, loaded, made, trained


class SlowHandler(BaseHTTPRequestHandler):
    """Ranges of the files of ``server.folder``, each after ``server.latency`` seconds."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """A file, or a range of it."""
        time.sleep(self.server.latency)
        file = self.server.folder / self.path.lstrip("/")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        with file.open("rb") as opened:
            first = int(wanted[1]) if wanted else 0
            opened.seek(first)
            body = opened.read(int(wanted[2]) + 1 - first if wanted else -1)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class SlowServer(ThreadingHTTPServer):
    """On a free port of 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), SlowHandler)
        self.folder, self.latency = folder, latency


def _serve(folder: Path, latency: float, port: "multiprocessing.Queue[int]") -> None:
    server = SlowServer(folder, latency)
    port.put(server.server_port)
    server.serve_forever()


@contextmanager
def slow_server(folder: Path, latency: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    context = multiprocessing.get_context("fork")
    port: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=_serve, args=(folder, latency, port), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=30)}"
    finally:
        process.terminate()
        process.join()


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?")
    parser.add_argument("--recipe", default="camvid-scratch")
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = open_source(given.data or camvid(folder), "train")
        pack({"train": source}, folder / "shards", is_checked=True)
        with slow_server(folder, given.latency) as address:
            measure(given, source, folder, address)


def measure(given: argparse.Namespace, source: Source, folder: Path, address: str) -> None:
    """Run all ways in turn, print the table."""
    changes = {
        "loss.cross_entropy.class_weights": "none",
        "compute.device": "cpu",
        "compute.precision": "fp32",
    }
    config = make_config(given.recipe, changes)
    url, none = f"{address}/shards", CacheOptions(folder / "none", 0)
    uncached = open_source(url, "train", cache=none)
    cached = open_source(url, "train", cache=CacheOptions(folder / "cache"))
    for index in range(len(cached)):
        cached[index]
    delay = f"{1000 * given.latency:.0f} ms a request"
    ways: dict[str, Callable[[], tuple[float, float]]] = {}
    for name, of in (
        ("folder", source),
        ("shards on the disk", open_source(folder / "shards", "train")),
        (f"shards from the server, {delay}", uncached),
        ("shards from the cache", cached),
    ):
        ways[name] = lambda of=of: loaded(config, of, 1, False, given.seconds)
    ways["from the server, nothing read ahead"] = lambda: _not_ahead(
        lambda: loaded(config, uncached, 1, False, given.seconds)
    )
    updater, ready = made(config, source)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    trainings = []
    for _ in range(given.rounds):
        trainings.append(trained(updater, ready[False], given.seconds))
        for name, way in ways.items():
            rates[name].append(way()[0])
    training = statistics.median(trainings)
    print(f"training alone: {training:.1f} photos/s\n")
    print("| one loader process | photos/s | times the training's |\n|---|---|---|")
    for name, of in rates.items():
        rate = statistics.median(of)
        print(f"| {name} | {rate:.1f} | {rate / training:.1f} |")


def _not_ahead(way: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """``way`` with each photo asked for when it is needed."""
    begin = batches.prefetch
    batches.prefetch = lambda *_: None
    try:
        return way()
    finally:
        batches.prefetch = begin


if __name__ == "__main__":
    main()
