"""A run's graph for another runtime: exported once, kept in the cache, ready from then on.

Below the cache lies for each checkpoint ``graphs/SHA256/`` with a folder for each runtime, its
version and that of this program: a new version of either makes its own.
"""

import gc
import hashlib
import importlib
import os
import re
import shutil
from pathlib import Path

from fullconv.checkpoints.open_weights import located
from fullconv.device import return_kept_memory
from fullconv.download import cache_folder
from fullconv.download.cache import FOLDER, exclusive
from fullconv.errors import UserError
from fullconv.exporting.export import ENDINGS, export
from fullconv.files.atomic import new_part_folder, remove_abandoned, write_atomically
from fullconv.files.file_errors import name_finally
from fullconv.inference.engines.graph_engine import missing
from fullconv.inference.engines.registry import EngineEntry, Say
from fullconv.version import __version__

_SUMS = "SHA256SUMS"


def graph_for(run: str | Path, engine: EngineEntry, say: Say) -> Path:
    """The file for ``engine`` of what ``checkpoints.load`` takes, from the cache or exported now.

    An export is compared with the net before it is written (`fullconv.export`), and is in the
    cache whole or not at all; one that was damaged there is made anew. Raises UserError where the
    runtime or the exporter is missing, where the graph differs, and where the cache cannot be
    written.
    """
    assert engine.form and engine.package
    if not engine.is_installed:
        missing(engine.package)
    checkpoint = located(run)
    folder = graph_folder(checkpoint) / version(engine.package)
    file = folder / f"model{ENDINGS[engine.form]}"
    if _is_whole(folder):
        return file
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(folder):
            if not _is_whole(folder):
                say(f"note: the net is exported for {engine.name}, once; this takes up to a minute")
                _make(checkpoint, engine.form, folder, file.name)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror or error}), so that the net cannot be "
            f"exported for {engine.name}: set {FOLDER} to a folder of yours, or use --engine torch",
            "FC-FILE-002",
        ) from error
    return file


def graph_folder(checkpoint: Path) -> Path:
    """Where what belongs to a checkpoint is kept, by its content; not made here.

    Raises UserError where it cannot be read.
    """
    try:
        with checkpoint.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise UserError(
            f"{checkpoint}: cannot be read ({error.strerror or error})", "FC-FILE-001"
        ) from error
    # The preprocessing of published weights is not in their file, but goes with their place.
    if checkpoint.parent == cache_folder() / "weights":
        digest.update(checkpoint.name.encode())
    return graphs() / digest.hexdigest()


def graphs() -> Path:
    """The part of the cache with graphs."""
    return cache_folder() / "graphs"


def _export(checkpoint: Path, form: str, file: Path) -> None:
    """Write a checkpoint's graph; the memory that this took is given back."""
    export(checkpoint, form, file)  # pyright: ignore (a form of the registry)
    gc.collect()
    return_kept_memory()  # the caller goes on to predict


def _make(checkpoint: Path, form: str, folder: Path, name: str) -> None:
    remove_abandoned(folder.parent)
    place, lock = new_part_folder(folder)
    try:
        place.chmod(0o755)  # a cache may be shared
        _export(checkpoint, form, place / name)
        sums = "".join(f"{_sum(file)}  {file.name}\n" for file in sorted(place.iterdir()))
        write_atomically(place / _SUMS, sums)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(place, folder)
    except UserError as error:
        name_finally(error, place, folder)
        raise
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if lock is not None:
            os.close(lock)


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


def version(runtime: str) -> str:
    """The runtime with its version and that of this program; it must be installed."""
    match = re.match(r"[\w.+]*", importlib.import_module(runtime).__version__)
    return f"{runtime}-{match[0] if match else ''}-fullconv-{__version__}"
