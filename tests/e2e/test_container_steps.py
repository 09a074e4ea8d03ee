"""The steps of docker/cpu.Dockerfile one by one, without a container: in a folder of their own.

What RUN and COPY do in /build and /opt/fullconv happens below a temporary folder; then the
ENTRYPOINT and the health check run as they stand there. Needs the package index.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from fullconv.training.parallel.launcher import reserved_port
from small_runs import small_run

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker" / "cpu.Dockerfile"
TOKEN = "0123456789abcdef0123"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not FILE.is_file(), reason="no docker/")]


def steps():
    text = re.sub(r"^\s*#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The folder in which the build stage was done, and the instructions of the last one."""
    root = tmp_path_factory.mktemp("image")
    build = root / "build"
    build.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    stages = 0
    for kind, rest in steps():
        stages += kind == "FROM"
        if stages == 2:
            break
        if kind == "ARG" and stages:
            name, value = rest.split("=", 1)
            environment.setdefault(name, value)
        elif kind == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif kind == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copied(ROOT / source, build, target)
        elif kind == "RUN":
            command = rest.replace("/opt/fullconv", str(root / "venv"))
            command = re.sub(r"^python\b", shlex.quote(sys.executable), command)
            subprocess.run(command, shell=True, cwd=build, env=environment, check=True)
    return root, dict(steps())


def copied(source, build, target):
    if source.is_dir():
        shutil.copytree(source, build / target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, build / target)


@pytest.fixture
def served(image, tmp_path):
    """The address of what ENTRYPOINT and CMD start, with a run in the place of /model."""
    root, last = image
    run = small_run(tmp_path / "model")
    command = [*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"])]
    # On this machine itself, and at a port that is free: only these differ from the image.
    words = {"/model": str(run), "0.0.0.0": "127.0.0.1"}
    command = [words.get(word, word) for word in command]
    environment = {
        "PATH": f"{root / 'venv' / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "FULLCONV_TOKEN": TOKEN,
    }
    with (
        reserved_port() as port,
        subprocess.Popen([*command, "--port", str(port)], env=environment, cwd=tmp_path) as process,
    ):
        address = f"http://127.0.0.1:{port}"
        try:
            healthy = checked(last, port, environment)
            assert healthy, "the health check fails for two minutes"
            yield address, last, environment, port
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def checked(last, port, environment, seconds=120):
    """Whether the health check succeeds within the time."""
    command = json.loads(last["HEALTHCHECK"].partition(" CMD ")[2])
    command = [word.replace(":8000/", f":{port}/") for word in command]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if subprocess.run(command, env=environment, capture_output=True).returncode == 0:
            return True
        time.sleep(1)
    return False


def test_the_image_serves_is_healthy_and_can_be_scraped(served, tmp_path):
    address, last, environment, port = served
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(photo)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(f"{address}/v1/segment", content=photo.read_bytes(),
                        headers={**bearer, "Content-Type": "image/png"}, timeout=60)  # fmt: skip
    assert answer.status_code == 200
    assert answer.json()["width"] == 64
    assert httpx.get(f"{address}/metrics").status_code == 401
    text = httpx.get(f"{address}/metrics", headers=bearer).text
    samples = {s.name: s for f in text_string_to_metric_families(text) for s in f.samples}
    assert samples["fullconv_photos_total"].value == 1
    assert checked(last, port, environment, 5)


def test_a_health_check_of_a_service_that_is_gone_fails(image):
    _, last = image
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert not checked(last, free.getsockname()[1], dict(os.environ), 2)


def test_exported_files_can_be_served_by_it(image):
    root, _ = image
    call = [root / "venv" / "bin" / "python", "-c", "import fastapi, onnxruntime, openvino"]
    assert subprocess.run(call).returncode == 0
