"""Data sets of other libraries as a Dataset: torch's pairs, and those of Hugging Face."""

from collections.abc import Mapping, Sequence
from typing import Any

from fullconv.classes import ClassSet
from fullconv.data.dataset import Dataset, class_set
from fullconv.data.reading.arrays import image_of, mask_in
from fullconv.data.sample import Sample
from fullconv.errors import DataError, UserError


class Pairs:
    """Pairs of image and mask as Samples; see `from_pairs`."""

    def __init__(
        self, pairs: Any, classes: ClassSet | Sequence[str], ignore: int, channels: int = 3
    ) -> None:
        self.pairs, self.classes, self.ignore = pairs, class_set(classes), ignore
        self.channels = 3 if channels == 1 else channels  # grey is shown as RGB
        if 0 <= ignore < len(self.classes):
            raise UserError(
                f"ignore {ignore} is the class {self.classes.names[ignore]!r}: renumber the masks, "
                "or name it as a class",
                "FC-CLASS-006",
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        return self._sample(self.pairs[index], f"[{index}]")

    def _sample(self, pair: Any, name: str) -> Sample:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            length = f" of {len(pair)}" if isinstance(pair, tuple | list) else ""
            what = f"is a {type(pair).__name__}{length}, not a pair of image and mask"
            raise DataError(name, what, "", "give (image, mask)", code="FC-DATA-126")
        image, mask = pair
        mask = None if mask is None else mask_in(mask, self.classes, name, self.ignore)
        return Sample(name, image_of(image, name, self.channels), mask)


class Rows(Pairs):
    """Rows with named columns as Samples; see `from_huggingface`."""

    def __init__(
        self,
        rows: Any,
        classes: ClassSet | Sequence[str],
        ignore: int,
        columns: Sequence[Any],
        channels: int = 3,
    ) -> None:
        super().__init__(rows, classes, ignore, channels)
        self.columns = columns

    def __getitem__(self, index: int) -> Sample:
        row = self.pairs[index]
        image, mask, name = (None if column is None else row[column] for column in self.columns)
        return self._sample((image, mask), f"[{index}]" if name is None else str(name))


def from_pairs(
    pairs: Any,
    classes: ClassSet | Sequence[str],
    *,
    ignore: int | None = None,
    channels: int = 3,
) -> Dataset:
    """A torch-style data set of (image, mask) pairs as a Dataset.

    ``pairs`` has ``len()`` and ``[index]``. An image is a Pillow image, a uint8 array (H, W, 3), or
    a tensor (3, H, W), uint8 or from 0 to 1, and not normalised; a mask holds the class number of
    each pixel, (H, W), as one of these (or the colours of ``classes``), or is None. ``classes`` are
    the names, in the order of the numbers, or a ClassSet; ``ignore`` is the mask value of
    unlabelled pixels, as -100 (None: what the classes ignore, 255). With other ``channels`` than 3
    the images are arrays (H, W, channels) or tensors (channels, H, W), and a net of as many bands
    is trained on them.
    Raises UserError where it has no length, or ``ignore`` is a class; a photo's errors, naming it,
    when it is read.
    """
    _check_indexed(pairs)
    known = class_set(classes)
    return Pairs(pairs, known, known.ignore if ignore is None else ignore, channels)


def from_huggingface(
    dataset: Any,
    classes: ClassSet | Sequence[str],
    *,
    image: str = "image",
    mask: str = "label",
    name: str | None = None,
    ignore: int | None = None,
    channels: int = 3,
) -> Dataset:
    """One split of a data set of Hugging Face's ``datasets`` as a Dataset.

    ``image`` and ``mask`` are the columns of the two, ``name`` that of the photos' names, if any;
    the rest as in `from_pairs`. Raises UserError for several splits and for missing columns.
    """
    if isinstance(dataset, Mapping):
        splits = ", ".join(map(str, dataset))
        raise UserError(
            f"this holds several splits ({splits}): hand in one, as dataset['train']", "FC-DATA-125"
        )
    _check_indexed(dataset)
    columns = (image, mask, name)
    there = list(getattr(dataset, "features", None) or ())
    missing = [column for column in columns if column is not None and column not in there]
    if missing:
        raise UserError(
            f"the data set has no column {', '.join(missing)}; it has "
            f"{', '.join(there) or 'none'}: name them, as "
            "from_huggingface(dataset, classes, image='image', mask='annotation')",
            "FC-DATA-125",
        )
    known = class_set(classes)
    return Rows(dataset, known, known.ignore if ignore is None else ignore, columns, channels)


def _check_indexed(dataset: Any) -> None:
    for member in ("__len__", "__getitem__"):
        if not hasattr(dataset, member):
            raise UserError(
                f"{type(dataset).__name__} has no {member}: photos are drawn in random order, so a "
                "stream will not do; download the split, or keep it in a list",
                "FC-DATA-125",
            )
