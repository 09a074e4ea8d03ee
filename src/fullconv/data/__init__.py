"""From files to batches: sources, reading, augmentation, the loader and the check.

What needs torch is loaded when it is first used: the commands that only look at data do without.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fullconv.data.augment.resize import resize_image, resize_mask
from fullconv.data.augment.transform_adapters import from_albumentations, from_torchvision
from fullconv.data.augment.transforms import MEAN_COLOR, Augmentation, Transform, augment
from fullconv.data.checks.check import check, listing
from fullconv.data.checks.survey import Survey, survey
from fullconv.data.checks.survey_findings import findings_in
from fullconv.data.class_weights import (
    ClassCounts,
    class_weights,
    count_classes,
    positive_weights,
)
from fullconv.data.dataset import Dataset, DatasetSource, as_source, by_split
from fullconv.data.export_folder import write_folder
from fullconv.data.open_dataset import (
    available_splits,
    open_source,
    own_options,
    with_measured_range,
)
from fullconv.data.reading.image import read_photo
from fullconv.data.reading.mask import read_mask
from fullconv.data.reading.photo_heads import largest_photo
from fullconv.data.sample import Batch, Sample, Source
from fullconv.data.shards.cache import CacheOptions
from fullconv.data.shards.pack import pack
from fullconv.data.splits.class_order import in_order_of
from fullconv.data.splits.multimodal import Stacked, kinds_shown, outputs_of
from fullconv.data.splits.overlapping import TaskChoice, for_task
from fullconv.errors import DataError, Finding

if TYPE_CHECKING:
    from fullconv.data.batches import loader
    from fullconv.data.dataset_adapters import from_huggingface, from_pairs

__all__ = [
    "MEAN_COLOR",
    "Augmentation",
    "Batch",
    "CacheOptions",
    "ClassCounts",
    "DataError",
    "Dataset",
    "DatasetSource",
    "Finding",
    "Sample",
    "Source",
    "Stacked",
    "Survey",
    "TaskChoice",
    "Transform",
    "as_source",
    "augment",
    "available_splits",
    "by_split",
    "check",
    "class_weights",
    "count_classes",
    "findings_in",
    "for_task",
    "from_albumentations",
    "from_huggingface",
    "from_pairs",
    "from_torchvision",
    "in_order_of",
    "kinds_shown",
    "largest_photo",
    "listing",
    "loader",
    "open_source",
    "outputs_of",
    "own_options",
    "pack",
    "positive_weights",
    "read_mask",
    "read_photo",
    "resize_image",
    "resize_mask",
    "survey",
    "with_measured_range",
    "write_folder",
]

_WITH_TORCH = {
    "from_huggingface": "fullconv.data.dataset_adapters",
    "from_pairs": "fullconv.data.dataset_adapters",
    "loader": "fullconv.data.batches",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module 'fullconv.data' has no attribute {name!r}")
    return getattr(importlib.import_module(_WITH_TORCH[name]), name)
