"""What a user calls the data -> a Source, told apart by its layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.layouts import (
    camvid,
    folder,
    nyud,
    nyud_labeled,
    pascal_context,
    sbd,
    sift_flow,
    voc,
)
from fullconv.data.layouts import pair_list as pairlist
from fullconv.data.layouts.listing import ALL, Layout
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.multimodal import Stacked, outputs_of
from fullconv.data.reading.options import agreed, measured_range, options_of
from fullconv.data.sample import Source
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

LAYOUTS = (
    pascal_context.LAYOUT,  # its labels may lie inside VOC2010
    voc.LAYOUT,
    sbd.LAYOUT,
    camvid.LAYOUT,
    sift_flow.LAYOUT,
    nyud.LAYOUT,
    nyud_labeled.LAYOUT,
    pairlist.LAYOUT,
    folder.LAYOUT,
)


def open_source(
    data: str | Path,
    split: str,
    classes: str | Path | None = None,
    inputs: Sequence[str] = (COLOR,),
    outputs: Sequence[str] = (),
    options: ReadOptions = AS_STORED,
    trained: ReadOptions | None = None,
) -> Source:
    """Open one split of a data set.

    ``data`` is 'shapes' (with options, 'shapes:240x320:n=400:seed=1') or a path whose layout is
    recognised: folders, lists of pairs, VOC, SBD, CamVid, PASCAL-Context, SIFT Flow, NYUDv2.
    ``classes`` is a class file to use instead of the data's own, or the name of a built-in one.
    ``inputs`` are the kinds that a sample's image shows (`fullconv.modalities`), ``outputs`` the
    label maps where the data has several. ``options`` say how photos are read; what they leave
    open the data's class file says, or what a net was ``trained`` with; without it, other bands
    than a color photo has become further ``inputs``. Raises UserError that lists what was looked
    for, and where bands or range contradict each other.
    """
    options = agreed(options, own_options(data, classes), trained or AS_STORED, str(data))
    inputs = kinds_of(inputs if trained else with_bands(inputs, options.bands))
    if any(map(is_of_photo, inputs)):
        options = options.for_channels(channels_of([k for k in inputs if is_of_photo(k)]))
    single = [
        _read_by(_open(data, split, classes, output), options) for output in outputs or (None,)
    ]
    if not outputs and tuple(inputs) == (COLOR,):
        return single[0]
    known = single[0].classes
    if outputs:
        if len(set(outputs)) < len(outputs):
            raise UserError(f"outputs: one of {', '.join(outputs)} is named twice")
        known = ClassSet.joint(
            {name: source.classes for name, source in zip(outputs, single, strict=True)}
        )
    return Stacked(tuple(single), known, tuple(inputs))


def own_options(data: str | Path, classes: str | Path | None = None) -> ReadOptions:
    """How the class file of a data set says that its photos are read."""
    if shapes.looks_like(str(data)):
        return AS_STORED
    return options_of(Path(data).expanduser(), classes)


def _read_by(source: Source, options: ReadOptions) -> Source:
    if isinstance(source, PairSource):
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
    pairs = [each for each in sources.values() if isinstance(outputs_of(each)[0], PairSource)]
    options = next((outputs_of(each)[0].options for each in pairs), AS_STORED)  # pyright: ignore
    if not pairs or options.range is not None:
        return dict(sources), options, ""
    files = [file for each in pairs for n in range(len(each)) if (file := each.files(n)[0])]
    span, line = measured_range(files, options, progress)
    options = replace(options, range=span)
    if span is None:
        return dict(sources), options, ""
    return {name: _ranged(each, options) for name, each in sources.items()}, options, line


def _ranged(source: Source, options: ReadOptions) -> Source:
    if isinstance(source, Stacked):
        parts = tuple(_read_by(each, options) for each in source.sources)
        return replace(source, sources=parts)
    return _read_by(source, options)


def _open(data: str | Path, split: str, classes: str | Path | None, output: str | None) -> Source:
    """One split with one label map: the data's usual one, or ``output``."""
    if output is not None and classes is not None:
        raise UserError("a class file and the names of outputs exclude each other: leave one out")
    if shapes.looks_like(str(data)):
        return shapes.open_split(str(data), split, output or shapes.KINDS_OUTPUT)
    path = Path(data).expanduser()
    layout = _layout(path)
    known = layout.splits(path)
    if split not in known:
        raise UserError(_no_split(path, split, known))
    if output is None:
        source = layout.open(path, split, None if classes is None else Path(classes).expanduser())
    else:
        source = _open_output(layout, path, split, output)
    if len(source) == 0:
        raise UserError(f"{path}: the split {split!r} has no photos")
    return source


def _open_output(layout: Layout, path: Path, split: str, output: str) -> Source:
    if layout.outputs is None or layout.open_output is None:
        raise UserError(f"{path}: data of this layout has one label map, no {output!r}")
    there = layout.outputs(path)
    if output not in there:
        raise UserError(f"{path}: has no label map {output!r}; it has {', '.join(there)}")
    return layout.open_output(path, split, output)


def available_splits(data: str | Path) -> list[str]:
    """Names of the splits of ``data``; UserError where no layout is recognised."""
    if shapes.looks_like(str(data)):
        return list(shapes.SPLITS)
    path = Path(data).expanduser()
    return _layout(path).splits(path)


def is_known(data: Path) -> bool:
    """Whether a folder is in a layout that can be opened."""
    return any(layout.looks_like(data) for layout in LAYOUTS)


def _layout(path: Path) -> Layout:
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder (built-in data is 'shapes')")
    for layout in LAYOUTS:
        if layout.looks_like(path):
            return layout
    looked = "; ".join(layout.what for layout in LAYOUTS)
    inside = sorted(p.name for p in path.iterdir())[:8] if path.is_dir() else [path.name]
    raise UserError(
        f"{path}: not a known layout of a data set. Looked for: {looked}. "
        f"Found: {', '.join(inside) or 'an empty folder'}. To see how files should lie: fullconv "
        f"shapes scenes/; for what a labelling tool wrote: fullconv import {path} photos/"
    )


def _no_split(path: Path, split: str, known: list[str]) -> str:
    message = f"{path}: there is no split {split!r}; it has {', '.join(known) or 'none'}"
    if known == [ALL]:
        message += f" (to part it, list the photos' names, one a line, in {path / split}.txt)"
    return message
