"""``fullconv check --fix``: the corrected copy, and what is said of it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fullconv.errors import UserError, printable
from fullconv.modalities import ReadOptions

if TYPE_CHECKING:
    from fullconv.data import Source
    from fullconv.data.fixing.fixed_copy import FixedMask

PAGE = "fixes.html"


def refuse_in_place(data: str, out: Path) -> None:
    """UserError where the copy would lie in the data set itself, or in a folder with files.

    Also for packed data, whose photos are no files.
    """
    from fullconv.data.remote.place import place_of
    from fullconv.data.shards.source import is_packed

    source, target = place_of(data), out.expanduser()
    if isinstance(source, str) or is_packed(source):
        raise UserError(
            f"--fix: {printable(data)} is packed; correct the data that was packed, and pack it "
            "again",
            "FC-SHARDS-008",
        )
    # A list of pairs names its photos one by one: what lies beside it is no part of the data.
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise UserError(
            f"--fix {printable(str(out))}: lies in the data set, which is never changed; name a "
            "folder elsewhere",
            "FC-FIX-002",
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"--fix {printable(str(out))}: is not empty; name a new folder", "FC-FILE-006"
        )


def write_fixed_copy(
    data: str,
    sources: "Mapping[str, Source]",
    out: Path,
    options: ReadOptions,
    unlabelled: Collection[int] = (),
) -> bool:
    """Write the copy and its page, print what was done; whether nothing was left out."""
    from fullconv.cli import tables as screen
    from fullconv.data import check, listing
    from fullconv.data.checks.check import counts_line
    from fullconv.data.fixing.fixed_copy import fixed_classes, write_fixed
    from fullconv.files.atomic import folder_atomically
    from fullconv.report.pages.fixes_page import FixPictures, write_fixes_page

    first = next(iter(sources.values()))
    pictures = FixPictures(fixed_classes(sources)[0], getattr(first, "options", options))
    out = out.expanduser()
    with folder_atomically(out) as folder, screen.progress("correcting") as progress:
        report = write_fixed(sources, folder, options, progress, pictures, unlabelled)
    copies = _opened(out, report.copied, options)
    with screen.progress("checking the copy") as progress:
        remaining = check(copies, progress)
    page = write_fixes_page(out / PAGE, data, report, pictures, remaining)
    print()
    for line in report.of_classes:
        print(f"corrected: {line}")
    for line in _fixed_lines(report.fixed):
        print(line)
    for line in listing(report.left_out):
        print(f"left out: {line.removeprefix('error: ')}")
    photos = ", ".join(f"{count} {split}" for split, count in report.copied.items())
    print(f"copy: {printable(str(out))}: {photos} photos; {counts_line(remaining)}")
    for line in listing(remaining):
        print(line)
    print(page)
    print(f"next: fullconv train {printable(str(out))}")
    return not report.left_out and not any(finding.severity == "error" for finding in remaining)


def _opened(out: Path, splits: Mapping[str, int], options: ReadOptions) -> "dict[str, Source]":
    from fullconv.data import open_source, with_measured_range

    sources = {split: open_source(out, split, options=options) for split in splits}
    return with_measured_range(sources)[0]


def _fixed_lines(fixed: "list[FixedMask]") -> list[str]:
    """One line for each kind of correction, its first file named."""
    kinds: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for mask in fixed:
        kinds[mask.says].append(mask.file)
    return [
        f"corrected: {'; '.join(says)}: {printable(files[0])}"
        + (f" and {len(files) - 1} more" if len(files) > 1 else "")
        for says, files in kinds.items()
    ]
