"""Files from the internet: resumed, verified, whole or not at all; and archives unpacked safely."""

from fullconv.download.cache import cache_folder, exclusive, is_offline
from fullconv.download.fetch import download
from fullconv.download.remote import Checksum, RemoteFile, RetryPolicy
from fullconv.download.unpack import unpack

__all__ = [
    "Checksum",
    "RemoteFile",
    "RetryPolicy",
    "cache_folder",
    "download",
    "exclusive",
    "is_offline",
    "unpack",
]
