"""Some photos of a split: by the names in a list, and any Source with the photos chosen."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.listing_cache import cached
from fullconv.data.path_list import NameList
from fullconv.data.sample import Image, Mask, Sample, Source
from fullconv.data.shards.source import PackedSource, prefetch
from fullconv.data.splits.multimodal import HasPlanes, Stacked
from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically

FOLDER = "split"
"""Of a run: holds the names of its photos where the data has no splits, ``train.txt`` and
``val.txt``."""


def split_lists(run: Path | None) -> Path | None:
    """The folder of the lists of a run, or of the run of a checkpoint; None where it has none."""
    if run is None:
        return None
    folder = (run if run.is_dir() else run.parent) / FOLDER
    return folder if (folder / "train.txt").is_file() else None


def write_split(folder: Path, sources: Sequence[Source]) -> None:
    """The names of the photos of each source as ``folder/SPLIT.txt``, one a line."""
    for source in sources:
        write_atomically(folder / f"{source.split}.txt", "\n".join(source.names) + "\n")


def read_split(folder: Path, split: str) -> NameList | None:
    """The names that ``write_split`` wrote; None where there is no such list."""
    return cached(("names of", folder, split), lambda: _read_split(folder / f"{split}.txt"))


def _read_split(file: Path) -> NameList | None:
    if not file.is_file():
        return None
    try:
        return NameList.of([name for name in file.read_text("utf-8").split("\n") if name])
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{file}: the list of photos cannot be read ({error}); start a new run", "FC-DATA-105"
        ) from error


def with_photos(source: Source, names: Sequence[str], split: str) -> Source:
    """The photos of ``source`` that are called ``names``, as ``split``.

    Raises UserError for a name that it does not have.
    """
    indices = cached(
        ("indices", split), lambda: _indices(source, names, split), (source.names, names)
    )
    return _subset(source, indices, split)


def _indices(source: Source, names: Sequence[str], split: str) -> Sequence[int]:
    index_of = {name: index for index, name in enumerate(source.names)}
    missing = [name for name in names if name not in index_of]
    if missing:
        raise UserError(
            f"split {split!r}: {missing[0]!r} and {len(missing) - 1} more of its {len(names)} "
            "photos are not in the data any more; put them back, or start a new run",
            "FC-DATA-103",
        )
    return array("q", [index_of[name] for name in names])


def _subset(source: Source, indices: Sequence[int], split: str) -> Source:
    if isinstance(source, Stacked):
        parts = tuple(_subset(part, indices, split) for part in source.sources)
        return replace(source, sources=parts)
    if isinstance(source, PackedSource | PairSource):
        return source.chosen(indices, split)
    return Subset(source, split, indices)


@dataclass(frozen=True, eq=False)
class Subset:
    """The photos of any Source at ``indices``."""

    source: Source
    split: str
    indices: Sequence[int]

    @property
    def classes(self) -> ClassSet:
        """The classes of the mask values."""
        return self.source.classes

    @property
    def names(self) -> Sequence[str]:
        """One name a photo."""
        return [self.source.names[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.source[self.indices[index]]

    def mask(self, index: int) -> Mask | None:
        """The mask alone."""
        return self.source.mask(self.indices[index])

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Photo and mask."""
        return self.source.files(self.indices[index])

    def prefetch(self, indices: Sequence[int]) -> None:
        """Begin to read the samples that are wanted next."""
        prefetch(self.source, [self.indices[index] for index in indices])

    def plane(self, index: int, kind: str) -> Image:
        """A further input of the photo; UserError where it has photos only."""
        if not isinstance(self.source, HasPlanes):
            raise UserError(f"this data has photos only, no {kind}", "FC-DATA-132")
        return self.source.plane(self.indices[index], kind)
