"""The process that measures one net: reads a job from standard input, prints what it took.

Nothing large but torch is loaded here, so that its memory is what predicting takes.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fullconv.benchmark.process import answer
from fullconv.checkpoints import load
from fullconv.device import forget_peak, is_out_of_memory, peak_mib, pick_device, pick_precision
from fullconv.errors import UserError
from fullconv.models import FCN, NetSpec, build
from fullconv.models.paper_padding.border import for_prediction


def forward(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of ``timed`` warm forwards of one photo of ``size``, the peak, and the machine.

    The photo is noise in the net's own layout: its values change nothing of what is computed.
    """
    height, width = job["size"]
    device = pick_device(job["device"])
    precision = pick_precision(job["precision"], device)
    try:
        net = _net(job).to(device, memory_format=torch.channels_last).eval()  # pyright: ignore
        photo = torch.randn(1, net.spec.in_channels, height, width)  # 1,C,H,W
        photo = photo.to(device, memory_format=torch.channels_last)
        forget_peak(device)
        run = for_prediction(net)
        seconds = _seconds(lambda: run(photo), device, precision, job["timed"])
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"a photo of {height}x{width} needs more memory than {device} has: use a smaller "
            "--size, precision bf16, or another device",
            "FC-REPORT-006",
        ) from error
    machine = {
        "device": _name(device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "torch": torch.__version__,
    }
    return {"seconds": seconds, "peak_mib": peak_mib(device), "machine": machine}


def _net(job: dict[str, Any]) -> FCN:
    if job["run"]:
        return load(Path(job["run"])).net
    torch.manual_seed(0)
    return build(NetSpec.from_dict(job["net"]))


def _seconds(
    run: Callable[[], object], device: torch.device, precision: str, timed: int
) -> list[float]:
    """How long ``run`` took, each time but the first."""
    seconds = []
    bf16 = precision == "bf16"
    for _ in range(1 + timed):
        _wait(device)
        before = time.perf_counter()
        # Entered anew for each photo, as in predicting: autocast keeps cast weights until its end.
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            run()
        _wait(device)
        seconds.append(time.perf_counter() - before)
    return seconds[1:]


def _wait(device: torch.device) -> None:
    """An accelerator works on after the call has returned."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _name(device: torch.device) -> str:
    """'cpu (x86_64, AVX2)', 'cuda (NVIDIA ...)'."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
    return device.type


if __name__ == "__main__":
    answer(forward)
