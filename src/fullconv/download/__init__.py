"""Files from the internet: resumed, verified, whole or not at all; and archives unpacked safely."""

from fullconv.download.alone import alone
from fullconv.download.cache import cache_folder, is_offline
from fullconv.download.checksum import Checksum
from fullconv.download.fetch import download
from fullconv.download.remote import Patience, RemoteFile
from fullconv.download.unpack import unpack

__all__ = [
    "Checksum",
    "Patience",
    "RemoteFile",
    "alone",
    "cache_folder",
    "download",
    "is_offline",
    "unpack",
]
