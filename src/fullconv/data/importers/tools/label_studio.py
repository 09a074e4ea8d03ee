"""Label Studio: its export 'JSON' (tasks with annotations), or 'JSON-MIN'.

Coordinates are hundredths of the photo's size. A rectangle is turned about its upper left corner,
an ellipse about its centre (radii: shares of width and of height). A brush stroke is the alpha
channel of a packed RGBA picture, a bitmask that of a PNG. Later regions lie on top.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fullconv.data.importers.annotations import Export, Item, Note, Size
from fullconv.data.importers.drawing.bitmaps import as_runs, bitmap_of, brush_of
from fullconv.data.importers.drawing.combined import corners_of, dotted, filled
from fullconv.data.importers.drawing.draw_regions import Region
from fullconv.data.importers.drawing.regions import (
    Ellipse,
    Polygon,
    Shape,
    box,
    turned,
)
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import (
    ends_of,
    json_files,
    number,
    read_json,
    size_of,
)
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.data.importers.photos.photo_entries import (
    Entries,
    draw,
    entry,
    photo_name,
    without_area,
    xy_points,
)
from fullconv.data.reading.image import SUFFIXES
from fullconv.errors import DataError, UserError

_GEOMETRY = {"rle", "points", "radiusX", "imageDataURL", "vertices", "x"}
_PREFIX = 9
"""Characters that an upload puts before a photo's name: 'e97d4735-1.jpg'."""


def recognise(source: Path) -> bool:
    """A JSON file with tasks of Label Studio's among the first."""
    return any(_is_label_studio(file) for file in json_files(source)[:20])


def _is_label_studio(file: Path) -> bool:
    text = ends_of(file)
    tasks = b'"result"' in text and (b'"completed_by"' in text or b'"was_cancelled"' in text
                                     or b'"lead_time"' in text)  # fmt: skip
    return tasks or b'"original_width"' in text


def read(source: Path, request: Request) -> Export:
    """The tasks of all files; of several annotations of a photo one, which is noted."""
    shelf, entries = Shelf(source, request.images), Entries("fix it in Label Studio")
    files = json_files(source)
    for file in [file for file in files if _is_label_studio(file)] or files:
        try:
            tasks = _tasks(file)
        except DataError as error:
            entries.add_error(error)
            continue
        for place, task in enumerate(tasks):
            key = task.get("id", place) if isinstance(task, dict) else place
            where = f"{file} (task {str(key)[:40]})"
            entries.add(where, lambda notes, where=where, task=task, file=file: _item(
                task, where, file, shelf, request, notes))  # fmt: skip
    return entries.export(shelf)


def _tasks(file: Path) -> list[Any]:
    """One task a file, or a list of them; an annotation in a file of its own holds its task."""
    content = read_json(file)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise DataError(file, "is no list of tasks", "no export of Label Studio's",
                        "export as JSON", "FC-IMPORT-060")  # fmt: skip
    return content


def _item(
    task: Any, where: str, file: Path, shelf: Shelf, request: Request, notes: list[Note]
) -> Item | None:
    if not isinstance(task, dict):
        raise UserError("is no object", "FC-IMPORT-060")
    data = task.get("data")
    if data is None and isinstance(task.get("task"), dict):
        data, task = task["task"].get("data"), {"annotations": [task]}
    name = _stated_photo(data if isinstance(data, dict) else task)
    photo = _photo(name, task, shelf, file, where)
    results = _results(task, where, notes)
    if results is None:
        return None  # nobody labelled it: it stands in the report as a photo without labels
    size = _size(results)
    regions = _regions(results, size, where, request, notes)
    place = _below_images(plain(name).parent / photo.stem, photo, shelf).as_posix()
    return Item(place, None, photo, where, draw(where, regions), size)


