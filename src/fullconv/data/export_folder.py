"""A source as plain files: the folder layout, to look at or to learn how one's own should lie."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data.sample import Mask, Sample, Source
from fullconv.errors import UserError
from fullconv.files.atomic import folder_atomically, write_atomically


def write_folder(
    sources: Iterable[Source],
    out: str | Path,
    limit: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Path:
    """Write splits as ``images/SPLIT/NAME.jpg``, ``masks/SPLIT/NAME.png`` and ``classes.toml``.

    At most ``limit`` photos of each split. Masks are palette PNGs whose indices are the classes.
    The folder appears whole or not at all.
    Raises UserError when ``out`` holds anything already or cannot be written, or the splits'
    classes differ.
    """
    out, sources, done = Path(out), list(sources), 0
    classes = sources[0].classes
    with folder_atomically(out) as folder:
        for source in sources:
            if source.classes != classes:
                raise UserError(
                    f"split {source.split!r} has other classes than {sources[0].split!r}",
                    "FC-CLASS-008",
                )
            for index in range(min(len(source), limit or len(source))):
                _write_sample(folder, source.split, source[index], classes)
                done += 1
                if progress:
                    progress(done)
        write_atomically(folder / "classes.toml", classes.to_toml())
    return out


def _write_sample(folder: Path, split: str, sample: Sample, classes: ClassSet) -> None:
    file = io.BytesIO()
    Image.fromarray(sample.image).save(file, "JPEG", quality=95, subsampling=0)
    write_atomically(folder / "images" / split / f"{sample.name}.jpg", file.getvalue())
    if sample.mask is not None:
        content = mask_png(sample.mask, classes)
        write_atomically(folder / "masks" / split / f"{sample.name}.png", content)


def mask_png(mask: Mask, classes: ClassSet) -> bytes:
    """A mask as a PNG of its class values; with up to 8 bits they index the classes' palette."""
    picture = Image.fromarray(mask)
    if mask.dtype == np.uint8:
        picture = Image.fromarray(mask, "P")
        picture.putpalette(classes.palette()[:256].tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
