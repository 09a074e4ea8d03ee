"""The classes and functions that a file of torch.save imports, read before torch loads it.

torch.load with ``weights_only`` runs no code that a file brings, but it believes the sizes that the
file declares. So the pickle is first read by an unpickler whose every name is a harmless stand-in:
it sees which functions the file wants and how large its tensors claim to be, and makes none.
"""

import _compat_pickle
import argparse
import collections
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch

from fullconv.errors import UserError
from fullconv.parsing import parser_errors

LARGEST = 16 << 20  # bytes of a pickle; a state dict of a thousand arrays takes 0.2 MB
MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # torch.save before 1.6 begins so
BYTES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1,
    "Byte": 1, "Bool": 1, "ComplexFloat": 8, "ComplexDouble": 16, "Untyped": 1,
}  # fmt: skip


class Ignored:
    """Stands for a plain value that is no tensor (a number of numpy's, the options of a trainer).

    torch.load gets it for the same names (`STANDINS`), so that numpy's own functions never run.
    """

    def __new__(cls, *arguments: object) -> "Ignored":
        return object.__new__(cls)

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


STANDINS = (
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    f"{argparse.__name__}.Namespace",
)
"""Names that a trainer's checkpoint may hold beside tensors, and of which nothing is needed."""


class Storage(Ignored):
    """The values of tensors: how many, and bytes for each."""

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size

    def __new__(cls, *arguments: object) -> "Storage":
        return object.__new__(cls)


def inspect(path: Path) -> None:
    """UserError unless ``path`` holds tensors and plain values only, of credible sizes."""
    with parser_errors(path, "truncated, or not a file of torch.save", "FC-WEIGHTS-002"):
        if zipfile.is_zipfile(path):
            _Inspector(io.BytesIO(_zipped(path)), path).check()
        else:
            _legacy(path)


def _zipped(path: Path) -> bytes:
    """The pickle in an archive of torch.save."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename.partition("/")[2] for entry in entries]
        if "constants.pkl" in names:
            raise UserError(
                f"{path}: a TorchScript archive, which holds code; save model.state_dict() instead",
                "FC-WEIGHTS-007",
            )
        if names.count("data.pkl") != 1 or len(set(names)) != len(names):
            raise UserError(
                f"{path}: an archive, but not of torch.save (it has one data.pkl)", "FC-WEIGHTS-002"
            )
        size = path.stat().st_size
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not stored or sum(entry.file_size for entry in entries) > size:
            raise UserError(
                f"{path}: packed, as torch.save never writes; it is not unpacked", "FC-WEIGHTS-014"
            )
        entry = entries[names.index("data.pkl")]
        if entry.file_size > LARGEST:
            _too_large(path)
        return archive.read(entry)


def _legacy(path: Path) -> None:
    """The form before torch 1.6: four pickles (magic, version, machine, content), then values."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UserError(
                f"{path}: a pickle, but not of torch.save; pickles can run code and are not read",
                "FC-WEIGHTS-007",
            )
        content = io.BytesIO(file.read(LARGEST))
    cut = path.stat().st_size > LARGEST
    for part in ("version", "machine", "content"):
        inspector = _Inspector(content, path)
        try:
            inspector.check() if part == "content" else inspector.load()
        except EOFError:
            if cut:
                _too_large(path)
            raise


def _too_large(path: Path) -> NoReturn:
    raise UserError(
        f"{path}: over {LARGEST >> 20} MiB of it describe its tensors, more than any net needs",
        "FC-WEIGHTS-014",
    )


class _Inspector(pickle.Unpickler):
    """Unpickles with stand-ins only."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file, encoding="bytes")
        self.path = path
        self.room = path.stat().st_size
        self.storages: dict[object, Storage] = {}
        self.values = 0

    def check(self) -> None:
        """Read it all; UserError for what must not be there."""
        self.load()
        held = sum(storage.count * storage.size for storage in self.storages.values())
        if held > self.room or self.values > self.room:
            self._refuse_sizes()

    def find_class(self, module: str, name: str) -> Any:
        module, name = _name_today(module, name)
        full = f"{module}.{name}"
        known: dict[str, Callable[..., object]] = {
            "collections.OrderedDict": collections.OrderedDict,
            "collections.Counter": collections.Counter,
            "_codecs.encode": self._encode,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": _first,
            "torch._utils._rebuild_parameter_with_state": _first,
            "torch.nn.parameter.Parameter": Ignored,
            "torch.serialization._get_layout": Ignored,
            "torch.Size": Ignored,
            "torch.device": Ignored,
            **dict.fromkeys(STANDINS, Ignored),
        }
        if full in known:
            return known[full]
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            size = BYTES.get(name.removesuffix("Storage"))
            if size:
                return size
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return Ignored
        raise UserError(
            f"{self.path}: wants {full[:80]!r} to be called while it is read, so it can run code "
            "and is not read; save model.state_dict() alone, which needs no more than tensors",
            "FC-WEIGHTS-007",
        )

    def persistent_load(self, pid: Any) -> Storage:
        kind, size, key, _, count = pid[:5]
        plain = isinstance(size, int) and isinstance(count, int) and count >= 0
        if kind not in ("storage", b"storage") or not plain:
            self._refuse_sizes()
        return self.storages.setdefault(key, Storage(count, size))

    def _tensor(self, storage: Any, offset: Any, shape: Any, stride: Any, *_: object) -> Ignored:
        """Count a tensor's values; no two of them may be the same place of its storage."""
        if type(storage) is not Storage or len(shape) != len(stride):
            self._refuse_sizes()
        if any(type(n) is not int or n < 0 for n in (offset, *shape, *stride)):
            self._refuse_sizes()
        count, last = 1, offset
        for n, step in zip(shape, stride, strict=True):
            count *= n
            last += (n - 1) * step
        if count > storage.count or (count and last >= storage.count):
            self._refuse_sizes()
        self.values += count
        return Ignored()

    def _encode(self, text: object, codec: object) -> Ignored:
        """How bytes are written for Python 2; any other codec could only be for harm."""
        if not isinstance(text, str) or codec not in ("latin1", b"latin1"):
            raise UserError(
                f"{self.path}: encodes {codec!r}, as no net needs; it is not read", "FC-WEIGHTS-007"
            )
        return Ignored()

    def _refuse_sizes(self) -> NoReturn:
        raise UserError(
            f"{self.path}: declares tensors that do not fit into it; it is damaged, copy it again",
            "FC-WEIGHTS-014",
        )


def _name_today(module: str, name: str) -> tuple[str, str]:
    """What Python 2 called otherwise, by its name now, as torch takes it."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[module, name]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _first(value: object, *_: object) -> object:
    return value