def _below_images(name: PurePosixPath, photo: Path, shelf: Shelf) -> PurePosixPath:
    """'images/a' as 'a' where the source has its photos in a folder images/ for the server."""
    folder = shelf.source / "images"
    below = name.parts[:1] == ("images",) and folder in photo.parents
    return PurePosixPath(*name.parts[1:]) if below else name


def _stated_photo(data: dict[str, Any]) -> str:
    """The name of the photo in a task's data: the value that looks like one, 'image' first."""
    named = {key: photo_name(value) for key, value in data.items() if isinstance(value, str)}
    pictures = [key for key, name in named.items() if plain(name).suffix.lower() in SUFFIXES]
    for key in ("image", *pictures, *(key for key in data if "image" in key or "img" in key)):
        if named.get(key):
            return named[key]
    raise UserError("names no photo (data.image)", "FC-IMPORT-065")


def _photo(name: str, task: dict[str, Any], shelf: Shelf, file: Path, where: str) -> Path:
    """Under its name, or that before it was uploaded: the random prefix is cut off."""
    names = [name]
    upload = task.get("file_upload")
    if isinstance(upload, str) and upload:
        names.append(upload)
    for known in list(names):
        bare = plain(known).name
        prefix = bare[: _PREFIX - 1]
        if bare[_PREFIX - 1 : _PREFIX] == "-" and all(c in "0123456789abcdef" for c in prefix):
            names.append(bare[_PREFIX:])
    errors = []
    for known in names:
        try:
            return shelf.find(known, file.parent, where)
        except UserError as error:
            errors.append(error)
    raise errors[0]


def _results(task: dict[str, Any], where: str, notes: list[Note]) -> list[Any] | None:
    """What was drawn, None where nobody labelled the photo."""
    key = next((key for key in ("annotations", "completions") if key in task), None)
    if key is None:
        return _minimal(task)
    annotations = entry(task, key, list, "the task")
    if not all(isinstance(annotation, dict) for annotation in annotations):
        raise UserError(f"has {key} that are no objects", "FC-IMPORT-060")
    usable = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if not usable:
        return None
    truth = [annotation for annotation in usable if annotation.get("ground_truth")]
    if len(usable) > 1:
        notes.append(Note("several", where, f"{len(usable)} annotations"))
    chosen = max(truth or usable, key=lambda annotation: str(annotation.get("updated_at") or ""))
    return entry(chosen, "result", list, "its annotation")


def _minimal(task: dict[str, Any]) -> list[Any] | None:
    """JSON-MIN: the regions are lists beside the data, with type and value in one object."""
    results = [
        {"value": region, "type": "", "from_name": key, "id": place} | region
        for key, listed in task.items() if isinstance(listed, list)
        for place, region in enumerate(listed)
        if isinstance(region, dict) and "original_width" in region
    ]  # fmt: skip
    return results if results or "annotation_id" in task else None


def _size(results: list[Any]) -> Size | None:
    sizes = set()
    for result in results:
        if not isinstance(result, dict):
            raise UserError("has a result that is no object", "FC-IMPORT-060")
        if result.get("image_rotation"):
            raise UserError(
                f"was labelled on the photo turned by {result['image_rotation']} degrees in Label "
                "Studio, which is not read; turn it back there",
                "FC-IMPORT-072",
            )
        if result.get("item_index"):
            raise UserError("labels several photos in one task, which is not read; make a task of "
                            "each", "FC-IMPORT-072")  # fmt: skip
        size = size_of(result.get("original_height"), result.get("original_width"))
        sizes |= {size} - {None}
    if len(sizes) > 1:
        raise UserError(f"states several sizes of its photo: {sorted(sizes)}", "FC-IMPORT-012")
    return next(iter(sizes), None)


