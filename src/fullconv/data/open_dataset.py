"""What a user calls the data -> a Source, told apart by its layout."""

from collections.abc import Sequence
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.layouts.listing import ALL, USUAL, Layout, by_usual_names, usual_name
from fullconv.data.layouts.registry import LAYOUTS, layout_of
from fullconv.data.multimodal import Stacked
from fullconv.data.sample import Source
from fullconv.data.subset import only, read_split
from fullconv.data.synthetic import shapes
from fullconv.data.walk import is_debris
from fullconv.errors import UserError
from fullconv.modalities import COLOR


def open_source(
    data: str | Path,
    split: str,
    classes: str | Path | None = None,
    inputs: Sequence[str] = (COLOR,),
    outputs: Sequence[str] = (),
    lists: Path | None = None,
) -> Source:
    """Open one split of a data set.

    ``data`` is 'shapes' (with options, 'shapes:240x320:n=400:seed=1') or a path whose layout is
    recognised: folders, lists of pairs, VOC, SBD, CamVid, PASCAL-Context, SIFT Flow, NYUDv2.
    ``classes`` is a class file to use instead of the data's own, or the name of a built-in one.
    ``inputs`` are the kinds that a sample's image shows (`fullconv.modalities`), ``outputs`` the
    label maps where the data has several. Data without splits is split by the ``SPLIT.txt`` in the
    folder ``lists``, where that is given. Raises UserError that lists what was looked for.
    """
    single = [_open(data, split, classes, output, lists) for output in outputs or (None,)]
    if not outputs and tuple(inputs) == (COLOR,):
        return single[0]
    known = single[0].classes
    if outputs:
        if len(set(outputs)) < len(outputs):
            raise UserError(f"outputs: one of {', '.join(outputs)} is named twice", "FC-DATA-104")
        known = ClassSet.joint(
            {name: source.classes for name, source in zip(outputs, single, strict=True)}
        )
    return Stacked(tuple(single), known, tuple(inputs))


def _open(
    data: str | Path,
    split: str,
    classes: str | Path | None,
    output: str | None,
    lists: Path | None,
) -> Source:
    """One split with one label map: the data's usual one, or ``output``."""
    if output is not None and classes is not None:
        raise UserError(
            "a class file and the names of outputs exclude each other: leave one out",
            "FC-DATA-104",
        )
    if shapes.looks_like(str(data)):
        return shapes.open_split(str(data), split, output or shapes.KINDS_OUTPUT)
    path = Path(data).expanduser()
    layout = _layout(path)
    known = by_usual_names(layout.splits(path))
    if layout.has_all:
        known.setdefault(ALL, ALL)
    names = None
    if split not in known and usual_name(split) in known:
        split = usual_name(split)
    if split not in known and lists is not None and ALL in known:
        names = read_split(lists, split)
    if split not in known and names is None:
        raise UserError(_no_split(path, split, available_splits(path)), "FC-DATA-102")
    source = _open_split(layout, path, ALL if names else known[split], classes, output)
    if len(source) == 0:
        raise UserError(f"{path}: the split {split!r} has no photos", "FC-DATA-103")
    return source if names is None else only(source, names, split)


def _open_split(
    layout: Layout, path: Path, split: str, classes: str | Path | None, output: str | None
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


def available_splits(data: str | Path) -> list[str]:
    """Names of the splits of ``data``; UserError where no layout is recognised."""
    if shapes.looks_like(str(data)):
        return list(shapes.SPLITS)
    path = Path(data).expanduser()
    return list(by_usual_names(_layout(path).splits(path)))


def is_unsplit(data: str | Path) -> bool:
    """Whether ``data`` has no splits to train and validate on, but one of all photos to split.

    So it is where photos lie without folders and lists, and where no folder is called as a split
    usually is (``images/street/``, ``images/park/``).
    """
    if shapes.looks_like(str(data)):
        return False
    path = Path(data).expanduser()
    splits = available_splits(path)
    if splits == [ALL]:
        return True
    return _layout(path).has_all and not any(usual_name(name) in USUAL for name in splits)


def is_known(data: Path) -> bool:
    """Whether a folder is in a layout that can be opened."""
    return layout_of(data) is not None


def _layout(path: Path) -> Layout:
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name that no system takes
        there = False
    if not there:
        raise UserError(
            f"{path}: there is no such file or folder (built-in data is 'shapes')", "FC-DATA-101"
        )
    layout = layout_of(path)
    if layout is not None:
        return layout
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


def _no_split(path: Path, split: str, known: list[str]) -> str:
    message = f"{path}: there is no split {split!r}; it has {', '.join(known) or 'none'}"
    if known == [ALL]:
        message += (
            f" (to split it, list the photos' names, one a line, in {path / split}.txt; "
            "fullconv train splits it by itself)"
        )
    return message
