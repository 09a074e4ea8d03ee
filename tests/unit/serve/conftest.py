import io
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.serve import Service, Settings, address, bound, open_models
from fullconv.serve.server import server_of
from small_runs import small_run

CLASSES = ClassSet(("sky", "road", "car", "tree"), ((1, 2, 3), (90, 0, 0), (0, 90, 0), (0, 0, 90)))


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run folder of a small net whose scores differ from pixel to pixel."""
    return small_run(tmp_path_factory.mktemp("runs") / "street", CLASSES)


@pytest.fixture(scope="session")
def models(run):
    return open_models([run], device="cpu")


@pytest.fixture
def serving(models):
    """``with serving(queue=2) as client``: a client of a server with these settings."""

    @contextmanager
    def make(nets=models, log=False, **settings):
        service = Service(nets, Settings(**settings))
        server, listening = server_of(service, log), bound("127.0.0.1", 0)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
            assert thread.is_alive()
        try:
            with httpx.Client(base_url=address(listening), timeout=60) as client:
                client.service = service
                yield client
        finally:
            server.should_exit = True
            thread.join()

    return make


@pytest.fixture
def photo():
    """``photo(height, width)``: a generated photo, uint8 RGB."""

    def make(height=37, width=53, seed=0):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        rows, columns = np.arange(height) * 6 // height, np.arange(width) * 8 // width
        return coarse[rows][:, columns]

    return make


@pytest.fixture
def encoded(photo):
    """``encoded(form, ...)``: such a photo as the bytes of a file."""

    def make(form="PNG", height=37, width=53, seed=0, **options):
        file = io.BytesIO()
        Image.fromarray(photo(height, width, seed)).save(file, form, **options)
        return file.getvalue()

    return make
