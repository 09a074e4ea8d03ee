"""Published weights by name: from an installed package, the cache, or downloaded into it."""

from pathlib import Path

from fullconv.checkpoints.installed import InstalledFile
from fullconv.checkpoints.registry import Published, find_published
from fullconv.download import RetryPolicy, cache_folder, download
from fullconv.download.request import Progress


def cached_path(weights: Published) -> Path:
    """Where the file of these weights is kept, whether it is there or not."""
    return cache_folder() / "weights" / weights.file.name


def file_here(weights: Published) -> Path | None:
    """The file of these weights if it is on this machine, in a package or the cache; unverified."""
    if isinstance(weights.file, InstalledFile):
        return weights.file.find()
    path = cached_path(weights)
    return path if path.exists() else None


def provenance(weights: Published) -> str:
    """Where the file of these weights comes from, in words: its package, or its address."""
    if isinstance(weights.file, InstalledFile):
        return f"the package {weights.file.package}"
    return weights.file.urls[0]


def fetch(
    name: str,
    *,
    progress: Progress | None = None,
    offline: bool | None = None,
    retry: RetryPolicy | None = None,
) -> Path:
    """The file of the weights called ``name``, verified as the registry allows.

    It is that of an installed package, or lies in the cache and is downloaded where it does not.
    ``progress(bytes done, bytes in all or None)``; ``offline`` None asks FULLCONV_OFFLINE.
    Raises UserError for an unknown name, a package that is not installed (with the command that
    installs it), a file that was changed, and for everything that ``download`` refuses.
    """
    weights = find_published(name)
    if isinstance(weights.file, InstalledFile):
        return weights.file.verified()
    return download(
        weights.file,
        cached_path(weights),
        progress=progress,
        offline=offline,
        retry=retry,
    )
