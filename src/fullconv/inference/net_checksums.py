"""Which net it is, for work that a killed call has left: checksums of the files that hold it."""

import hashlib
from pathlib import Path

from fullconv.checkpoints.open_weights import located


def net_checksums(path: Path) -> list[str]:
    """The checksums of the file of a run, a checkpoint or an export; of OpenVINO's weights, too."""
    file = located(path)
    beside = file.with_suffix(".bin")
    files = [file, beside] if file.suffix == ".xml" and beside.is_file() else [file]
    return [_checksum(file) for file in files]


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