def _regions(
    results: list[Any], size: Size | None, where: str, request: Request, notes: list[Note]
) -> list[Region]:
    """A region and its label may be two results of one id; what has no geometry is noted."""
    labels: dict[Any, list[str]] = defaultdict(list)
    shapes: dict[Any, dict[str, Any]] = {}
    others = 0
    for place, result in enumerate(results):
        value = result.get("value")
        if not isinstance(value, dict) or not _GEOMETRY & set(value):
            others += result.get("type") != "relation"
            continue
        key = result.get("id", place)
        key = key if isinstance(key, str | int) else place
        labels[key] += _labels(value)
        shapes.setdefault(key, value)
    if others:
        notes.append(Note("not for masks", where, count=others))
    regions = []
    for place, (key, value) in enumerate(shapes.items()):
        try:
            regions += _region(value, list(dict.fromkeys(labels[key])), size, where, request, notes)
        except UserError as error:
            raise UserError(f"region {place} {error}", error.code) from None
    return regions


def _labels(value: dict[str, Any]) -> list[str]:
    """Those under 'polygonlabels', 'brushlabels', 'labels' and the like."""
    listed = [labels for key, labels in value.items() if key.endswith("labels")]
    names = [name for labels in listed if isinstance(labels, list) for name in labels]
    if not all(isinstance(name, str) for name in names):
        raise UserError("has a region whose labels are no text", "FC-IMPORT-061")
    return [name for name in names if name.strip()]


def _region(
    value: dict[str, Any],
    labels: list[str],
    size: Size | None,
    where: str,
    request: Request,
    notes: list[Note],
) -> list[Region]:
    if not labels:
        raise UserError("has no label; give it one in Label Studio", "FC-IMPORT-061")
    if len(labels) > 1:
        raise UserError(f"has several labels ({', '.join(labels[:4])}); a pixel has one class: "
                        "keep one in Label Studio", "FC-IMPORT-070")  # fmt: skip
    if size is None:
        raise UserError("states no original_width and original_height; export it again",
                        "FC-IMPORT-012")  # fmt: skip
    if "vertices" in value:
        corners = xy_points(value["vertices"]) * [size[1] / 100, size[0] / 100]
        return without_area("vector", labels[0], where, corners, request, notes)
    try:
        return [Region(labels[0], _shape(value, size, request))]
    except UserError as error:
        raise UserError(f"({labels[0]}) {error}", error.code) from None


def _shape(value: dict[str, Any], size: Size, request: Request) -> Shape:
    if "rle" in value:
        return as_runs(brush_of(value["rle"], size))
    if "imageDataURL" in value:
        return _bitmask(value["imageDataURL"], size)
    if "points" in value:
        return filled(corners_of(value["points"]) * [size[1] / 100, size[0] / 100])
    x, y = _share(value, "x", size[1]), _share(value, "y", size[0])
    degrees = number(value.get("rotation") or 0, "has rotation =")
    if "radiusX" in value:
        radii = _share(value, "radiusX", size[1]), _share(value, "radiusY", size[0])
        return Ellipse((x, y), radii, degrees)
    if "height" in value or "rectanglelabels" in value:
        wide, high = _share(value, "width", size[1]), _share(value, "height", size[0])
        upright = box(x, y, x + wide, y + high).rings[0]
        return Polygon((turned(upright, (x, y), degrees) if degrees else upright,))
    return dotted(np.array([[x, y]]), request.point_radius)


def _share(value: dict[str, Any], key: str, pixels: int) -> float:
    return number(value.get(key), f"has {key} =") * pixels / 100


def _bitmask(text: Any, size: Size) -> Shape:
    if not isinstance(text, str) or "base64," not in text[:64]:
        raise UserError("has a bitmask that is no PNG in base64", "FC-IMPORT-013")
    bits = bitmap_of(text.split("base64,", 1)[1], size)
    if bits.shape != size:
        raise UserError(f"has a bitmask of {bits.shape[1]} x {bits.shape[0]}, its photo "
                        f"{size[1]} x {size[0]}", "FC-IMPORT-013")  # fmt: skip
    return as_runs(bits)
