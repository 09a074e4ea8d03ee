"""MATLAB files, old (version 5) and new (7.3, which is HDF5), behind one reader.

Numbers and texts are read, nothing else: objects and functions are refused, and so is what
declares more than it holds.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.matlab_files import matlab_v5 as matlab5
from fullconv.data.reading.matlab_files import matlab_v73 as matlab73
from fullconv.errors import DataError, UserError

LARGEST = 2**27  # bytes of one variable, and of a whole version 5 file: 16 million doubles
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MEND = "unpack the data set again"


class MissingVariable(DataError):
    """A MATLAB file that can be read but does not hold what was asked for."""


def read_array(file: Path, variable: str, index: int | None = None) -> npt.NDArray[Any]:
    """An array of numbers, its axes as MATLAB shows them.

    ``variable`` may name a field of a struct, as 'GTcls.Segmentation'. With ``index`` only that
    entry of the last axis is read (version 7.3), the axis left out. Raises DataError for a file
    that is missing, no MATLAB file, broken, without the variable, or with something else in its
    place; UserError where h5py (for version 7.3) is not installed.
    """
    array = np.asarray(_read(file, variable, index))
    if array.dtype.kind not in "biuf":
        raise DataError(
            file, f"{variable} is not an array of numbers", "another file", _MEND, "FC-DATA-020"
        )
    return array


def read_labels(file: Path, variable: str, index: int | None = None) -> npt.NDArray[np.int32]:
    """A label map (H, W) of whole numbers, int32, whatever the file stores them as.

    Raises as ``read_array`` does, and DataError where it has other axes, fractions or is empty.
    """
    array = read_array(file, variable, index)
    if array.ndim != 2 or array.size == 0:
        raise DataError(file, f"{variable} is not a label map but of shape {array.shape}",
                        "another file", _MEND, "FC-DATA-020")  # fmt: skip
    labels = array.astype(np.int32) if _fits(array) else None
    if labels is None or (array.dtype.kind == "f" and not np.array_equal(labels, array)):
        raise DataError(file, f"{variable} has values that are no whole label numbers",
                        "a resized or another map", _MEND, "FC-DATA-020")  # fmt: skip
    return labels


def _fits(array: npt.NDArray[Any]) -> bool:
    limits = np.iinfo(np.int32)
    return bool(array.min() >= limits.min and array.max() <= limits.max)  # nan fits nowhere


def read_names(file: Path, variable: str) -> tuple[str, ...]:
    """The texts of a cell array or of a table of letters, in MATLAB's order; raises as above."""
    cells = np.asarray(_read(file, variable, None))
    names = tuple(name.strip() for name in cells.tolist()) if cells.dtype.kind == "O" else ()
    if not names or not all(name.isprintable() for name in names):
        raise DataError(
            file, f"{variable} is not a list of names", "another file", _MEND, "FC-DATA-020"
        )
    return names


def shape(file: Path, variable: str) -> tuple[int, ...]:
    """The size of an array along MATLAB's axes; of a version 7.3 file little is read for it."""
    if _version(file) == "5":
        return read_array(file, variable).shape
    try:
        return matlab73.shape(file, variable)
    except Exception as error:
        raise _fault(file, variable, error) from error


def _read(file: Path, variable: str, index: int | None) -> Any:
    version = _version(file)
    try:
        if version == "7.3":
            return matlab73.read(file, variable, index, LARGEST)
        return _version_5(file, variable, index)
    except Exception as error:  # broken files make the readers raise nearly anything
        raise _fault(file, variable, error) from error


def _version(file: Path) -> str:
    """'5' or '7.3', by the first bytes."""
    try:
        with file.open("rb") as opened:
            head = opened.read(512 + len(_HDF5))
    except FileNotFoundError:
        raise DataError(file, "there is no such file", "", "check the name",
                        "FC-FILE-003") from None  # fmt: skip
    except OSError as error:
        raise DataError(file, f"cannot be read: {error.strerror}", code="FC-FILE-001") from error
    if _HDF5 in (head[: len(_HDF5)], head[512:]):
        return "7.3"
    if head[matlab5.HEADER - 4 : matlab5.HEADER] in (b"\x00\x01IM", b"\x01\x00MI"):
        return "5"
    cause = "another kind of file, or one that was cut off"
    raise DataError(file, "is no MATLAB file (version 5 or 7.3)", cause, _MEND, "FC-DATA-021")


def _version_5(file: Path, variable: str, index: int | None) -> Any:
    size = file.stat().st_size
    if size > LARGEST:
        raise ValueError(f"has {size} bytes; files of version 5 are read up to {LARGEST}")
    value = matlab5.read(file.read_bytes(), variable, LARGEST)
    return value if index is None else value[..., index]


def _fault(file: Path, variable: str, error: Exception) -> UserError:
    """The one line that says why ``variable`` cannot be read."""
    if isinstance(error, ImportError):
        return UserError(f"{file}: MATLAB 7.3 files need h5py; pip install 'fullconv[convert]'",
                         "FC-DATA-022")  # fmt: skip
    reason = " ".join(" ".join(str(part) for part in error.args).split()) or type(error).__name__
    reason = "".join(c if c.isprintable() else "?" for c in reason[:300])
    if isinstance(error, KeyError):
        return MissingVariable(file, reason, "a file of another data set", _MEND, "FC-DATA-020")
    cause = "a truncated, damaged or another file"
    return DataError(file, f"{variable} cannot be read: {reason}", cause, _MEND, "FC-DATA-021")
