"""Eight clients, two thousand photos: none lost, none wrong, and the memory stays."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import served

from fullconv import Predictor
from small_runs import small_run

CLIENTS, REQUESTS = 8, 2000
SIZES = ((48, 64), (33, 47), (60, 60))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("runs") / "street")


def photos():
    """Different photos of a few sizes, as bytes."""
    rng = np.random.default_rng(0)
    for number in range(24):
        file = io.BytesIO()
        height, width = SIZES[number % len(SIZES)]
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        small.resize((width, height)).save(file, "PNG")
        yield file.getvalue()


def resident(process):
    """Memory of the process in MiB."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", text)[1]) / 1024


@pytest.mark.slow
def test_none_is_lost_none_is_wrong_and_memory_stays(run):
    sent = list(photos())
    predictor = Predictor(run, device="cpu")
    truth = [predictor(io.BytesIO(each)).mask for each in sent]
    with served(run, "--queue", CLIENTS) as service:
        halves = []

        def client(first):
            wrong = []
            with httpx.Client(base_url=service.url, timeout=60) as http:
                for number in range(first, REQUESTS // 2, CLIENTS):
                    which = number % len(sent)
                    answer = http.post(
                        "/v1/segment", content=sent[which],
                        headers={"Content-Type": "image/png", "Accept": "image/png"},
                    )  # fmt: skip
                    if answer.status_code != 200:
                        wrong.append((number, answer.text))
                        continue
                    mask = np.asarray(Image.open(io.BytesIO(answer.content)))
                    if not np.array_equal(mask, truth[which]):
                        wrong.append((number, "another mask"))
            return wrong

        for _ in range(2):
            with ThreadPoolExecutor(CLIENTS) as pool:
                errors = [error for each in pool.map(client, range(CLIENTS)) for error in each]
            assert errors == []
            halves.append(resident(service.process))
        text = httpx.get(f"{service.url}/metrics").text
    assert f'fullconv_requests_total{{path="/v1/segment",status="200"}} {REQUESTS}.0' in text
    assert f'fullconv_photos_total{{model="street"}} {REQUESTS}.0' in text
    passes = float(re.search(r"fullconv_photos_together_count (\S+)", text)[1])
    assert passes < REQUESTS, "no two photos went together"
    assert halves[1] < 1.1 * halves[0], halves
    print(f"{REQUESTS} photos in {passes:.0f} passes; MiB after each half: {halves}")
