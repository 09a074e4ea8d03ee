"""RGB masks beside photos, with a table of colours: Supervisely's export as masks, and its like."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from fullconv.data.importers.annotations import BACKGROUND, Export, Note, without_photo
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.mapping.color_table import NAMES, find_table, read_colors
from fullconv.data.importers.mask_pairs import export_of
from fullconv.data.layouts.listing import ALL
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import pictures
from fullconv.data.reading.image import SUFFIXES
from fullconv.data.reading.walk import has_file
from fullconv.errors import UserError

_MASKS = (
    "masks_machine",
    "masks_human",
    "masks",
    "labels",
    "mask",
    "annotations",
    "SegmentationClass",
)
_SUPERVISELY = ("obj_class_to_machine_color.json", "meta.json")
_PHOTOS = ("img", "images", "image", "photos", "imgs")


def recognise(source: Path) -> bool:
    """A colour table, and folders of photos and masks beside it or one level below.

    Supervisely's tables also lie beside its JSON: they need its folders of masks.
    """
    table = find_table(source)
    if table is None:
        return False
    return bool(_folders(source, _MASKS[:2] if table.name in _SUPERVISELY else _MASKS))


def read(source: Path, request: Request) -> Export:
    """The photos of every data set below ``source``; the splits are those named as such."""
    table = request.labels or find_table(source)
    if table is None:
        raise UserError(f"{source}: no table of colours ({', '.join(NAMES)}) is in it; name one "
                        "with --labels", "FC-IMPORT-016")  # fmt: skip
    classes = read_colors(table)
    places = _folders(source)
    if not places:
        raise UserError(f"{source}: has no folder of photos ({', '.join(_PHOTOS)}) beside one of "
                        f"masks ({', '.join(_MASKS)})", "FC-IMPORT-004")  # fmt: skip
    sources: dict[str, list[PairSource]] = defaultdict(list)
    notes, findings = [], []
    for place in places:
        photos, masks = pictures(_first(place, _PHOTOS)), _masks(_first(place, _MASKS))
        inside = "" if place == source else f"{place.relative_to(source).as_posix()}/"
        names = tuple(name for name in sorted(photos) if name in masks)
        notes += [Note("unlabelled", str(photos[n])) for n in sorted(set(photos) - set(masks))]
        for name in sorted(set(masks) - set(photos)):
            findings.append(without_photo(masks[name]))
        pairs = PairSource(
            classes,
            ALL,
            tuple(inside + name for name in names),
            tuple(photos[name] for name in names),
            tuple(masks[name] for name in names),
        )
        sources[USUAL.get(place.name.lower(), ALL)].append(pairs)
    joined = {split: _joined(parts) for split, parts in sources.items()}
    merged = export_of(joined, source, request)
    return replace(
        merged,
        background=BACKGROUND,
        notes=(*merged.notes, *notes),
        findings=(*merged.findings, *findings),
    )


def _joined(parts: list[PairSource]) -> PairSource:
    return PairSource(
        parts[0].classes,
        ALL,
        tuple(name for part in parts for name in part.names),
        tuple(photo for part in parts for photo in part.photos),
        tuple(mask for part in parts for mask in part.masks),
    )


def _folders(source: Path, masks: tuple[str, ...] = _MASKS) -> list[Path]:
    """``source`` itself and all below it that have photos and masks: data sets lie in another."""
    if not source.is_dir():
        return []
    places = [source, *sorted(path for path in source.rglob("*") if path.is_dir())]
    return [place for place in places if _has(place, _PHOTOS) and _has(place, masks)]


def _has(place: Path, names: tuple[str, ...]) -> bool:
    """Whether one of these folders has a picture: other tools keep lists in folders so called."""
    folders = (place / name for name in names if (place / name).is_dir())
    return any(has_file(folder, _is_picture) for folder in folders)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def _first(place: Path, names: tuple[str, ...]) -> Path:
    return next(place / name for name in names if (place / name).is_dir())


def _masks(folder: Path) -> dict[str, Path]:
    """By the photo's name: '0001.png', and '0001.jpg.png' as some versions write it."""
    paths = pictures(folder)
    plain = {name: Path(name).with_suffix("").as_posix() for name in paths}
    return {
        plain[name] if Path(name).suffix.lower() in (".jpg", ".jpeg", ".png") else name: path
        for name, path in paths.items()
    }
