"""What it was measured on: kind and number of processors, what they compute in; no names."""

import os
import platform
import re
from pathlib import Path

import torch

SETS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_bf16": "AMX BF16",
    "amx_int8": "AMX INT8",
    "asimd": "NEON",
    "bf16": "BF16",
}


def machine() -> str:
    """The machine in a line."""
    sets = ", ".join(name for flag, name in SETS.items() if flag in _flags())
    cores = len(os.sched_getaffinity(0))
    parts = [f"{cores} core{'s' if cores > 1 else ''} of {_model()} ({sets})"]
    parts.append(f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB")
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name(0))
    return ", ".join([*parts, f"Python {platform.python_version()}", f"torch {torch.__version__}"])


def _model() -> str:
    found = re.search(r"^model name\s*: (.+)$", _cpuinfo(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _flags() -> set[str]:
    found = re.search(r"^(?:flags|Features)\s*: (.+)$", _cpuinfo(), re.MULTILINE)
    return set(found[1].split()) if found else set()


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""
