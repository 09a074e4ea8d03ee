"""The process that measures one engine: reads a job from standard input, prints what it took.

The whole way from the photo's array to the class map counts, preprocessing included.
"""

import time
from typing import Any

import numpy as np
import torch

from fullconv.benchmark.process import answer
from fullconv.device import forget_peak, peak_mib
from fullconv.inference.open_predictor import open_engine


def predicted(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of ``timed`` warm predictions of a photo, and the peak; the classes go to a file."""
    image = np.load(job["photo"])
    engine = open_engine(job["path"], job["device"], job["precision"], job["engine"]).engine
    # Where a runtime has its own memory on an accelerator, only that of the process is known.
    device = getattr(engine, "device", torch.device("cpu"))
    engine.class_map(image)  # warms up, and proves the engine
    forget_peak(device)
    seconds, classes = [], None
    for _ in range(job["timed"]):
        before = time.perf_counter()
        classes = engine.class_map(image)  # numpy: an accelerator has finished by then
        seconds.append(time.perf_counter() - before)
    assert classes is not None
    np.save(job["classes"], classes)
    return {"seconds": seconds, "peak_mib": peak_mib(device)}


if __name__ == "__main__":
    answer(predicted)
