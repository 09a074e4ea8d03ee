"""The page of a corrected copy: what was corrected, before and after, and what was left out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.classes.colors import default_colors
from fullconv.data.checks.check import listing
from fullconv.data.fixing.fixed_copy import FixedMask, FixReport
from fullconv.data.reading.image import read_photo
from fullconv.errors import Finding, UserError
from fullconv.modalities import ReadOptions
from fullconv.report.embedded import jpeg, picked, sized
from fullconv.report.pages.page import write_page
from fullconv.visualize import overlay

SHOWN = 4  # masks of one correction
LISTED = 200  # files of one correction that are named
SIDE = 255  # pixels of a picture: two pairs stand side by side


@dataclass(frozen=True)
class BeforeAfter:
    """A corrected mask: the file's values in VOC's palette, and the result over the photo."""

    file: str
    before: bytes
    size: str
    after: bytes


class FixPictures:
    """Gathers pictures while a copy is written: ``seen`` of `write_fixed`."""

    def __init__(self, classes: ClassSet, options: ReadOptions) -> None:
        self.classes, self.options = classes, options
        self.shown: dict[tuple[str, ...], list[BeforeAfter]] = defaultdict(list)

    def __call__(
        self, fixed: FixedMask, photo: Path, stored: npt.NDArray, mask: npt.NDArray
    ) -> None:
        """Draw one of the first masks of each correction."""
        if len(self.shown[fixed.says]) >= SHOWN:
            return
        try:
            image = read_photo(photo, options=self.options)[..., :3]
        except UserError:
            return
        if image.shape[2] != 3:
            return
        height, width = stored.shape[:2]
        after = overlay(image, mask, self.classes, 0.6, "none")
        self.shown[fixed.says].append(
            BeforeAfter(
                fixed.file, _stored_picture(stored), f"{width} x {height}", jpeg(sized(after, SIDE))
            )
        )


def _stored_picture(stored: npt.NDArray) -> bytes:
    """A mask as a viewer with VOC's palette shows it; colors as they are."""
    small = picked(stored, SIDE) if stored.ndim == 2 else None
    if small is None:
        image = Image.fromarray(stored.astype(np.uint8))
        image.thumbnail((SIDE, SIDE), Image.Resampling.NEAREST)
        return jpeg(np.asarray(image))
    palette = np.array(default_colors(256), np.uint8)
    return jpeg(palette[np.clip(small, 0, 255)])


def write_fixes_page(
    path: Path,
    name: str,
    report: FixReport,
    pictures: FixPictures,
    remaining: Sequence[Finding],
) -> Path:
    """Write the page; ``remaining`` are the findings of the check on the copy."""
    kinds: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for fixed in report.fixed:
        kinds[fixed.says].append(fixed.file)
    corrections = [
        {
            "says": says,
            "count": len(files),
            "files": files[:LISTED],
            "shown": pictures.shown.get(says, []),
        }
        for says, files in kinds.items()
    ]
    copied = ", ".join(f"{count} {split}" for split, count in report.copied.items())
    return write_page(
        path,
        "fixes.html",
        title=f"{name}: corrections",
        copied=copied,
        of_classes=report.of_classes,
        corrections=corrections,
        left_out=listing(report.left_out, files=LISTED),
        remaining=listing(list(remaining)),
    )
