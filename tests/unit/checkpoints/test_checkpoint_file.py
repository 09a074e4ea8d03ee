"""The project's writer against the reader of the safetensors library."""

import subprocess
import sys
import zlib

import pytest
import torch
from safetensors import safe_open

from fullconv.checkpoints.checkpoint_file import DTYPES, write_tensors

TENSORS = {
    "kernel": torch.randn(4, 3, 5, 2).to(memory_format=torch.channels_last),
    "part": torch.arange(20.0).view(4, 5)[:, ::2],
    "count": torch.tensor(7),
    "none": torch.zeros(0, 3),
    **{f"as {name}": torch.tensor([[0, 1, 1]], dtype=dtype) for dtype, name in DTYPES.items()},
}


def test_the_library_reads_what_was_written(tmp_path):
    path = tmp_path / "file.safetensors"
    write_tensors(path, TENSORS, {"ä": '{"deep": "text"}'})
    with safe_open(path, "pt") as file:
        data = path.read_bytes()[8 + int.from_bytes(path.read_bytes()[:8], "little") :]
        checksum = f"{zlib.crc32(data):08x}"
        assert file.metadata() == {"ä": '{"deep": "text"}', "crc32": checksum}
        assert set(file.keys()) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert file.get_tensor(name).dtype == tensor.dtype
            assert torch.equal(file.get_tensor(name), tensor)


def test_nothing_is_left_of_a_type_that_has_no_place(tmp_path):
    with pytest.raises(KeyError):
        write_tensors(tmp_path / "f", {"a": torch.zeros(1, dtype=torch.complex64)}, {})
    assert not list(tmp_path.iterdir())


GROWTH = """
import resource, sys, torch
from fullconv.checkpoints.checkpoint_file import write_tensors
tensors = {str(i): torch.ones(2**18, 4, 3, 1).to(memory_format=torch.channels_last)
           for i in range(24)}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_tensors(sys.argv[1], tensors, {})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_writing_takes_little_memory(tmp_path):
    """288 MiB of arrays are laid out anew one at a time; at once they would take 576 MiB more.

    The allocator and huge pages make single runs differ by 100 MiB and more.
    """
    command = [sys.executable, "-c", GROWTH, str(tmp_path / "f")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    growth = int(done.stdout) / (2**20 if sys.platform == "darwin" else 1024)
    assert growth < 250
