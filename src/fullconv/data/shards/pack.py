"""A data set -> tar shards in WebDataset's layout, with an index of where each sample lies."""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.export_folder import mask_png
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.formats import SUFFIXES
from fullconv.data.reading.image import size_said
from fullconv.data.reading.mask import read_mask
from fullconv.data.sample import Mask, Source
from fullconv.data.shards.index import INDEX, Index, Shard, SplitFile, SplitIndex
from fullconv.data.splits.multimodal import outputs_of
from fullconv.errors import UserError
from fullconv.files.atomic import folder_atomically
from fullconv.files.file_errors import file_errors
from fullconv.modalities import AS_STORED, ReadOptions

SHARD_BYTES = 256 * 2**20
MASK_ENDING = ".png"
MASK_BESIDE_PNG = ".mask.png"
"""Where a photo is a PNG itself: WebDataset tells the files of a sample by their endings."""
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Packed:
    """The result of packing: photos of each split, shards and bytes in all."""

    photos: Mapping[str, int]
    shards: int
    size: int


def pack(
    sources: Mapping[str, Source],
    out: str | Path,
    shard_size: int = SHARD_BYTES,
    options: ReadOptions = AS_STORED,
    is_checked: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Packed:
    """Write ``sources`` (split -> Source) into the new folder ``out``: shards and an index.

    A sample is NAME.jpg (the photo's bytes as they are, with their own ending) and NAME.png, the
    mask: its bytes as they are where it is a PNG of class values, else a PNG of its class values;
    of overlapping classes one mask below the other. A shard has at most ``shard_size`` bytes, or
    one sample. ``options`` say how photos are read, ``is_checked`` that every sample was looked at.
    Raises UserError where ``out`` holds anything, photos are no files, or the splits' classes
    differ; then nothing is left of ``out``.
    """
    classes = _common_classes(sources)
    for split, source in sources.items():
        _check_packable(split, source)
    ending = MASK_BESIDE_PNG if any(map(_has_png, sources.values())) else MASK_ENDING
    total, done, stems = sum(map(len, sources.values())), 0, _split_stems(sources)
    splits: dict[str, SplitFile] = {}
    written: list[Shard] = []

    def count() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    with folder_atomically(out) as folder:
        for split, source in sources.items():
            index = _write_split(source, folder, stems[split], shard_size, ending, count)
            text = index.to_json().encode()
            file = f"{stems[split]}.json"
            (folder / file).write_bytes(text)
            splits[split] = SplitFile(len(index), file, len(text), hashlib.sha256(text).hexdigest())
            written += index.shards
        whole = Index(classes, replace(AS_STORED, bands=options.bands, range=options.range),
                      is_checked, splits)  # fmt: skip
        (folder / INDEX).write_text(whole.to_json(), "utf-8")
    photos = {split: len(source) for split, source in sources.items()}
    return Packed(photos, len(written), sum(shard.size for shard in written))


def _common_classes(sources: Mapping[str, Source]) -> ClassSet:
    first, *others = sources.items()
    for split, source in others:
        if source.classes != first[1].classes:
            raise UserError(f"split {split!r} has other classes than {first[0]!r}", "FC-CLASS-008")
    return first[1].classes


def _check_packable(split: str, source: Source) -> None:
    if len(outputs_of(source)) > 1:
        raise UserError("data with several label maps cannot be packed: name one of them as the "
                        "masks", "FC-SHARDS-008")  # fmt: skip
    if len(source) and source.files(0)[0] is None:
        raise UserError(
            f"split {split!r}: its photos are no files (generated scenes, or packed already), so "
            "there is nothing to pack; name a folder",
            "FC-SHARDS-008",
        )


def _has_png(source: Source) -> bool:
    return any(_ending(_photo(source, i)) == MASK_ENDING for i in range(len(source)))


def _photo(source: Source, index: int) -> Path:
    photo = source.files(index)[0]
    if photo is None:
        raise UserError(f"{source.names[index]}: its photo is no file", "FC-SHARDS-008")
    return photo


def _ending(photo: Path) -> str:
    ending = photo.suffix.lower()
    if ending not in SUFFIXES:
        raise UserError(
            f"{photo}: rasters of further files ({ending or 'no ending'}) cannot be packed; save "
            "it as a GeoTIFF, PNG or JPEG",
            "FC-SHARDS-008",
        )
    return ending


def _split_stems(splits: Iterable[str]) -> dict[str, str]:
    """How the files of each split begin: letters and digits only, none twice."""
    stems: dict[str, str] = {}
    for split in splits:
        stem = _plain(split.replace("/", "_"))[:60] or "split"
        stems[split] = _unused(stem, {INDEX.partition(".")[0], *stems.values()})
    return stems


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


def _unused(key: str, taken: "set[str]") -> str:
    """``key``, or with a number where it is taken."""
    number, new = 2, key
    while new in taken:
        new, number = f"{key}-{number}", number + 1
    return new


def _write_split(
    source: Source, folder: Path, stem: str, shard_size: int, ending: str,
    count: Callable[[], object],
) -> SplitIndex:  # fmt: skip
    """The shards of a split; what their index says."""
    shards: list[Shard] = []
    spans: list[tuple[int, ...]] = []
    digests: list[bytes] = []
    keys: set[str] = set()
    writer: _ShardWriter | None = None
    try:
        for index in range(len(source)):
            photo_file = _photo(source, index)
            with file_errors(photo_file):
                photo = photo_file.read_bytes()
            mask = _mask_bytes(source, index)
            key = _unused(_key(source.names[index]), keys)
            keys.add(key)
            members = {f"{key}{_ending(photo_file)}": photo}
            if mask is not None:
                members[f"{key}{ending}"] = mask
            if writer is not None and writer.size_with(members) > shard_size:
                shards.append(writer.closed())
                writer = None
            if writer is None:
                writer = _ShardWriter(folder / f"{stem}-{len(shards):06d}.tar")
            span, digest = writer.add(members)
            spans.append((len(shards), *span, *(size_said(io.BytesIO(photo)) or (0, 0))))
            digests.append(digest)
            count()
        if writer is not None:
            shards.append(writer.closed())
            writer = None
    finally:
        if writer is not None:
            writer.closed()
    return SplitIndex(
        tuple(shards),
        tuple(source.names),
        np.array(spans, np.int64).reshape(-1, 7),
        np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
    )


def _key(name: str) -> str:
    """A name as WebDataset's key of a sample: what follows its first dot would be an ending."""
    parts = [part.replace(".", "_") or "_" for part in name.replace("\\", "/").split("/")]
    return "/".join(parts)


def _mask_bytes(source: Source, index: int) -> bytes | None:
    """The mask as a PNG: the file itself where it is one that holds what it means."""
    file = source.files(index)[1]
    if file is None:
        return None
    if isinstance(source, PairSource) and source.read is read_mask:
        with file_errors(file):
            content = file.read_bytes()
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return content
    mask = source.mask(index)
    return None if mask is None else mask_png(_in_one_picture(mask), source.classes)


def _in_one_picture(mask: Mask) -> Mask:
    """Masks (H, W, K) of overlapping classes below one another, (K * H, W)."""
    if mask.ndim == 2:
        return mask
    return np.ascontiguousarray(mask.transpose(2, 0, 1)).reshape(-1, mask.shape[1])


def _info(name: str, content: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info


def _in_blocks(size: int) -> int:
    """Bytes that so many take in a tar."""
    return -(-size // _BLOCK) * _BLOCK


class _ShardWriter:
    """A tar file that grows, and where its members lie. The same samples give the same bytes."""

    def __init__(self, file: Path) -> None:
        self.file, self._opened = file, open(file, "w+b")  # noqa: SIM115
        self._tar = tarfile.open(fileobj=self._opened, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def size_with(self, members: Mapping[str, bytes]) -> int:
        """Bytes of the whole file, if it ended after these."""
        size = self._tar.offset + 2 * _BLOCK  # the end of a tar
        for name, content in members.items():
            size += len(_info(name, content).tobuf(self._tar.format or tarfile.PAX_FORMAT))
            size += _in_blocks(len(content))
        return -(-size // tarfile.RECORDSIZE) * tarfile.RECORDSIZE

    def add(self, members: Mapping[str, bytes]) -> tuple[tuple[int, int, int, int], bytes]:
        """Write the photo and, where there is one, the mask; where both lie, and their digest."""
        places: list[tuple[int, int]] = []
        for name, content in members.items():
            self._tar.addfile(_info(name, content), io.BytesIO(content))
            places.append((self._tar.offset - _in_blocks(len(content)), len(content)))
        (first, size), (last, last_size) = places[0], places[-1]
        self._opened.seek(first)
        digest = hashlib.sha256(self._opened.read(last + last_size - first)).digest()
        self._opened.seek(0, io.SEEK_END)
        mask, mask_size = places[1] if len(places) > 1 else (0, 0)
        return (first, size, mask, mask_size), digest

    def closed(self) -> Shard:
        """End the file; what the index says of it."""
        self._tar.close()
        with self._opened as opened:
            size = opened.seek(0, io.SEEK_END)
            opened.seek(0)
            return Shard(self.file.name, size, hashlib.file_digest(opened, "sha256").hexdigest())
