"""What a user calls the data -> a Source, told apart by its layout."""

from collections.abc import Sequence
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
from fullconv.data.multimodal import Stacked
from fullconv.data.sample import Source
from fullconv.data.synthetic import shapes
from fullconv.errors import UserError
from fullconv.modalities import COLOR

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
) -> Source:
    """Open one split of a data set.

    ``data`` is 'shapes' (with options, 'shapes:240x320:n=400:seed=1') or a path whose layout is
    recognised: folders, lists of pairs, VOC, SBD, CamVid, PASCAL-Context, SIFT Flow, NYUDv2.
    ``classes`` is a class file to use instead of the data's own, or the name of a built-in one.
    ``inputs`` are the kinds that a sample's image shows (`fullconv.modalities`), ``outputs`` the
    label maps where the data has several. Raises UserError that lists what was looked for.
    """
    single = [_open(data, split, classes, output) for output in outputs or (None,)]
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
