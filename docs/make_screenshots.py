"""Photograph the pages for these pages: ``python docs/make_screenshots.py RUN OTHER [NAME ...]``.

RUN and OTHER are run folders trained on generated scenes; ``make walk`` leaves one in
walk/scenes/runs/first. No photo is shown. Needs Playwright and a Chromium (FULLCONV_BROWSER, or
one that is installed).
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance
from playwright.sync_api import sync_playwright

from fullconv.data import open_source
from fullconv.data.export_folder import write_folder

PICTURES = Path(__file__).parent / "pictures"
SCENE = "shapes:300x420:seed=5"
DESK, TALL, PHONE = (1100, 760), (1100, 1180), (390, 780)
SHOTS = [
    # picture, page, section that is in view, size, scheme
    ("report", "report.html", "", TALL, "light"),
    ("report-photos", "report.html", "worst-and-best-photos", DESK, "light"),
    ("report-phone", "report.html", "worst-and-best-photos", PHONE, "dark"),
    ("comparison", "comparison.html", "", TALL, "light"),
    ("inspect", "inspect.html", "", DESK, "light"),
    ("inspect-masks", "inspect.html", "masks-at-a-glance", DESK, "light"),
]


def main(run, other, *names):
    """Every picture, or those that are named."""
    with tempfile.TemporaryDirectory() as temporary, opened_by() as open_page:
        folder = Path(temporary)
        fullconv("report", run, "--out", folder / "report.html")
        fullconv("report", run, other, "--out", folder / "comparison.html")
        damaged(folder / "photos")
        fullconv("inspect", "photos", folder=folder)
        for name, file, section, size, scheme in SHOTS:
            if names and name not in names:
                continue
            page = open_page((folder / file).as_uri(), size, scheme)
            page.evaluate("id => document.getElementById(id)?.scrollIntoView()", section)
            keep(name, page.screenshot())
        if names and not {"serve", "serve-phone"} & {*names}:
            return
        with served(run) as url:
            for name, size, scheme in (("serve", DESK, "light"), ("serve-phone", PHONE, "dark")):
                keep(name, segmented(open_page(url, size, scheme)))


def fullconv(*arguments, folder=None):
    """A command as it is typed."""
    subprocess.run([sys.executable, "-m", "fullconv", *arguments], cwd=folder, check=True)


def damaged(folder):
    """Scenes with what goes wrong: masks exchanged, masks moved, a photo in two splits."""
    write_folder([open_source("shapes", split) for split in ("train", "val")], folder, 40)
    masks, photos = folder / "masks/train", folder / "images"
    first, second, *moved = (masks / f"shapes-train-{number:05d}.png" for number in (20, 31, 5, 12))
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    for file in moved:
        mask = Image.open(file)
        shifted = Image.fromarray(np.roll(np.asarray(mask), -8, 1))
        shifted.putpalette(mask.getpalette())
        shifted.save(file)
    photo = Image.open(photos / "train/shapes-train-00003.jpg").crop((6, 4, 202, 156))
    ImageEnhance.Brightness(photo).enhance(1.15).save(photos / "val/phone.jpg", quality=70)
    mask = Image.open(masks / "shapes-train-00003.png").crop((6, 4, 202, 156))
    mask.save(folder / "masks/val/phone.png")


@contextmanager
def opened_by():
    """``open_page(url, size, scheme)`` opens a page in a browser that runs for the block."""
    path = os.environ.get("FULLCONV_BROWSER") or shutil.which("chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)

        def open_page(url, size, scheme):
            viewport = {"width": size[0], "height": size[1]}
            page = browser.new_page(viewport=viewport, color_scheme=scheme)
            page.goto(url)
            return page

        yield open_page
        browser.close()


@contextmanager
def served(run):
    """The address of the run's service, which ends with the block."""
    command = [sys.executable, "-m", "fullconv", "serve", run, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            lines = iter(service.stdout.readline, "")
            yield next(found[0] for line in lines if (found := re.match(r"http://\S+", line)))
        finally:
            service.terminate()
            service.communicate()


def segmented(page):
    """A PNG of the service's page, with a scene on it and the pointer on the scene."""
    scene = io.BytesIO()
    Image.fromarray(open_source(SCENE, "val")[1].image).save(scene, "PNG")
    photo = {"name": "scene.png", "mimeType": "image/png", "buffer": scene.getvalue()}
    page.set_input_files("#file", photo)
    page.locator("#list button").first.wait_for()
    box = page.locator("#classes").bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
    page.locator("#readout", has_text="%").wait_for()
    return page.screenshot()


def keep(name, seen):
    """Write a picture with a palette of its own, which keeps rare colours, as those of legends."""
    path, picture = PICTURES / f"{name}.png", Image.open(io.BytesIO(seen)).convert("RGB")
    small = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB, {picture.size}")


if __name__ == "__main__":
    main(*sys.argv[1:])
