"""A run's graph for another runtime: exported once, kept in the cache, ready from then on.

Below the cache lies for each checkpoint ``graphs/SHA256/`` with a folder for each runtime, its
version and that of this program: a new version of either makes its own.
"""

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from fullconv.download import cache_folder
from fullconv.download.alone import alone
from fullconv.download.cache import FOLDER
from fullconv.errors import UserError
from fullconv.files import write_atomically
from fullconv.predict.graph_engine import missing
from fullconv.version import __version__
from fullconv.weights.open import located

RUNTIMES = {"openvino": ("openvino", ".xml"), "onnxruntime": ("onnx", ".onnx")}
"""The form to export to for a runtime, and its ending."""

EXPORTER = ("onnx", "onnxscript")
"""What `fullconv export` needs beside the runtime."""

Say = Callable[[str], object]
"""Told in one line what takes long, or went another way than expected."""

_SUMS = "SHA256SUMS"


def quiet(line: str) -> None:
    """Say nothing."""


def prepared(run: str | Path, runtime: str, say: Say = quiet) -> Path:
    """The file for ``runtime`` of what ``weights.load`` takes, from the cache or exported now.

    An export is compared with the net before it is written (`fullconv.export`), and is in the
    cache whole or not at all; one that was damaged there is made anew. Raises UserError where the
    runtime or the exporter is missing, where the graph differs, and where the cache cannot be
    written.
    """
    if runtime not in installed():
        missing(runtime)
    checkpoint = located(run)
    folder = graph_folder(checkpoint) / version(runtime)
    file = folder / f"model{RUNTIMES[runtime][1]}"
    if _is_whole(folder):
        return file
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            if not _is_whole(folder):
                say(f"note: the net is made ready for {runtime}, once; this takes up to a minute")
                _make(checkpoint, runtime, folder)
    except OSError as fault:
        raise UserError(
            f"{folder}: cannot be written ({fault.strerror or fault}), so that the net cannot be "
            f"made ready for {runtime}: set {FOLDER} to a folder of yours, or use --engine torch"
        ) from fault
    return file


def is_prepared(folder: Path, runtime: str) -> bool:
    """Whether the graph for a runtime is in a checkpoint's ``folder``, whole or not."""
    return os.access(folder / version(runtime) / _SUMS, os.R_OK)


def usable(folder: Path) -> list[str]:
    """The runtimes that can be used here for the checkpoint of ``folder``."""
    exports = all(find_spec(package) for package in EXPORTER)
    return [each for each in installed() if exports or is_prepared(folder, each)]


def graph_folder(checkpoint: Path) -> Path:
    """Where what belongs to a checkpoint is kept, by its content; not made here.

    Raises UserError where it cannot be read.
    """
    try:
        with checkpoint.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as fault:
        raise UserError(f"{checkpoint}: cannot be read ({fault.strerror or fault})") from fault
    # The preprocessing of published weights is not in their file, but goes with their place.
    if checkpoint.parent == cache_folder() / "weights":
        digest.update(checkpoint.name.encode())
    return graphs() / digest.hexdigest()


def graphs() -> Path:
    """The part of the cache with graphs."""
    return cache_folder() / "graphs"


def export_apart(checkpoint: Path, form: str, out: Path) -> None:
    """``fullconv export`` in a process of its own, which gives its memory back; UserError as its.

    It needs a few times the size of the net, and this process goes on to predict.
    """
    command = [sys.executable, "-P", "-m", "fullconv", "export", "--to", form, "--out", str(out)]
    command += ["--", str(checkpoint)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        raise UserError(lines[-1].removeprefix("fullconv: "))


def _make(checkpoint: Path, runtime: str, folder: Path) -> None:
    form, ending = RUNTIMES[runtime]
    place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        place.chmod(0o755)  # a cache may be shared
        export_apart(checkpoint, form, place / f"model{ending}")
        sums = "".join(f"{_sum(file)}  {file.name}\n" for file in sorted(place.iterdir()))
        write_atomically(place / _SUMS, sums)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(place, folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Whether every file is there and as it was written."""
    try:
        lines = (folder / _SUMS).read_text("utf-8").splitlines()
        return bool(lines) and all(_sum(folder / line[66:]) == line[:64] for line in lines)
    except (OSError, ValueError):
        return False


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def installed() -> list[str]:
    """The runtimes that can be used here."""
    found = []
    for runtime in RUNTIMES:
        with suppress(ImportError, OSError):  # OSError: a library that it needs is not there
            importlib.import_module(runtime)
            found.append(runtime)
    return found


def version(runtime: str) -> str:
    """The runtime with its version and that of this program; it must be installed."""
    found = re.match(r"[\w.+]*", importlib.import_module(runtime).__version__)
    return f"{runtime}-{found[0] if found else ''}-fullconv-{__version__}"
