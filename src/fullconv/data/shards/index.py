"""The index of a packed data set: which sample lies where in which shard, and its digest.

``shards.json`` holds the classes, how photos are read, and the splits; each split has a JSON file
of its own with its shards and one row a sample.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.shards.storage import Storage
from fullconv.errors import UserError
from fullconv.modalities import ReadOptions
from fullconv.parsing import parse_json

INDEX = "shards.json"
FORMAT, VERSION = "fullconv shards", 1
LARGEST_GAP = 2**20  # bytes between photo and mask: tar headers, of long names several blocks
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}")
SHARD, PHOTO, PHOTO_SIZE, MASK, MASK_SIZE, HEIGHT, WIDTH = range(7)
"""Columns of `SplitIndex.spans`."""
COLUMNS = ("name", "shard", "photo", "photo bytes", "mask", "mask bytes", "height", "width",
           "sha256")  # fmt: skip
"""The columns of a split's file."""


@dataclass(frozen=True)
class Shard:
    """One tar file: its name, bytes and SHA-256 in hexadecimal."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, eq=False, repr=False)
class SplitIndex:
    """Where the samples of a split lie.

    ``spans`` int64 (N, 7): the number of the shard, then the first byte and the bytes of the photo
    and of the mask, 0 bytes where there is none, then height and width of the photo, 0 where its
    header does not say. ``digests`` uint8 (N, 32): SHA-256 of the bytes from the first of the photo
    to the last of the mask.
    """

    shards: tuple[Shard, ...]
    names: tuple[str, ...]
    spans: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def largest(self) -> tuple[int, int]:
        """Height and width of the photo with the most pixels."""
        pixels = self.spans[:, HEIGHT] * self.spans[:, WIDTH]
        height, width = self.spans[int(pixels.argmax()), HEIGHT:].tolist()
        return height, width

    def chosen(self, indices: Sequence[int]) -> "SplitIndex":
        """The samples at ``indices``, in that order."""
        rows = np.asarray(indices, np.int64)
        names = tuple(self.names[index] for index in indices)
        return replace(self, names=names, spans=self.spans[rows], digests=self.digests[rows])

    def to_json(self) -> str:
        """The text of a split's file, one line a sample."""
        rows = zip(self.names, self.spans.tolist(), self.digests, strict=True)
        samples = [
            json.dumps([name, *spans, digest.tobytes().hex()]) for name, spans, digest in rows
        ]
        head = {
            "columns": COLUMNS,
            "shards": [[shard.file, shard.size, shard.sha256] for shard in self.shards],
        }
        return json.dumps(head)[:-1] + ', "samples": [\n' + ",\n".join(samples) + "\n]}\n"


@dataclass(frozen=True)
class SplitFile:
    """A split in ``shards.json``: how many photos it has, and the file of its samples."""

    photos: int
    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """The content of ``shards.json``; ``checked``: every sample was checked without an error."""

    classes: ClassSet
    options: ReadOptions
    checked: bool
    splits: dict[str, SplitFile]

    def to_json(self) -> str:
        """The text of ``shards.json``."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "classes": self.classes.to_dict(),
            "bands": self.options.bands,
            "range": self.options.range,
            "checked": self.checked,
            "splits": {name: vars(split) for name, split in self.splits.items()},
        }
        return json.dumps(content, indent=1) + "\n"


def read_index(storage: Storage) -> Index:
    """``shards.json``; UserError where it is missing, damaged or of a newer version."""
    label = f"{storage.label}/{INDEX}"
    content = parse_json(storage.read(INDEX), label)
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {str(content['format'])[:40]!r}")
        if content["version"] != VERSION:
            raise UserError(
                f"{label}: is of version {str(content['version'])[:20]}, this fullconv reads "
                f"{VERSION}; update fullconv, or pack the data again",
                "FC-SHARDS-007",
            )
        options = ReadOptions(_tuple(content.get("bands")), _tuple(content.get("range")))
        splits = {str(name): _split_file(split) for name, split in content["splits"].items()}
        classes = ClassSet.from_dict(content["classes"])
        return Index(classes, options, content.get("checked") is True, splits)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(label, error) from error
    except UserError as error:
        if error.code == "FC-SHARDS-007":
            raise
        raise _damaged(label, error) from error


def _tuple(values: Any) -> Any:
    return None if values is None else tuple(values)


def _split_file(content: Any) -> SplitFile:
    photos, size, sha256 = content["photos"], content["size"], content["sha256"]
    whole = type(photos) is int and photos >= 0 and type(size) is int and size >= 0
    if not whole or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("a split is described wrongly")
    return SplitFile(photos, _file_name(content["file"]), size, sha256)


def _file_name(name: Any) -> str:
    """A file name without folders, so that no other file is read."""
    if not isinstance(name, str) or not _FILE.fullmatch(name):
        raise ValueError(f"{str(name)[:60]!r} is no name of a file")
    return name


def read_split_index(storage: Storage, split: SplitFile) -> SplitIndex:
    """The samples of a split; UserError where the file is missing or damaged."""
    label = f"{storage.label}/{split.file}"
    content = storage.read_range(split.file, 0, split.size, bytes.fromhex(split.sha256))
    parsed = parse_json(content, label)
    try:
        index = _split_index(parsed)
        if len(index) != split.photos:
            raise ValueError(f"{len(index)} samples instead of {split.photos}")
        return index
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise _damaged(label, error) from error


def _split_index(content: Any) -> SplitIndex:
    shards = tuple(Shard(_file_name(f), int(size), str(sha)) for f, size, sha in content["shards"])
    samples = content["samples"]
    names = tuple(str(row[0]) for row in samples)
    spans = np.array([row[1:8] for row in samples], np.int64).reshape(-1, 7)
    digests = np.frombuffer(bytes.fromhex("".join(row[8] for row in samples)), np.uint8)
    index = SplitIndex(shards, names, spans, digests.reshape(-1, 32))
    if len(index.digests) != len(names):
        raise ValueError("digests are missing")
    _check_spans(index)
    return index


def _check_spans(index: SplitIndex) -> None:
    """ValueError for samples that do not lie inside of their shards."""
    if not len(index):
        return
    spans, sizes = index.spans, np.array([shard.size for shard in index.shards], np.int64)
    if spans.min() < 0 or spans[:, SHARD].max() >= len(sizes):
        raise ValueError("a sample lies in no shard")
    photo_end = spans[:, PHOTO] + spans[:, PHOTO_SIZE]
    has_mask = spans[:, MASK_SIZE] > 0
    gap = np.where(has_mask, spans[:, MASK] - photo_end, 0)
    end = np.where(has_mask, spans[:, MASK] + spans[:, MASK_SIZE], photo_end)
    if gap.min() < 0 or gap.max() > LARGEST_GAP or (end > sizes[spans[:, SHARD]]).any():
        raise ValueError("a sample reaches beyond its shard")


def _damaged(label: str, error: Exception) -> UserError:
    return UserError(
        f"{label}: is damaged, or no index of fullconv pack ({str(error)[:120]}); copy it again, "
        "or pack the data again",
        "FC-SHARDS-007",
    )
