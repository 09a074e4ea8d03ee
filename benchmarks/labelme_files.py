"""Masks as the files that labelme would have written: polygons beside copies of the photos."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from rasterio import features

Mask = npt.NDArray[np.uint8]
IGNORED, BACKGROUND = "__ignore__", "_background_"


def write_labelme(source: Any, folder: Path, every: int = 1) -> dict[str, Mask]:
    """Write every n-th photo of a data set with its shapes; the masks (H, W) by name.

    ``labels.txt`` has the classes in their order. A class called 'background' is not drawn but
    where it shows through another shape.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names, masks = source.classes.names, {}
    for index in range(0, len(source), every):
        sample = source[index]
        photo = _photo(source.files(index)[0], sample, folder)
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": list(shapes(sample.mask, names, source.classes.ignore)),
            "imagePath": photo.name,
            "imageData": None,
            "imageHeight": sample.mask.shape[0],
            "imageWidth": sample.mask.shape[1],
        }
        photo.with_suffix(".json").write_text(json.dumps(content))
        masks[photo.stem] = sample.mask
    labels = [IGNORED, *(BACKGROUND if name == "background" else name for name in names)]
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    return masks


def _photo(file: Path | None, sample: Any, folder: Path) -> Path:
    """The photo's own file again, or a PNG of a generated scene."""
    if file is None:
        path = folder / f"{sample.name}.png"
        Image.fromarray(sample.image).save(path)
    else:
        path = folder / file.name
        path.write_bytes(file.read_bytes())
    return path


def shapes(mask: Mask, names: Sequence[str], ignore: int) -> Iterator[dict[str, Any]]:
    """Outlines along the borders of pixels, the larger ones first, as labelme draws in order.

    labelme has no holes: what lies in one is smaller than what is around it, and is drawn over it.
    """
    regions = []
    for outline, value in features.shapes(mask, connectivity=4):
        ring = np.array(outline["coordinates"][0][:-1])
        x, y = (ring - ring[0]).T
        area = abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
        label = IGNORED if value == ignore else names[int(value)]
        if label == "background" and not _inside(ring, mask.shape):
            continue  # nothing lies under it
        regions.append((area, BACKGROUND if label == "background" else label, ring))
    for _, label, ring in sorted(regions, key=lambda each: -each[0]):
        yield {"label": label, "points": ring.tolist(), "group_id": None, "flags": {},
               "shape_type": "polygon"}  # fmt: skip


def _inside(ring: npt.NDArray[np.floating], shape: tuple[int, ...]) -> bool:
    """Whether a region touches no side of the photo, so that another may be around it."""
    return bool(ring.min() > 0 and (ring.max(0) < shape[::-1]).all())
