"""What Ultralytics' YAML file says of a data set: where photos and masks lie, and the classes."""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fullconv.classes import MOST_CLASSES, ClassSet
from fullconv.data.layouts.find_class_file import NAMES
from fullconv.errors import DataError, UserError, printable
from fullconv.parsing import read_yaml

ENDINGS = (".yaml", ".yml")
KEYS = {"train": ("train",), "val": ("val", "validation", "valid"), "test": ("test",)}
"""The keys under which a split's photos stand."""
IMAGES, MASKS = "images", "masks"
USUAL_NAMES = ("data", "dataset")
NOTHING = ("", "null", "~", "none")


@dataclass(frozen=True)
class Description:
    """A YAML file, its content by keys in lower case, and the folder that its paths count from.

    ``masks`` is the name of the folder that takes the place of ``images`` in a photo's path; ''
    where there is none.
    """

    file: Path
    content: dict[str, Any]
    root: Path
    masks: str = ""

    def stated(self, split: str) -> list[str]:
        """The folders or lists of a split's photos; DataError for what is neither."""
        key = next((key for key in KEYS[split] if not _is_nothing(self.content.get(key))), None)
        value = [] if key is None else self.content[key]
        paths = value if isinstance(value, list) else [value]
        if not all(isinstance(path, str) for path in paths):
            raise DataError(self.file, f"{key}: is no folder, list of photos or list of these", "",
                            f"write {key}: images/{split}", "FC-DATA-103")  # fmt: skip
        return paths

    def place(self, text: str) -> Path | None:
        """A path below the root, else as much of its end as is there.

        So '../train/images' of an export that was moved, and another machine's
        '/content/set/train', exist here.
        """
        path = Path(text.strip().replace("\\", "/"))
        if _exists(self.root / path):
            return self.root / path
        parts = [part for part in path.parts if part not in ("/", ".", "..")]
        ends = (self.root.joinpath(*parts[first:]) for first in range(len(parts)))
        return next((end for end in ends if _exists(end)), None)

    def places(self, split: str) -> list[Path]:
        """The folders and lists of a split; none where the file names none, or no test there is.

        DataError for photos to train or to validate on that are not there.
        """
        stated = self.stated(split)
        places = [self.place(text) for text in stated]
        if split == "test" and None in places:
            return []
        for text, place in zip(stated, places, strict=True):
            if place is None:
                raise DataError(
                    self.file, f"{split}: {printable(text, 200)} is not there below {self.root}",
                    "a path of another machine", "correct it, or 'path'", "FC-DATA-103",
                )  # fmt: skip
        return [place for place in places if place is not None]


def _is_nothing(value: Any) -> bool:
    return not value or (isinstance(value, str) and value.strip().lower() in NOTHING)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no system takes
        return False


def description_in(data: Path) -> Description | None:
    """What a YAML file, or the one in a folder, says of masks; None where there is no such file.

    In a folder with a class file of its own, the YAML file is not looked for. UserError where a
    folder has several, and where its data.yaml cannot be read.
    """
    if data.suffix.lower() in ENDINGS and data.is_file():
        with suppress(UserError):  # `unusable` says what is wrong
            return _with_masks(data)
    if not data.is_dir() or any((data / name).is_file() for name in NAMES):
        return None
    files = sorted(file for file in data.iterdir() if file.suffix.lower() in ENDINGS)
    for file in files:
        if file.stem.lower() in (*USUAL_NAMES, data.resolve().name.lower()):
            return _with_masks(file)
    descriptions = []
    for file in files:
        with suppress(UserError):  # another program's file
            if each := _with_masks(file):
                descriptions.append(each)
    if len(descriptions) > 1:
        names = " and ".join(each.file.name for each in descriptions[:2])
        raise UserError(f"{data}: {names} describe data sets; name one of them", "FC-DATA-100")
    return descriptions[0] if descriptions else None


def _with_masks(file: Path) -> Description | None:
    """What a file says of photos and masks; None where it says nothing of them."""
    content = read_yaml(file)
    if not isinstance(content, dict):
        return None
    content = {str(key).strip().lower(): value for key, value in content.items()}
    if not ("names" in content or "nc" in content) or not any(k in content for k in KEYS):
        return None
    description = Description(file, content, _root(file, content))
    masks = content.get("masks_dir")
    if isinstance(masks, str) and not _is_nothing(masks):
        return replace(description, masks=masks.strip("/\\ "))
    places = [place for split in ("train", "val") for text in description.stated(split)
              if (place := description.place(text)) is not None]  # fmt: skip
    usual = [description.root / MASKS, *(place / MASKS for place in places)]
    usual += [masks for place in places if (masks := masks_of(place, MASKS)) != place]
    return replace(description, masks=MASKS) if any(folder.is_dir() for folder in usual) else None


