"""Photograph the page of ``fullconv serve``: ``python docs/make_screenshot.py [RUN]``.

RUN is a run folder trained on ``shapes`` (``make demo`` leaves one in demo/run). The photo is a
generated scene. Needs Playwright and a Chromium (FULLCONV_BROWSER, or one that is installed).
"""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from fullconv.data import open_source

PICTURE = Path(__file__).parent / "pictures" / "serve.png"
SCENE = "shapes:300x420:seed=5"


def main(run):
    """Serve ``run``, drop a scene, point at it, and keep what is seen."""
    command = [sys.executable, "-m", "fullconv", "serve", run, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            lines = iter(service.stdout.readline, "")
            url = next(found[0] for line in lines if (found := re.match(r"http://\S+", line)))
            seen = photograph(url)
        finally:
            service.terminate()
    picture = Image.open(io.BytesIO(seen)).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size // 1000} kB, {picture.size}")


def photograph(url):
    """A PNG of the page, with a scene on it and the pointer on the scene."""
    scene = io.BytesIO()
    Image.fromarray(open_source(SCENE, "val")[1].image).save(scene, "PNG")
    photo = {"name": "scene.png", "mimeType": "image/png", "buffer": scene.getvalue()}
    with sync_playwright() as playwright:
        path = os.environ.get("FULLCONV_BROWSER") or shutil.which("chromium")
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        page = browser.new_page(viewport={"width": 1100, "height": 700})
        page.goto(url)
        page.set_input_files("#file", photo)
        page.locator("#list button").first.wait_for()
        box = page.locator("#classes").bounding_box()
        page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
        page.locator("#readout", has_text="%").wait_for()
        return page.screenshot()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "demo/run")
