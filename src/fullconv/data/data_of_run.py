"""The data set that a run was trained on, and how its config says that it is read."""

import os
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fullconv.data.shards.cache import DEFAULT_CACHE, CacheOptions, size_in_bytes
from fullconv.data.shards.filesystem import is_url
from fullconv.data.synthetic import shapes
from fullconv.errors import UserError, reason_of
from fullconv.modalities import MAX_MEGAPIXELS, ReadOptions


def with_limit_of(run: str | Path | None, options: ReadOptions) -> ReadOptions:
    """``options`` with the largest photo that a run was trained on, where they have the usual one.

    As the run's config says; of what is no run folder, or has none, ``options`` as they are.
    """
    if options.max_megapixels != MAX_MEGAPIXELS:
        return options
    with suppress(KeyError, ValueError, TypeError, UserError):
        return replace(options, max_megapixels=float(_data_section(run)["max_megapixels"]))
    return options


def cache_of(run: str | Path | None) -> CacheOptions:
    """The cache that a run was trained with, by its config; the usual one of what is no run."""
    data = _data_section(run)
    with suppress(ValueError, TypeError, UserError):
        folder = Path(data["cache"]) if data.get("cache") else None
        return CacheOptions(folder, size_in_bytes(data.get("cache_size", "20GB"), ""))
    return DEFAULT_CACHE


def _data_section(run: str | Path | None) -> dict[str, Any]:
    """``[data]`` of the config of a run; empty where there is none that can be read.

    Whoever needs the config says what is wrong with it.
    """
    if run is None:
        return {}
    path = Path(run)
    file = (path if path.is_dir() else path.parent) / "config.toml"
    try:
        data = tomllib.loads(file.read_text("utf-8")).get("data")
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def trained_on(run: Any) -> str:
    """The data set that the run in a folder was trained on.

    UserError for what is no run folder, and where its config does not say: of a training on objects
    from Python it has the name of their class only.
    """
    folder = Path(run) if isinstance(run, str | Path) else None
    if folder is None or not folder.is_dir():
        what = folder or type(run).__name__
        raise UserError(
            f"{what}: only a run folder says what it was trained on; name a data set",
            "FC-REPORT-002",
        )
    file = folder / "config.toml"
    try:
        data = tomllib.loads(file.read_text("utf-8", "replace")).get("data")
    except FileNotFoundError:
        data = None
    except (ValueError, RecursionError) as error:  # also numbers of 5,000 digits
        raise UserError(f"{file}: not valid TOML: {reason_of(error)}", "FC-REPORT-002") from error
    place = data.get("path") if isinstance(data, dict) else data
    if not place:
        raise UserError(
            f"{file}: does not name the data of the run; name a data set", "FC-REPORT-002"
        )
    check_still_there(str(place), folder, "name the place where it lies now behind the run")
    return str(place)


def check_still_there(data: str, run: Path, fix: str) -> None:
    """UserError where the data that a run was trained on is not at the path in its config.

    A relative path is looked for from the folder that the command runs in.
    """
    if not data or shapes.looks_like(data) or is_url(data):
        return
    path = Path(data).expanduser()
    if not os.path.exists(path):
        here = "" if path.is_absolute() else f" below {os.getcwd()}"
        raise UserError(
            f"{data}: the data that {run} was trained on is not there{here}; {fix}", "FC-DATA-101"
        )
