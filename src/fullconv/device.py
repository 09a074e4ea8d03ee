"""Where a net runs: the device, the precision that is fast there, memory used and running out."""

import ctypes
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

import torch

from fullconv.errors import UserError

Precision = Literal["auto", "fp32", "bf16"]
"""'bf16': layers compute in bfloat16; 'auto': bf16 where the hardware computes in it, else fp32."""

MIB, GIB = 2**20, 2**30


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """'auto' is the first GPU, else the CPU. UserError for a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
        torch.empty(0, device=picked)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device {str(device)[:40]!r} cannot be used here: use auto, cpu, or cuda where torch "
            "finds a GPU",
            "FC-CONFIG-013",
        ) from error
    return picked


def pick_precision(precision: str, device: torch.device) -> Literal["fp32", "bf16"]:
    """The precision that is meant on ``device``; UserError for an unknown one."""
    if precision == "auto":
        return "bf16" if computes_bf16(device) else "fp32"
    if precision in ("fp32", "bf16"):
        return precision
    raise UserError(
        f"precision {precision[:40]!r} is unknown: use auto, fp32 or bf16", "FC-CONFIG-013"
    )


def computes_bf16(device: torch.device) -> bool:
    """True when the hardware multiplies in bfloat16.

    Elsewhere torch emulates it, correctly but about ten times slower than fp32 (measured on a CPU
    with AVX2 only: docs/results.md).
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    if torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()  # ARM


def bytes_of(text: str) -> int:
    """'4GB', '3.5 GiB', '3500MB' in bytes; UserError for anything else.

    GB and GiB are the same here, 2**30 bytes, and so are MB and MiB, 2**20: as GPUs are sold.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([mg])(?:i?b)?", text.strip(), re.IGNORECASE)
    size = round(float(match[1]) * (GIB if match[2] in "gG" else MIB)) if match else 0
    if not size:
        raise UserError(
            f"memory {text[:40]!r} is no size: write it as 4GB or 3500MB", "FC-CONFIG-012"
        )
    return size


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
LARGEST_KEPT = 2**27  # bytes: most activations of a step; not the gradient of a large layer
_AT_ONCE = 2**20  # bytes from which a block is returned as soon as it is freed


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, for the next step; False where it cannot.

    glibc hands large blocks back to the system at once, so that each training step on a CPU begins
    by asking for, and clearing, the same pages again (docs/results.md). Blocks up to 128 MiB are
    kept; without that limit an FCN of VGG16 took a quarter more memory. What is kept cannot hold a
    larger block: `return_kept_memory` before one.
    """
    return _set_malloc({_MMAP_THRESHOLD: LARGEST_KEPT, _TRIM_THRESHOLD: 2**31 - 1})


def return_freed_memory() -> bool:
    """Have this process return what it frees at once, so that it holds only what it uses.

    A step is slower then, but blocks of other sizes leave no holes: of small nets the process takes
    a quarter to a half less (docs/results.md). False where it cannot be had.
    """
    return _set_malloc({_MMAP_THRESHOLD: _AT_ONCE, _TRIM_THRESHOLD: _AT_ONCE})


def return_kept_memory() -> None:
    """Return now what `keep_freed_memory` has kept so far; without glibc nothing happens."""
    with suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _set_malloc(options: dict[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no glibc: musl, macOS, Windows
        return False
    return all(mallopt(option, value) for option, value in options.items())


_OUT_OF_MEMORY = (
    *("can't allocate memory", "not enough memory", "out of memory"),
    "status_alloc_failed",
    *("could not create a primitive", "could not create a memory"),  # oneDNN
)


def is_out_of_memory(error: BaseException) -> bool:
    """Torch raises a class of its own on a GPU, and plain RuntimeErrors on a CPU.

    So do the libraries of a GPU, cuBLAS and cuDNN.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in _OUT_OF_MEMORY)


def memory_of(device: torch.device) -> int | None:
    """Bytes that there are in all, of the GPU or of the machine; None where that is not known.

    What a container may use counts, where it is less.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    with suppress(OSError, ValueError):  # a container's limit (cgroup 2); 'max' is no number
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(sizes)


def peak_mib(device: torch.device) -> int:
    """The most memory in use so far, MiB: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // MIB
    # Not getrusage on Linux: there a program begins with the peak of the one that started it.
    with suppress(OSError):
        if peak := re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text()):
            return int(peak[1]) // 1024
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used // MIB if sys.platform == "darwin" else used // 1024


def forget_peak(device: torch.device) -> None:
    """Let ``peak_mib`` count from what is in use now; a CPU's only where the system can (Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # man 5 proc: resets VmHWM
