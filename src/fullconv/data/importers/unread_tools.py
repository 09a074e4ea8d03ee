"""Exports that are known and not read, each with the export to choose in its place."""

import re
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.importers.export_files import files_below
from fullconv.data.importers.json_reader import ends_of
from fullconv.errors import UserError

_LOOKED_AT = 50
"""Files of each kind whose content is looked at."""


@dataclass(frozen=True)
class _Export:
    """``name`` is a pattern of the file's name, ``words`` are all in its first or last 64 KiB."""

    what: str
    name: str
    words: tuple[bytes, ...]
    instead: str


_BOXES = "it has boxes and no outlines; export with outlines or masks, as COCO segmentation"
_COCO = "export it as COCO"
_EXPORTS = (
    _Export("a project of VIA 3", r"\.json$", (b'"vid_list"', b'"metadata"'),
            "label with VIA 2 and export its annotations"),
    _Export("Labelbox", r"\.(nd)?json$", (b'"data_row"', b'"projects"'), _COCO),
    _Export("Labelbox", r"\.json$", (b'"Labeled Data"', b'"Label"'), _COCO),
    _Export("SuperAnnotate", r"\.json$", (b'"instances"', b'"metadata"', b'"classId"'), _COCO),
    _Export("SuperAnnotate", r"\.json$", (b'"instances"', b'"metadata"', b'"className"'), _COCO),
    _Export("Scale", r"\.json$", (b'"task_id"', b'"response"', b'"annotations"'),
            "convert it to COCO"),
    _Export("Segments.ai", r"\.json$", (b'"samples"', b'"task_type"'),
            "export it as semantic PNG or COCO with its package (segments.utils.export_dataset)"),
    _Export("VoTT", r"\.json$", (b'"visitedAssets"',), "convert it to COCO"),
    _Export("VoTT", r"\.json$", (b'"assets"', b'"boundingBox"'), "convert it to COCO"),
    _Export("Hasty", r"\.json$", (b'"label_classes"', b'"export_format_version"'), _COCO),
    _Export("Encord", r"\.json$", (b'"label_hash"', b'"data_units"'), _COCO),
    _Export("Kili", r"\.json$", (b'"jsonResponse"',), "export it as COCO or YOLO"),
    _Export("CreateML", r"\.json$", (b'"annotations"', b'"coordinates"'), _BOXES),
    _Export("GeoJSON", r"\.(geo)?json$", (b'"FeatureCollection"',),
            "draw its outlines into masks, or export as COCO"),
    _Export("Pascal VOC for detection", r"\.xml$", (b"<annotation", b"<bndbox>"), _BOXES),
    _Export("LabelMe (the old web tool)", r"\.xml$", (b"<annotation", b"<polygon"),
            "open it in CVAT and export as 'CVAT for images 1.1'"),
    _Export("a classification of Roboflow's", r"^_classes\.csv$", (b"filename",),
            "it has classes of whole photos; export as 'Semantic Segmentation Masks'"),
    _Export("Label Studio's CSV", r"\.[ct]sv$", (b"annotation_id", b"lead_time"),
            "export it as JSON"),
    _Export("Label Studio's brush strokes as pictures", r"^task-\d+-annotation-.*\.(png|npy)$",
            (), "export it as JSON"),
    _Export("TensorFlow records", r"\.tfrecords?$", (), "export it as COCO or as masks"),
    _Export("Datumaro's binary form", r"\.datum$", (), "export it as 'datumaro', which is JSON"),
    _Export("a project of Ilastik", r"\.ilp$", (), "export its labels as PNG masks"),
)  # fmt: skip


def refuse_unread_tool(source: Path) -> None:
    """UserError where ``source`` has an export that is known, and not read."""
    files = [source] if source.is_file() else files_below(source)
    for export in _EXPORTS:
        named = [file for file in files if re.search(export.name, file.name, re.IGNORECASE)]
        match = next((file for file in named[:_LOOKED_AT] if _has(file, export.words)), None)
        if match is not None:
            raise UserError(f"{match}: is of {export.what}, which is not read; {export.instead}",
                            "FC-IMPORT-068")  # fmt: skip


def _has(file: Path, words: tuple[bytes, ...]) -> bool:
    text = ends_of(file) if words else b""
    return all(word in text for word in words)
