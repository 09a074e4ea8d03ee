import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from buckets import Bucket, buckets
from fullconv.classes import CAMVID
from ray_cluster import two_nodes
from small_runs import small_run


@pytest.fixture(scope="session")
def bucket():
    with buckets() as make:
        yield make("photos")


@pytest.fixture(scope="session")
def cluster(bucket: Bucket):
    """Two nodes whose workers reach the bucket."""
    with two_nodes(**bucket.environment) as running:
        yield running


@pytest.fixture(scope="session")
def vgg(tmp_path_factory):
    """A run of a net that sees 404 pixels."""
    return small_run(tmp_path_factory.mktemp("vgg"), CAMVID, "fcn32s-vgg16", width=1 / 8)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of 40 photos of which one cannot be read."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for number in range(40):
        coarse = draw.integers(0, 256, (12, 16, 3), np.uint8)
        image = Image.fromarray(coarse).resize((400, 300), Image.Resampling.BICUBIC)
        place = folder / f"street{number % 3}" / f"{number:02d}.png"
        place.parent.mkdir(exist_ok=True)
        image.save(place)
    (folder / "street1/07.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def fullconv(bucket):
    """``fullconv(*arguments)`` runs the command to its end: a CompletedProcess."""
    environment = {**os.environ, **bucket.environment}

    def call(*arguments, background=False):
        command = [sys.executable, "-m", "fullconv", *map(str, arguments)]
        options = {"env": environment, "text": True}
        if background:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            return subprocess.Popen(command, start_new_session=True, **pipes, **options)
        return subprocess.run(command, capture_output=True, check=False, **options)

    return call


@pytest.fixture
def results():
    """``results(folder)``: the bytes of the files below it, without hidden ones, by name."""

    def read(folder):
        files = {f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file()}
        return {n: f.read_bytes() for n, f in files.items() if not n.startswith(".")}

    return read


@pytest.fixture
def wait_until():
    def wait(ready, seconds=120):
        end = time.monotonic() + seconds
        while not (value := ready()):
            assert time.monotonic() < end, "it never came"
            time.sleep(0.05)
        return value

    return wait


@pytest.fixture
def kill():
    return lambda process: os.kill(process, signal.SIGKILL)
