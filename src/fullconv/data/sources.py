"""What a user calls the data -> a Source, told apart by its layout."""

from pathlib import Path

from fullconv.data import folder, shapes
from fullconv.data.sample import Source
from fullconv.errors import UserError

LAYOUTS = (folder,)


def open_source(data: str | Path, split: str, classes: str | Path | None = None) -> Source:
    """Open one split of a data set.

    ``data`` is 'shapes' (with options, 'shapes:240x320:n=400:seed=1') or a path whose layout is
    recognised. ``classes`` is a class file to use instead of the data's own.
    Raises UserError that lists what was looked for.
    """
    text = str(data)
    if shapes.looks_like(text):
        return shapes.open_split(text, split)
    path, given = Path(data).expanduser(), None if classes is None else Path(classes)
    layout = _layout(path)
    known = layout.splits(path)
    if split not in known:
        raise UserError(f"{path}: there is no split {split!r}; it has {', '.join(known)}")
    return layout.open_split(path, split, given)


def available_splits(data: str | Path) -> list[str]:
    """Names of the splits of ``data``; UserError where no layout is recognised."""
    if shapes.looks_like(str(data)):
        return list(shapes.SPLITS)
    path = Path(data).expanduser()
    return _layout(path).splits(path)


def _layout(path: Path):
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder (built-in data is 'shapes')")
    for layout in LAYOUTS:
        if layout.looks_like(path):
            return layout
    raise UserError(f"{path}: no layout of a data set is recognised")
