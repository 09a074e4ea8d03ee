"""A server on 127.0.0.1 that speaks the part of the Hugging Face Hub's protocol used here.

As huggingface_hub 1 and later ask it: the head of a file, the file, and for an upload the making
of a repository, what is to be done with each file, and a commit with their content.
"""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    """Files of ``server.repos``; a repository without any is gated."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.resolve(body=False)

    def do_GET(self):
        self.resolve(body=True)

    def resolve(self, body):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        path = self.path.split("?")[0]
        if match := re.fullmatch(r"/api/models/(.+)/revision/main", path):  # older clients ask
            return self.json({"id": match[1], "sha": COMMIT, "xetEnabled": False})
        match = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path)
        if match is None:
            return self.refuse(404, "")
        repo, revision, name = match.groups()
        if repo not in self.server.repos:
            return self.refuse(401, "RepoNotFound")
        if not self.server.repos[repo]:
            return self.refuse(403, "GatedRepo")
        if revision not in ("main", "v1", COMMIT):
            return self.refuse(404, "RevisionNotFound")
        content = self.server.repos[repo].get(name)
        if content is None:
            return self.refuse(404, "EntryNotFound")
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        headers = {"ETag": etag, "X-Repo-Commit": COMMIT, "Content-Length": len(content)}
        return self.answer(200, headers, content if body else b"")

    def refuse(self, status, code):
        headers = {"X-Error-Code": code, "X-Error-Message": code, "Content-Length": 0}
        return self.answer(status, headers, b"")

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def json(self, content):
        body = json.dumps(content).encode()
        kind = {"Content-Type": "application/json", "Content-Length": len(body)}
        self.answer(200, kind, body)

    def do_POST(self):
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self.chunked()
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        if self.server.token and self.headers.get("Authorization") != self.server.token:
            return self.refuse(401, "")
        if self.path == "/api/validate-yaml":
            self.server.cards.append(json.loads(body)["content"])
            return self.json({"errors": [], "warnings": []})
        if self.path == "/api/repos/create":
            wanted = json.loads(body)
            repo = f"{wanted.get('organization', 'me')}/{wanted['name']}"
            self.server.repos.setdefault(repo, {})
            is_private = wanted.get("private") or wanted.get("visibility") == "private"
            self.server.private[repo] = is_private
            return self.json({"url": f"{self.server.url}/{repo}"})
        if match := re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                     for f in json.loads(body)["files"]]  # fmt: skip
            return self.json({"files": files})
        if match := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    content = base64.b64decode(value["content"])
                    self.server.repos[match[1]][value["path"]] = content
            url = f"{self.server.url}/{match[1]}/commit/{COMMIT}"
            return self.json({"commitUrl": url, "commitOid": COMMIT, "success": True})
        return self.refuse(404, "")

    def chunked(self):
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


class HubServer(ThreadingHTTPServer):
    """``repos``: the files of each repository by name; ``asked``: method, path, authorisation."""

    daemon_threads = True

    def __init__(self, repos):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos, self.private, self.asked = repos, {}, []
        self.token, self.cards = "", []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub(repos):
    """A server for the block."""
    server = HubServer(repos)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
