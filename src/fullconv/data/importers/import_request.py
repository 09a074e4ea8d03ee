"""What a user wants of an import."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fullconv.data.importers.annotations import BACKGROUND, IGNORE
from fullconv.errors import UserError, printable

VAL = 0.2
"""Share of the photos for validation where neither the source nor the user splits them."""


@dataclass(frozen=True)
class Request:
    """Everything beside source and place; the defaults suit an export as it comes.

    ``images`` is a further folder of photos, ``labels`` a file that says what the source's values
    or colours mean, ``classes`` one that lists the classes wanted. ``merge`` maps labels to
    classes, as a mapping or as texts 'OLD=NEW' (`with_labels`); a class called ``__ignore__`` is
    left out of training, as are those in ``ignore``.
    ``background`` is the class of pixels without label (None: as the format has it).
    ``val`` and ``test`` are shares of the photos (None: as the source has it), drawn by ``seed``;
    photos where ``group`` matches the same text stay together. ``exif`` says which way up the
    photos were when they were labelled. ``link`` makes hard links of photos instead of copies;
    ``skip`` leaves out the photos that cannot be used. ``task`` 'multilabel' writes a mask for each
    class, so that shapes under others are kept. Raises UserError for impossible values.
    """

    images: Path | None = None
    labels: Path | None = None
    classes: Path | None = None
    merge: Mapping[str, str] | Sequence[str] = ()
    ignore: tuple[str, ...] = ()
    background: str | None = None
    val: float | None = None
    test: float | None = None
    seed: int = 0
    group: str | None = None
    exif: Literal["upright", "stored"] = "upright"
    link: bool = False
    skip: bool = False
    task: Literal["semantic", "multilabel"] = "semantic"
    line_width: float = 10.0
    point_radius: float = 5.0

    def __post_init__(self) -> None:
        shares = [share for share in (self.val, self.test) if share is not None]
        if any(not 0 <= share < 1 for share in shares) or sum(shares) >= 1:
            raise UserError(
                f"--val {self.val or 0:g} and --test {self.test or 0:g} are shares of the photos: "
                "each from 0 to 1, and together below 1, so that some are left to train on",
                "FC-IMPORT-006",
            )
        if not 0 < self.line_width <= 1000 or not 0 < self.point_radius <= 1000:
            raise UserError(
                "--line-width and --point-radius are pixels, above 0 and up to 1000",
                "FC-IMPORT-006",
            )
        for text in () if isinstance(self.merge, Mapping) else self.merge:
            if not re.search(r"\S\s*=\s*\S", text):
                raise UserError(
                    f"--merge {text!r} is not OLD=NEW, as --merge car=vehicle", "FC-IMPORT-006"
                )
        if self.images is not None and not self.images.is_dir():
            raise UserError(f"{self.images}: there is no such folder (--images)", "FC-FILE-003")
        if self.group is not None:
            try:
                re.compile(self.group)
            except re.error as error:
                raise UserError(
                    f"--group {self.group!r} is no pattern: {error}", "FC-IMPORT-006"
                ) from None

    @property
    def resplits(self) -> bool:
        """Whether the photos are to be split anew, whatever the source says."""
        return self.val is not None or self.test is not None

    def with_labels(self, labels: Collection[str]) -> "Request":
        """The request with ``merge`` as a mapping; UserError for a text that can mean two things.

        A text is divided at the '=' that has a label before it: names may contain one themselves.
        """
        if isinstance(self.merge, Mapping):
            return self
        merge: dict[str, str] = {}
        for old, new in (_divided(text, labels) for text in self.merge):
            if merge.setdefault(old, new) != new:
                raise UserError(
                    f"--merge: label {printable(old, 60)!r} cannot become both "
                    f"{printable(merge[old], 60)!r} and {printable(new, 60)!r}: name one class",
                    "FC-IMPORT-007",
                )
        return replace(self, merge=merge)

    @property
    def merged(self) -> Mapping[str, str]:
        """``merge`` once it is divided: label -> class."""
        return self.merge if isinstance(self.merge, Mapping) else {}

    def class_of(self, label: str) -> str:
        """The class that ``label`` becomes; ``__ignore__`` where it is left out."""
        name = self.merged.get(label, label)
        if name == "_background_":
            name = self.background or BACKGROUND
        return IGNORE if name in self.ignore or label in self.ignore else name


def _divided(text: str, labels: Collection[str]) -> tuple[str, str]:
    places = [place for place, sign in enumerate(text) if sign == "="]
    pairs = [(text[:place], text[place + 1 :]) for place in places]
    stripped = [(old.strip(), new.strip()) for old, new in pairs]
    known = [(old, new.strip()) for old, new in pairs if old in labels]
    known = known or [(old, new) for old, new in stripped if old in labels]
    known = [pair for pair in known if pair[1]]
    if len(known) > 1:
        ways = " or ".join(f"{old!r} becomes {new!r}" for old, new in known)
        raise UserError(
            f"--merge {text!r} can mean that {ways}; rename one of the labels, or give Python a "
            "mapping: Request(merge={...})",
            "FC-IMPORT-007",
        )
    return known[0] if known else stripped[0]
