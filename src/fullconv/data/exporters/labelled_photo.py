"""A predicted photo for a labelling tool: its shapes, and its file."""

import io
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.classes import ClassSet, Color
from fullconv.data.exporters.outlines.vectorize import Region, vectorize
from fullconv.data.importers.annotations import BACKGROUND, IGNORE
from fullconv.data.reading.formats import opened
from fullconv.errors import UserError


@dataclass(frozen=True, eq=False)
class Item:
    """A photo and its class map, to be written for a labelling tool.

    ``name`` is what it will be called, without ending, with folders ('street/0001'). ``photo`` is
    its file, its bytes or its pixels, uint8 RGB (H, W, 3); ``class_map`` integers (H, W), as the
    photo is seen upright; ``probability`` that of each pixel's own class, (H, W), 0..1, or None.
    Of classes that may overlap both are (H, W, K), of one class also (H, W), and a class is where
    its map is 1.
    """

    name: str
    photo: Path | bytes | npt.NDArray[np.uint8]
    class_map: npt.NDArray[Any]
    probability: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class ShapeOptions:
    """The options of shapes.

    ``tolerance`` in pixels, as in `vectorize`; regions below ``smallest`` pixels go to a neighbour.
    ``with_background`` writes the regions of the class that is called background, too.
    """

    tolerance: float = 1.0
    smallest: int = 0
    with_background: bool = False

    def left_out(self, classes: ClassSet) -> tuple[int, ...]:
        """The classes that are not written."""
        return () if self.with_background else background_of(classes)

    def regions(self, item: Item, classes: ClassSet) -> list[Region]:
        """The shapes of a photo; UserError for a class that is none of ``classes``."""
        check_class_map(item, classes)
        if classes.is_overlapping:
            return self._overlapping(item, classes)
        return vectorize(
            item.class_map, self.tolerance, self.smallest, probability=item.probability,
            leave_out=self.left_out(classes), ignore=classes.ignore,
        )  # fmt: skip

    def _overlapping(self, item: Item, classes: ClassSet) -> list[Region]:
        """The shapes of each class alone; the largest of all first, so that none hides another."""
        maps = np.atleast_3d(item.class_map)  # H,W,K
        weights = None if item.probability is None else np.atleast_3d(item.probability)
        regions = [
            replace(region, value=value)
            for value in range(len(classes))
            for region in vectorize(
                maps[..., value], self.tolerance, self.smallest,
                probability=None if weights is None else weights[..., value],
                leave_out=(0, classes.ignore), ignore=classes.ignore,
            )
        ]  # fmt: skip
        return sorted(regions, key=lambda region: -max(o.filled for o in region.outlines))


@dataclass(frozen=True, eq=False)
class ShapedPhoto:
    """A photo of ``size`` (H, W) as files name it, below the folder of photos, and its shapes."""

    file: PurePosixPath
    size: tuple[int, int]
    regions: list[Region]

    @classmethod
    def of(
        cls, item: Item, folder: Path, classes: ClassSet, options: ShapeOptions
    ) -> "ShapedPhoto":
        """The shapes of a photo, whose file is put below ``folder``."""
        regions = options.regions(item, classes)
        height, width = item.class_map.shape[:2]
        return cls(put_photo(item, folder), (height, width), regions)

    def has(self, value: int) -> bool:
        """Whether a shape of a class is among them."""
        return any(region.value == value for region in self.regions)


def background_of(classes: ClassSet) -> tuple[int, ...]:
    """The class called background, if there is one."""
    return tuple(
        value for value, name in enumerate(classes.names)
        if name.strip().strip("_").casefold() == BACKGROUND
    )  # fmt: skip


def label_of(value: int, classes: ClassSet) -> str:
    """The name of a class as a label; that of ignored pixels is ``__ignore__``."""
    return IGNORE if value == classes.ignore else classes.names[value]


