"""From files to batches: sources, reading, augmentation, the loader and the check."""

from fullconv.data.dataset import Dataset, DatasetSource, as_source, by_split
from fullconv.data.dataset_adapters import from_huggingface, from_pairs
from fullconv.data.doctor import check, listing
from fullconv.data.faults import DataError, Fault
from fullconv.data.loader import loader
from fullconv.data.mask import read_mask
from fullconv.data.photo import largest_photo, read_photo
from fullconv.data.resize import resize_image, resize_mask
from fullconv.data.sample import Batch, Sample, Source
from fullconv.data.sources import available_splits, open_source
from fullconv.data.stacked import Stacked, kinds_shown, outputs_of
from fullconv.data.statistics import ClassCounts, class_weights, count_classes
from fullconv.data.survey import Survey, survey
from fullconv.data.suspicions import suspicions
from fullconv.data.transform_adapters import from_albumentations, from_torchvision
from fullconv.data.transforms import MEAN_COLOR, Augmentation, Transform, augment
from fullconv.data.write import write_folder

__all__ = [
    "MEAN_COLOR",
    "Augmentation",
    "Batch",
    "ClassCounts",
    "DataError",
    "Dataset",
    "DatasetSource",
    "Fault",
    "Sample",
    "Source",
    "Stacked",
    "Survey",
    "Transform",
    "as_source",
    "augment",
    "available_splits",
    "by_split",
    "check",
    "class_weights",
    "count_classes",
    "from_albumentations",
    "from_huggingface",
    "from_pairs",
    "from_torchvision",
    "kinds_shown",
    "largest_photo",
    "listing",
    "loader",
    "open_source",
    "outputs_of",
    "read_mask",
    "read_photo",
    "resize_image",
    "resize_mask",
    "survey",
    "suspicions",
    "write_folder",
]
