"""Which data a run was trained on, as its config says."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS, ReadOptions
from fullconv.parser_errors import reason_of


def with_limit_of(run: str | Path | None, options: ReadOptions) -> ReadOptions:
    """``options`` with the largest photo that a run was trained on, where they have the usual one.

    As the run's config says; of what is no run folder, or has none, ``options`` as they are.
    """
    if run is None or options.max_megapixels != MAX_MEGAPIXELS:
        return options
    path = Path(run)
    file = (path if path.is_dir() else path.parent) / "config.toml"
    try:
        limit = tomllib.loads(file.read_text("utf-8"))["data"]["max_megapixels"]
        return replace(options, max_megapixels=float(limit))
    except (OSError, ValueError, TypeError, KeyError, RecursionError, UserError):
        return options  # whoever needs the config says what is wrong with it


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
    return str(place)