def color_of(value: int, classes: ClassSet) -> Color:
    """The colour of a class, RGB."""
    return classes.ignore_color if value == classes.ignore else classes.colors[value]


def hexadecimal(color: Color) -> str:
    """A colour as '#fa32b7'."""
    return "#" + bytes(color).hex()


def rounded(confidence: float | None) -> float | None:
    """A probability as files state it; None where it is not known, or not a number."""
    if confidence is None or not math.isfinite(confidence):
        return None
    return round(min(max(confidence, 0.0), 1.0), 4)


def check_class_map(item: Item, classes: ClassSet) -> None:
    """UserError for a class map of another shape or type, or with a value that is no class."""
    values = np.asarray(item.class_map)
    planes, count = (1, len(classes)) if not classes.is_overlapping else (len(classes), 2)
    fits = values.ndim == 2 if planes == 1 else values.shape[2:] == (planes,)
    if not fits or values.dtype.kind not in "iu":
        shape = "(H, W)" if planes == 1 else f"(H, W, {planes})"
        raise UserError(
            f"{item.name}: its class map is {values.dtype} of shape {values.shape}; integers of "
            f"shape {shape} are needed",
            "FC-LABELS-004",
        )
    strange = (values < 0) | ((values >= count) & (values != classes.ignore))
    if strange.any():
        allowed = "neither 0 nor 1" if classes.is_overlapping else f"none of the {count} classes"
        raise UserError(
            f"{item.name}: its class map has the value {values[strange][0]}, which is {allowed}",
            "FC-LABELS-004",
        )


def named_once(items: Iterable[Item]) -> Iterator[Item]:
    """The items, once it is clear that the name of each is its own and leads to no other folder."""
    names: set[str] = set()
    for item in items:
        place = PurePosixPath(item.name)
        if not place.name or place.is_absolute() or ".." in place.parts or "\0" in item.name:
            raise UserError(
                f"{item.name!r}: no name of a photo below a folder; use one as street/0001",
                "FC-LABELS-003",
            )
        if str(place).casefold() in names:
            raise UserError(
                f"{item.name}: is the name of two photos; give them other names", "FC-LABELS-003"
            )
        names.add(str(place).casefold())
        yield item


def put_photo(item: Item, folder: Path) -> PurePosixPath:
    """Write the photo below ``folder``, its file as it is; its path there."""
    photo = item.photo
    if isinstance(photo, Path):
        place = PurePosixPath(f"{item.name}{photo.suffix}")
        return _put(folder, place, lambda target: shutil.copyfile(photo, target))
    if isinstance(photo, bytes):
        place = PurePosixPath(f"{item.name}{_suffix(photo)}")
        return _put(folder, place, lambda target: target.write_bytes(photo))
    place = PurePosixPath(f"{item.name}.png")
    return _put(folder, place, lambda target: Image.fromarray(photo).save(target, "PNG"))


def _put(folder: Path, place: PurePosixPath, write: Callable[[Path], object]) -> PurePosixPath:
    target = folder / place
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target)
    return place


def _suffix(content: bytes) -> str:
    with opened(io.BytesIO(content)) as image:
        kind = image.format or ""
    return {"JPEG": ".jpg", "MPO": ".jpg"}.get(kind, f".{kind.lower()}")


def written_values(classes: ClassSet, options: ShapeOptions, ignored: bool) -> list[int]:
    """The classes that a tool is told of: all that can be written, what is ignored if it occurs."""
    left_out = options.left_out(classes)
    values = [value for value in range(len(classes)) if value not in left_out]
    return [*values, classes.ignore] if ignored else values


class Spool:
    """Entries of a file that is written when all are there, kept on the disk of ``folder``."""

    def __init__(self, folder: Path, between: str = ",\n") -> None:
        self.between = between
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115
        self.count = 0

    def add(self, entry: str) -> None:
        self._file.write(f"{self.between}{entry}" if self.count else entry)
        self.count += 1

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def copy_to(self, file: IO[str]) -> None:
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)
