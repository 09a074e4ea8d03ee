"""A photo or a video at an http(s) address: fetched to a temporary file, within bounds."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from fullconv.download.cache import OFFLINE, is_offline
from fullconv.download.fetch import fetch_from
from fullconv.download.partial_file import PartialFile
from fullconv.download.remote import RemoteFile, RetryPolicy
from fullconv.download.request import PermanentError, Progress, TransientError
from fullconv.errors import UserError, printable

MOST_PHOTO = 2**28
"""Bytes of a photo."""
MOST_VIDEO = 2**33
_RETRY = RetryPolicy(attempts=3)


def is_remote(item: str) -> bool:
    """Whether a name is an address that is fetched."""
    return item.lower().startswith(("http://", "https://"))


def name_of(address: str) -> str:
    """The name of the result of a URL: its last part, as a plain file name."""
    try:
        last = PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:
        last = ""
    return re.sub(r"[^\w.-]+", "_", last).strip("._")[-100:] or "photo"


@contextmanager
def fetched(
    address: str, most: int = MOST_PHOTO, progress: Progress | None = None
) -> Iterator[Path]:
    """The file at ``address``, during the block.

    Raises UserError where it cannot be had, is a web page, or has more than ``most`` bytes, and
    where FULLCONV_OFFLINE forbids downloads.
    """
    shown = printable(address[:300])
    if is_offline():
        raise UserError(
            f"{shown}: downloads are switched off ({OFFLINE}); name a file", "FC-PREDICT-018"
        )
    with tempfile.TemporaryDirectory(prefix="fullconv-") as folder:
        path = Path(folder) / name_of(address)
        url = quote(address.strip(), safe="%/:=&?~#+!$,;'@()*[]")
        wanted, part = RemoteFile(path.name, (url,), about=most), PartialFile(path)
        try:
            fetch_from(url, part, wanted, _RETRY, progress)
        except (TransientError, PermanentError) as error:
            raise UserError(
                f"{shown}: cannot be fetched: {error}; check the address, or download the file "
                "and name it",
                "FC-PREDICT-018",
            ) from error
        part.path.rename(path)
        yield path
