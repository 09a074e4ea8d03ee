"""A server on 127.0.0.1 for the files of a folder: ranges, latency and the faults of servers."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        with server.lock:
            server.asked.append(self.path.lstrip("/"))
            server.now += 1
            server.most_at_once = max(server.most_at_once, server.now)
        try:
            time.sleep(server.latency)
            with suppress(BrokenPipeError, ConnectionResetError):
                self.answer()
        finally:
            with server.lock:
                server.now -= 1

    do_HEAD = do_GET

    def answer(self):
        server, name = self.server, self.path.lstrip("/")
        if server.failures and server.failures[0]:
            server.failures[0] -= 1
            self.give(server.failures[1], b"busy")
            return
        file = server.folder / name
        if not file.is_file():
            self.give(404, b"none")
            return
        content, wanted = file.read_bytes(), self.headers.get("Range")
        if not wanted or not server.knows_ranges:
            self.give(200, content)
            return
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", wanted).groups())
        if first >= len(content):
            self.give(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        span = {"Content-Range": f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"}
        self.give(206, content[first : last + 1], span)

    def give(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            cut = self.server.cut
            self.wfile.write(body if cut is None else body[:cut])
            self.close_connection = cut is not None


class RangeServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.lock = folder, threading.Lock()
        self.asked: list[str] = []
        self.now = self.most_at_once = 0
        self.latency, self.knows_ranges, self.cut = 0.0, True, None
        self.failures: list[int] = []
        """How many requests fail, and with which status."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving_folder(folder: Path) -> Iterator[RangeServer]:
    server = RangeServer(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
