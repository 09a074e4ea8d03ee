"""The built site in Chromium: its search finds in both languages, and asks nobody else."""

import functools
import os
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import chromium

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytest.importorskip("mkdocs", reason="the site's tools are not installed: make docs")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


class Quiet(SimpleHTTPRequestHandler):
    """Writes no lines about requests."""

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def page(site):
    """A page of the site; what it asks for is in ``page.asked``."""
    with playwright.sync_playwright() as started:
        browser = chromium(started)
        made = browser.new_page()
        made.asked = []
        made.on("request", lambda asked: made.asked.append(asked.url))
        yield made
        browser.close()


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("receptive field", "paper.html"),
        ("labelme", "import.html"),
        ("エポック", "ja/index.html"),
        ("全層畳み込みネットワーク", "ja/index.html"),
        ("自分の写真", "ja/index.html"),
    ],
)
def test_the_search_finds(site, page, words, place):
    page.goto(f"{site}/index.html")
    page.locator(".md-search__input").first.fill(words)
    found = page.locator(f".md-search-result__link[href*='{place}']").first
    found.wait_for(state="attached")
    found.click()
    page.wait_for_url(f"**/{place}*")
    assert words.lower() in page.locator("article").inner_text().lower()
    assert [url for url in page.asked if not url.startswith((site, "data:", "blob:"))] == []
