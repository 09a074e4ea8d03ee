"""Photograph MLflow's pages and the exported page: ``python docs/make_logger_screenshots.py RUN``.

RUN is a run folder trained on generated scenes, which becomes the exported page. For MLflow two
short trainings are logged into a store of their own. No photo is shown. Needs Playwright and a
Chromium, as `make_screenshots.py`, and fullconv[track].
"""

import io
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from make_screenshots import DESK, SCENE, fullconv, keep, opened_by
from PIL import Image

from fullconv.data import open_source

WIDE = (1300, 760)
SCENES = "shapes:96x128:n=40"
WAIT = 10_000  # milliseconds: curves are drawn one after the other
RUNS = {"first": "0.01", "second": "0.003"}
"""Name and learning rate of the trainings."""


def main(run):
    """Every picture."""
    with tempfile.TemporaryDirectory() as temporary, opened_by() as open_page:
        folder = Path(temporary)
        fullconv("export", Path(run).resolve(), "--to", "web", "--out", folder / "demo.html")
        keep("web-page", segmented(open_page((folder / "demo.html").as_uri(), DESK, "light")))
        with tracked(folder) as url:
            photograph_mlflow(open_page(url, WIDE, "light"))


def segmented(page):
    """A PNG of the exported page with a scene on it and the pointer on the scene."""
    page.locator("#status:not(.busy):not(:empty)").wait_for(timeout=120_000)
    scene = io.BytesIO()
    Image.fromarray(open_source(SCENE, "val")[1].image).save(scene, "PNG")
    photo = {"name": "scene.png", "mimeType": "image/png", "buffer": scene.getvalue()}
    page.set_input_files("#file", photo)
    page.locator("#list button").first.wait_for(timeout=120_000)
    box = page.locator("#classes").bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
    return page.screenshot()


@contextmanager
def tracked(folder):
    """The address of MLflow's pages over a store with the runs, which end with the block."""
    store = f"sqlite:///{folder}/mlflow.db"
    os.environ |= {"MLFLOW_TRACKING_URI": store, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    for name, lr in RUNS.items():
        fullconv("train", SCENES, "--recipe", "demo", "--steps", "60", "--lr", lr, "--log",
                 "mlflow", "--set", "schedule.validate_every=20", "--set", "schedule.log_every=5",
                 "--out", folder / name, folder=folder)  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store,
               "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip
    with subprocess.Popen(command, cwd=folder, start_new_session=True) as server:
        try:
            wait_for(f"{url}/health")
            yield url
        finally:
            os.killpg(server.pid, 15)


def wait_for(url, seconds=120):
    """Return when the address answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(url)


def photograph_mlflow(page):
    """The runs of the experiment with their curves, and the config of one run."""
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("fullconv").experiment_id
    run = client.search_runs([experiment])[-1].info.run_id
    base = page.url.split("#")[0].rstrip("/")
    page.get_by_text("Model training").first.click(timeout=120_000)
    page.get_by_role("button", name="Close", exact=True).click()  # the assistant
    runs = f"{base}/#/experiments/{experiment}/runs"
    page.goto(f"{runs}?compareRunsMode=CHART")
    page.get_by_placeholder("Search metric charts").fill(
        "val/mean_iu|train/loss|train/lr", timeout=120_000
    )
    page.wait_for_timeout(WAIT)
    keep("mlflow-runs", page.screenshot())
    page.goto(f"{runs}/{run}")
    page.get_by_text("augment.blur").first.wait_for(timeout=120_000)
    page.wait_for_timeout(WAIT)
    keep("mlflow-run", page.screenshot())


if __name__ == "__main__":
    main(*sys.argv[1:])
