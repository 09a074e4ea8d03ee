import subprocess
import sys

import pytest
import torch

from fullconv.device import (
    bytes_of,
    computes_bf16,
    forget_peak,
    is_out_of_memory,
    peak_mib,
    pick_device,
    pick_precision,
)
from fullconv.errors import UserError

CPU = torch.device("cpu")


def test_auto_device_is_the_gpu_where_there_is_one():
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == CPU
    assert pick_device(CPU) == CPU


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "cpu:x"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(UserError, match="cannot be used here") as error:
        pick_device(device)
    assert repr(device) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * 2**30),
        ("4 GiB", 4 * 2**30),
        (" 3.5g ", 3.5 * 2**30),
        ("3500MB", 3500 * 2**20),
        ("3500mib", 3500 * 2**20),
        ("0.5M", 2**19),
    ],
)
def test_sizes(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "4TB", "4 KB", "-4GB", "0GB", "4e3MB", "4GBit"])
def test_what_is_no_size(text):
    with pytest.raises(UserError, match="write it as 4GB or 3500MB") as error:
        bytes_of(text)
    assert repr(text) in str(error.value)


def test_precision_as_asked():
    assert pick_precision("fp32", CPU) == "fp32"
    assert pick_precision("bf16", CPU) == "bf16"


def test_auto_precision_is_what_the_hardware_computes_in():
    assert isinstance(computes_bf16(CPU), bool)
    assert pick_precision("auto", CPU) == ("bf16" if computes_bf16(CPU) else "fp32")
    assert computes_bf16(torch.device("meta")) is False


HELD = """
from pathlib import Path
import torch
from fullconv.device import keep_freed_memory, return_freed_memory, return_kept_memory

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

if {keep} or {kept_before}:
    assert keep_freed_memory()
if {kept_before}:
    assert return_freed_memory()
before = mib()
block = torch.ones(16, 2**20)
del block
if {at_last}:
    return_kept_memory()
print(mib() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_freed_memory_is_kept_or_returned_as_asked():
    held = [
        float(
            subprocess.run(
                [sys.executable, "-c", HELD.format(keep=keep, kept_before=before, at_last=last)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for keep, before, last in (
            (True, False, False),
            (False, False, False),
            (False, True, False),
            (True, False, True),
        )
    ]
    kept, *returned = held  # of 64 MiB
    assert max(returned) < 16 < 60 < kept


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/cpuinfo")
def test_bf16_of_a_cpu_against_its_flags():
    with open("/proc/cpuinfo") as file:
        flags = {flag for line in file if line.startswith("flags") for flag in line.split()}
    if not flags:
        pytest.skip("this CPU lists no flags")
    assert computes_bf16(CPU) == bool(flags & {"avx512_bf16", "amx_tile"})


@pytest.mark.parametrize("precision", ["fp16", "BF16", "", "float32"])
def test_unknown_precision(precision):
    with pytest.raises(UserError, match="use auto, fp32 or bf16") as error:
        pick_precision(precision, CPU)
    assert repr(precision) in str(error.value)


def test_torchs_own_error_of_a_cpu_is_out_of_memory():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**50)
    assert is_out_of_memory(error.value)


def test_what_is_out_of_memory():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(OSError("not enough memory"))


def test_peak_is_that_of_this_process():
    before = peak_mib(CPU)
    assert before > 50
    block = torch.ones((before + 64) * 2**18)  # MiB of float32
    assert peak_mib(CPU) >= before + 64
    del block


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process do this")
def test_a_peak_can_be_forgotten():
    block = torch.ones(2**28)  # 1 GiB
    high = peak_mib(CPU)
    assert high > 1024
    del block
    forget_peak(CPU)
    assert peak_mib(CPU) <= high - 1000
