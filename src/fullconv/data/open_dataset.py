"""Opens a data set by its layout, as a Source; and the data set that a run was trained on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fullconv.classes import ClassSet
from fullconv.data.layouts import named_folders, packed, yaml_description
from fullconv.data.layouts.listing import ALL, USUAL, Layout, by_usual_names, usual_name
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.registry import LAYOUTS, layout_of
from fullconv.data.listing_cache import cached
from fullconv.data.reading.options import agreed, measured_range, options_of
from fullconv.data.reading.photo_heads import photos_maybe_deep
from fullconv.data.reading.walk import is_debris
from fullconv.data.remote.local_copy import check_inside
from fullconv.data.remote.place import place_of
from fullconv.data.sample import Source
from fullconv.data.shards.cache import DEFAULT_CACHE, CacheOptions
from fullconv.data.shards.filesystem import is_url
from fullconv.data.shards.remote_storage import storage_of
from fullconv.data.shards.source import PackedSource, index_of, is_packed
from fullconv.data.splits.multimodal import Stacked, outputs_of
from fullconv.data.splits.overlapping import AUTO_TASK, TaskChoice, for_task
from fullconv.data.splits.subset import read_split, with_photos
from fullconv.data.synthetic import shapes
from fullconv.errors import UserError
from fullconv.modalities import (
    AS_STORED,
    COLOR,
    ReadOptions,
    channels_of,
    is_of_photo,
    kinds_of,
    with_bands,
)


def open_source(
    data: str | Path,
    split: str,
    classes: str | Path | None = None,
    inputs: Sequence[str] = (COLOR,),
    outputs: Sequence[str] = (),
    lists: Path | None = None,
    options: ReadOptions = AS_STORED,
    trained: ReadOptions | None = None,
    task: TaskChoice = AUTO_TASK,
    cache: CacheOptions = DEFAULT_CACHE,
) -> Source:
    """Open one split of a data set.

    ``data`` is 'shapes' (with options, 'shapes:240x320:n=400:seed=1') or a path whose layout is
    recognised: folders, lists of pairs, VOC, SBD, CamVid, PASCAL-Context, SIFT Flow, NYUDv2, and
    shards (`fullconv.data.pack`). Both may also lie behind a URL (s3://bucket/photos,
    hf://datasets/...; shards also https://...): a folder is copied into ``cache``, of shards what
    is read is kept there.
    ``classes`` is a class file to use instead of the data's own, or the name of a built-in one.
    ``inputs`` are the kinds that a sample's image shows (`fullconv.modalities`), ``outputs`` the
    label maps where the data has several. Data without splits is split by the ``SPLIT.txt`` in the
    folder ``lists``, where that is given. ``options`` say how photos are read; what they leave
    open the data's class file says, or what a net was ``trained`` with; without it, other bands
    than a color photo has become further ``inputs``. ``task`` says what is to be decided at each
    pixel, where not what the masks say (`fullconv.data.splits.overlapping`). Raises UserError that
    lists what was looked for, and where bands or range contradict each other.
    """
    options = agreed(options, own_options(data, classes, cache), trained or AS_STORED, str(data))
    inputs = kinds_of(inputs if trained else with_bands(inputs, options.bands))
    if any(map(is_of_photo, inputs)):
        options = options.for_channels(channels_of([k for k in inputs if is_of_photo(k)]))
    single = [
        _read_by(_open(data, split, classes, output, lists, cache), options)
        for output in outputs or (None,)
    ]
    if not outputs or task.kind not in ("auto", "semantic"):
        single = [for_task(source, task) for source in single]
    if not outputs and tuple(inputs) == (COLOR,):
        return single[0]
    known = single[0].classes
    if len(outputs) > 1 and known.is_overlapping:
        raise UserError("outputs: of overlapping classes there is one: name none", "FC-DATA-104")
    if outputs:
        if len(set(outputs)) < len(outputs):
            raise UserError(f"outputs: one of {', '.join(outputs)} is named twice", "FC-DATA-104")
        known = ClassSet.joint(
            {name: source.classes for name, source in zip(outputs, single, strict=True)}
        )
    return Stacked(tuple(single), known, tuple(inputs))


def own_options(
    data: str | Path, classes: str | Path | None = None, cache: CacheOptions = DEFAULT_CACHE
) -> ReadOptions:
    """How the class file of a data set says that its photos are read."""
    if shapes.looks_like(str(data)):
        return AS_STORED
    place = place_of(data, cache)
    own = options_of(Path(place), classes)
    if isinstance(place, str) or is_packed(place):
        return own.over(index_of(storage_of(place)).options)
    return own


def _read_by(source: Source, options: ReadOptions) -> Source:
    if isinstance(source, PairSource | PackedSource):
        return replace(source, options=options)
    if options.bands is not None:
        raise UserError("bands are of photos in files: leave them out", "FC-RASTER-001")
    return source


def with_measured_range(
    sources: Mapping[str, Source], progress: Callable[[int, int], object] | None = None
) -> tuple[dict[str, Source], ReadOptions, str]:
    """The same splits with the range of their 16-bit photos, where none is named.

    Measured over the photos of all splits (`measured_range`); with the options that they are read
    by, and a line that says so, empty where there is nothing to say.
    """
    pairs = [source for source in sources.values() if isinstance(outputs_of(source)[0], PairSource)]
    options = next((outputs_of(source)[0].options for source in pairs), AS_STORED)  # pyright: ignore
    if not pairs or options.range is not None:
        return dict(sources), options, ""
    files = [file for source in pairs for file in photos_maybe_deep(source)]
    span, line = measured_range(files, options, progress)
    options = replace(options, range=span)
    if span is None:
        return dict(sources), options, ""
    return {name: _ranged(source, options) for name, source in sources.items()}, options, line


def _ranged(source: Source, options: ReadOptions) -> Source:
    if isinstance(source, Stacked):
        parts = tuple(_read_by(part, options) for part in source.sources)
        return replace(source, sources=parts)
    return _read_by(source, options)


def _open(
    data: str | Path,
    split: str,
    classes: str | Path | None,
    output: str | None,
    lists: Path | None,
    cache: CacheOptions,
) -> Source:
    """One split with one label map: the data's usual one, or ``output``."""
    if output is not None and classes is not None:
        raise UserError(
            "a class file and the names of outputs exclude each other: leave one out",
            "FC-DATA-104",
        )
    if shapes.looks_like(str(data)):
        return shapes.open_split(str(data), split, output or shapes.KINDS_OUTPUT)
    path, layout = _located(data, cache)
    known = _splits(layout, path)
    if layout.has_all:
        known = {**known, ALL: known.get(ALL, ALL)}
    names = None
    if split not in known and usual_name(split) in known:
        split = usual_name(split)
    if split not in known and lists is not None and ALL in known:
        names = read_split(lists, split)
    if split not in known and names is None:
        raise UserError(_no_split(path, split, available_splits(path)), "FC-DATA-102")
    is_copy = isinstance(path, Path) and cache.copies in path.parents
    source = _open_split(layout, path, ALL if names else known[split], classes, output, is_copy)
    if len(source) == 0:
        raise UserError(f"{path}: the split {split!r} has no photos", "FC-DATA-103")
    if names is not None:
        return with_photos(source, names, split)
    return replace(source, split=split) if isinstance(source, PairSource) else source


def _open_split(
    layout: Layout,
    path: Any,
    split: str,
    classes: str | Path | None,
    output: str | None,
    is_copy: bool,
) -> Source:
    def opened() -> Source:
        source = _list_split(layout, path, split, classes, output)
        if is_copy and isinstance(source, PairSource):
            check_inside(source, path)
        return source

    if is_url(path):
        return opened()
    return cached(("split", str(path), split, str(classes), output), opened)


def _splits(layout: Layout, path: Any) -> dict[str, str]:
    """The usual name of each split -> the data's own."""

    def splits() -> dict[str, str]:
        return by_usual_names(layout.splits(path))

    return splits() if is_url(path) else cached(("splits", str(path)), splits)


def _list_split(
    layout: Layout, path: Any, split: str, classes: str | Path | None, output: str | None
) -> Source:
    if output is None:
        return layout.open(path, split, None if classes is None else Path(classes).expanduser())
    if layout.outputs is None or layout.open_output is None:
        raise UserError(
            f"{path}: data of this layout has one label map, no {output!r}", "FC-DATA-104"
        )
    there = layout.outputs(path)
    if output not in there:
        raise UserError(
            f"{path}: has no label map {output!r}; it has {', '.join(there)}", "FC-DATA-104"
        )
    return layout.open_output(path, split, output)


def available_splits(data: str | Path, cache: CacheOptions = DEFAULT_CACHE) -> list[str]:
    """Names of the splits of ``data``; UserError where no layout is recognised."""
    if shapes.looks_like(str(data)):
        return list(shapes.SPLITS)
    path, layout = _located(data, cache)
    return list(_splits(layout, path))


def is_unsplit(data: str | Path, cache: CacheOptions = DEFAULT_CACHE) -> bool:
    """Whether ``data`` has no splits to train and validate on, but one of all photos to split.

    So it is where photos lie without folders and lists, and where no folder is called as a split
    usually is (``images/street/``, ``images/park/``).
    """
    if shapes.looks_like(str(data)):
        return False
    splits = available_splits(data, cache)
    if splits == [ALL]:
        return True
    return _located(data, cache)[1].has_all and not any(
        usual_name(name) in USUAL for name in splits
    )


def is_known(data: str | Path) -> bool:
    """Whether a folder is in a layout that can be opened; what lies behind a URL is a data set."""
    return is_url(data) or layout_of(Path(data).expanduser()) is not None


def _located(data: str | Path, cache: CacheOptions = DEFAULT_CACHE) -> tuple[Any, Layout]:
    """The path of a data set or the URL of its shards, and its layout."""
    place = place_of(data, cache)
    return place, packed.with_cache(cache) if isinstance(place, str) else _layout(place)


def _layout(path: Path) -> Layout:
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name that no system takes
        there = False
    if not there:
        raise UserError(
            f"{path}: there is no such file or folder (built-in data is 'shapes')", "FC-DATA-101"
        )
    layout = cached(("layout", path), lambda: layout_of(path))
    if layout is not None:
        return layout
    if (path / "model.safetensors").is_file():
        raise UserError(
            f"{path}: is the folder of a run, not a data set; config.toml in it says which data it "
            f"was trained on, and fullconv evaluate {path} scores it there",
            "FC-DATA-100",
        )
    if path.is_dir() and named_folders.pairs(path):
        raise named_folders.unusable(path)
    if path.suffix.lower() in yaml_description.ENDINGS:
        raise yaml_description.unusable(path)
    looked_for = "; ".join(layout.what for layout in LAYOUTS)
    inside = [path.name]
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if not is_debris(p.name))[:8]
    raise UserError(
        f"{path}: not a known layout of a data set. Looked for: {looked_for}. "
        f"Found: {', '.join(inside) or 'an empty folder'}. To see how files should lie: fullconv "
        f"shapes scenes/; for what a labelling tool wrote: fullconv import {path} photos/",
        "FC-DATA-100",
    )


def _no_split(path: str | Path, split: str, known: list[str]) -> str:
    message = f"{path}: there is no split {split!r}; it has {', '.join(known) or 'none'}"
    if known == [ALL]:
        message += (
            f" (to split it, list the photos' names, one a line, in {path}/{split}.txt; "
            "fullconv train splits it by itself)"
        )
    return message
