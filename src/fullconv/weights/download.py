"""Published weights by name: from the cache, or downloaded into it."""

from pathlib import Path

from fullconv.download import Patience, cache_folder, download
from fullconv.download.request import Progress
from fullconv.weights.registry import Published, find_published


def cached_path(weights: Published) -> Path:
    """Where the file of these weights is kept, whether it is there or not."""
    return cache_folder() / "weights" / weights.file.name


def fetch(
    name: str,
    *,
    progress: Progress | None = None,
    offline: bool | None = None,
    patience: Patience | None = None,
) -> Path:
    """The file of the weights called ``name``, in the cache, verified as the registry allows.

    ``progress(bytes done, bytes in all or None)``; ``offline`` None asks FULLCONV_OFFLINE.
    Raises UserError for an unknown name and for everything that ``download`` refuses.
    """
    weights = find_published(name)
    return download(
        weights.file,
        cached_path(weights),
        progress=progress,
        offline=offline,
        patience=patience,
    )