def _root(file: Path, content: dict[str, Any]) -> Path:
    """``path`` beside the file, or as it is; the file's own folder where that is not there."""
    stated = content.get("path")
    if isinstance(stated, str) and not _is_nothing(stated):
        root = Path(stated.strip().replace("\\", "/"))
        with suppress(RuntimeError):  # a user that is not known
            root = root.expanduser()
        for place in (file.parent / root, root):
            if _exists(place):
                return place
    return file.parent


def unusable(file: Path) -> UserError:
    """Why a YAML file is no data set with masks; its reader's error where it is no YAML."""
    content = read_yaml(file)
    keys = {str(key).strip().lower() for key in content} if isinstance(content, dict) else set()
    if not keys & {*KEYS["train"], *KEYS["val"]} or not keys & {"names", "nc"}:
        return UserError(
            f"{file}: names no photos and classes; the YAML file of a data set has 'train', 'val' "
            "and 'names'",
            "FC-DATA-100",
        )
    stated = content.get("path")
    if isinstance(stated, str) and not _is_nothing(stated) and _root(file, {}) == _root(
        file, content
    ) and not _exists(file.parent / stated):  # fmt: skip
        return UserError(
            f"{file}: path: {printable(stated, 200)} is not there, and no masks lie beside the "
            "file; correct 'path'",
            "FC-DATA-103",
        )
    return UserError(
        f"{file}: has no masks: neither 'masks_dir' nor a folder masks/ beside images/. Polygons "
        f"(labels/*.txt) are read by: fullconv import {file} photos/",
        "FC-DATA-100",
    )


def classes_of(description: Description) -> ClassSet:
    """``names``, or as many as ``nc`` says; a single class is 1 in the masks, and 0 none."""
    stated, count = description.content.get("names"), description.content.get("nc")
    names = _names(stated, description.file)
    if count is not None:
        number = whole_number(count)
        if number is None or not 0 < number <= MOST_CLASSES or (names and number != len(names)):
            shown = printable(count, 40) if isinstance(count, str) else "a list"
            known = f"'names' has {len(names)}" if names else "it is no number of classes"
            raise DataError(description.file, f"nc: {shown}, and {known}", "",
                            "correct one of them", "FC-CLASS-002")  # fmt: skip
        names = names or [f"class_{place}" for place in range(number)]
    if not names:
        raise DataError(description.file, "has no class under 'names'", "", "write them there",
                        "FC-CLASS-002")  # fmt: skip
    both = names if len(names) > 1 else ["background", *names]
    return ClassSet(tuple(both), (), 255 if len(both) <= 255 else MOST_CLASSES)


def _names(stated: Any, file: Path) -> list[str]:
    """A list of names, or names by numbers from 0."""
    names = stated
    if isinstance(stated, dict):
        numbers = [whole_number(key) for key in stated]
        if sorted(number for number in numbers if number is not None) != list(range(len(stated))):
            first = next(iter(stated))
            raise DataError(file, f"'names' are numbered from {printable(str(first), 20)}, not "
                            "from 0 on", "", "number them as the masks are: 0, 1, 2, ...",
                            "FC-CLASS-002")  # fmt: skip
        names = [name for _, name in sorted(zip(numbers, stated.values(), strict=True),
                                            key=lambda pair: pair[0] or 0)]  # fmt: skip
    if names and not (isinstance(names, list) and all(isinstance(n, str) and n.strip()
                                                      for n in names)):  # fmt: skip
        raise DataError(file, "'names' is no list of names of classes", "", "write names: [a, b]",
                        "FC-CLASS-002")  # fmt: skip
    return names or []


def masks_of(photos: Path, masks: str) -> Path:
    """``masks/train`` for ``images/train``: the last ``images`` of a path is replaced."""
    parts = list(photos.parts)
    for place in reversed(range(len(parts))):
        if parts[place].lower() == IMAGES:
            return Path(*parts[:place], masks, *parts[place + 1 :])
    return photos


def whole_number(text: Any) -> int | None:
    """A whole number that is written as '7' or as '7.0'."""
    if isinstance(text, str) and re.fullmatch(r"\s*[+-]?\d{1,9}(\.0*)?\s*", text):
        return int(float(text))
    return None
