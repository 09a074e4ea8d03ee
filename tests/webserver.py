"""A real server on 127.0.0.1 that serves rightly, and wrongly in the ways that servers do."""

import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Calls ``server.behave(handler, number of the request)``; notes the ranges asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        self.server.asked.append(dict(self.headers))
        with suppress(BrokenPipeError, ConnectionResetError):
            self.server.behave(self, len(self.server.ranges))
        self.close_connection = True

    def log_message(self, *_):
        pass

    def start(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def give(self, content, *, ranges=True, tag='"one"', until=None):
        """Serve ``content`` as a good server does; ``until`` cuts after so many bytes of the body.

        Range is honoured where ``ranges``, unless If-Range names another state of the file.
        """
        wanted = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, tag)
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        extra = {"ETag": tag} if tag else {}
        if first and ranges and same:
            if first >= len(content):
                self.start(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
                return
            span = f"bytes {first}-{len(content) - 1}/{len(content)}"
            body = content[first:]
            self.start(206, Content_Range=span, Content_Length=len(body), **extra)
        else:
            body = content
            self.start(200, Content_Length=len(body), **extra)
        self.wfile.write(body[:until])

    def stall(self, seconds):
        """Say nothing, until the test is over at the latest."""
        self.wfile.flush()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.server.over.wait(0.02):
            pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behave):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.ranges, self.asked = behave, [], []
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights.bin"


@contextmanager
def serving(behave):
    """A server for the block."""
    server = Server(behave)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
