"""Where downloaded files are kept, and whether the internet may be used at all."""

import os
from pathlib import Path

from fullconv.errors import UserError

FOLDER = "FULLCONV_CACHE"
OFFLINE = "FULLCONV_OFFLINE"
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def cache_folder() -> Path:
    """FULLCONV_CACHE, else XDG_CACHE_HOME/fullconv, else ~/.cache/fullconv; not made here."""
    own = os.environ.get(FOLDER)
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fullconv"


def is_offline() -> bool:
    """Whether FULLCONV_OFFLINE forbids downloads; UserError when it is neither yes nor no."""
    value = os.environ.get(OFFLINE, "").strip().lower()
    if value not in (*_YES, *_NO):
        message = f"{OFFLINE}={value}: use 1 to forbid downloads, 0 to allow them"
        raise UserError(message, "FC-DOWNLOAD-008")
    return value in _YES
