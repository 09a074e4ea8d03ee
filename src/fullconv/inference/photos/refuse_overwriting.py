"""Results that would replace photos or masks, or come among the photos of a data set: refused."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fullconv.data.layouts import named_folders
from fullconv.data.layouts.mask_names import photos_named_by
from fullconv.errors import UserError, printable
from fullconv.files.result_mark import is_result
from fullconv.inference.photos.own_results import is_label_image, is_of_its_photos
from fullconv.inference.storage.addresses import StoredPlace

if TYPE_CHECKING:
    from fullconv.inference.photos.find_photos import Input


def refuse_overwriting(photos: "Sequence[Input]", out: str) -> None:
    """UserError where a mask would replace a photo or a label, or come among a data set's photos.

    ``out`` is the results' address, or ''.
    """
    if out:
        _refuse_overwriting_in_storage(photos, out.rstrip("/"))
        return
    files = {entry.file.resolve() for entry in photos if entry.file}
    for entry in photos:
        mask = Path(f"{entry.result}.png").resolve()
        if mask in files:
            raise _would_overwrite(str(mask))
        if _is_mask_of_a_dataset(mask):
            raise _would_overwrite(str(mask), "mask of a data set")
    for folder in {Path(entry.result).absolute().parent for entry in photos}:
        if is_of_its_photos(folder) or _has_named_photos(folder):
            raise _among_photos(str(folder))


def _refuse_overwriting_in_storage(photos: "Sequence[Input]", out: str) -> None:
    """The same for results below the address ``out``."""
    urls = {entry.url for entry in photos}
    results = [entry.result.as_posix() for entry in photos]
    for result in results:
        if f"{out}/{result}.png" in urls:
            raise _would_overwrite(f"{out}/{result}.png")
    place = StoredPlace(out)
    for folder in {PurePosixPath(result).parent for result in results}:
        if is_of_its_photos(place.path / folder, place.exists):
            raise _among_photos(f"{out}/{folder}" if folder.name else out)
        if not is_label_image(place.path / folder / "mask", exists=place.exists):
            continue
        there = place.files(folder)
        for name in (PurePosixPath(r).name for r in results if PurePosixPath(r).parent == folder):
            if f"{name}.png" in there and f"{name}_overlay.jpg" not in there:
                raise _would_overwrite(f"{out}/{folder / name}.png", "mask of a data set")


def _among_photos(folder: str) -> UserError:
    return UserError(
        f"{printable(folder)}: holds the photos of a data set, where results would be read as "
        "photos; choose another --out",
        "FC-PREDICT-003",
    )


def _has_named_photos(folder: Path) -> bool:
    """Whether a folder is, or is below, one of photos by `named_folders`, as ``train_images/``."""
    return any(
        photos == above and (photos != masks or above == folder)  # below both nothing is read
        for above in (folder, *folder.parents)
        for data in (above, above.parent)
        if named_folders.looks_like(data)
        for photos, masks in named_folders.pairs(data).values()
    )


def _is_mask_of_a_dataset(mask: Path) -> bool:
    """Whether a result would replace what somebody has labelled, and not an earlier result."""
    beside = mask.with_name(f"{mask.stem}_overlay.jpg")
    if not mask.is_file() or beside.is_file() or is_result(mask):
        return False
    return is_label_image(mask) or bool(photos_named_by(mask.parent.name))  # train_masks/


def _would_overwrite(mask: str, what: str = "photo") -> UserError:
    return UserError(
        f"{printable(mask)}: the result would overwrite this {what}; choose another --out",
        "FC-PREDICT-003",
    )


def refuse_name_clashes(photos: "Sequence[Input]", outputs: Sequence[str]) -> None:
    """UserError where the mask of a further output would have the name of another photo or mask."""
    taken = {photo.result for photo in photos} | {p.file.with_suffix("") for p in photos if p.file}
    for photo in photos:
        for output in outputs:
            if Path(f"{photo.result}_{output}") in taken:
                raise UserError(
                    f"{photo.result}_{output}.png: is the name of the output {output!r} of {photo} "
                    "and of another photo's result; predict them in two calls",
                    "FC-PREDICT-003",
                )
