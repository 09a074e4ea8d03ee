"""The published weights that fullconv knows by name, read from ``registry.toml`` beside this.

`fetch` gets their file: from an installed package, the cache, or downloaded into it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fullconv.checkpoints.installed import PACKAGE_KEYS, InstalledFile, text_of
from fullconv.download import RemoteFile, RetryPolicy, cache_folder, download
from fullconv.download.remote import KEYS
from fullconv.download.request import Progress
from fullconv.errors import UserError, did_you_mean
from fullconv.models import Preprocessing

FILE = Path(__file__).with_name("registry.toml")
FORMATS = ("caffe", "chainer", "torch", "keras")
CLASSES = ("imagenet", "edges", "voc", "pascal-context", "sift-flow", "nyud")
RECOMMENDED = {
    "efficientnet_lite0-imagenet": "the default start of a training: comes with the installation",
    "efficientnet_lite2-imagenet": "a stronger start: comes with pip install "
    "'fullconv[pretrained]'",
    "fcn-resnet50-voc-torchvision": "to predict without training: the 21 classes of PASCAL VOC",
}
"""The three to choose from first, and why."""
_OWN_KEYS = ("net", "fits", "format", "classes", "preprocessing", "source", "paper", "note")


@dataclass(frozen=True)
class Published:
    """Weights by name.

    ``file`` is downloaded, or comes with a package. ``net`` says which net they are of, ``fits``
    which further backbones take them, ``format`` how the file is written, ``classes`` which set
    they were trained for (a classifier's, or `edges`: to start from, not to predict with),
    ``preprocessing`` a name for each input in ``preprocessings()``, ``source`` who gave them out,
    ``paper`` what to cite, ``note`` what a user must know.
    """

    name: str
    file: RemoteFile | InstalledFile
    net: str
    format: str
    classes: str
    preprocessing: tuple[str, ...]
    source: str
    paper: str
    note: str = ""
    fits: tuple[str, ...] = ()


def published() -> Mapping[str, Published]:
    """All known weights, in the order of the file."""
    return _registry()[0]


def preprocessings() -> Mapping[str, Preprocessing]:
    """The preprocessings of these weights, by name."""
    return _registry()[1]


def find_published(name: str) -> Published:
    """The weights called ``name``, or whose name alone begins so ('fcn-resnet50-voc').

    UserError with the nearest names otherwise.
    """
    known = published()
    begin = [known_name for known_name in known if known_name.startswith(f"{name}-")]
    if name in known or len(begin) == 1:
        return known[name if name in known else begin[0]]
    if begin:
        raise UserError(
            f"several weights are called {name!r}: {', '.join(begin)}; name one", "FC-WEIGHTS-015"
        )
    hint = did_you_mean(name, known) or "name one of the list"
    raise UserError(
        f"no published weights are called {name!r}: {hint} ('fullconv weights' lists all)",
        "FC-WEIGHTS-015",
    )


@cache
def _registry() -> tuple[Mapping[str, Published], Mapping[str, Preprocessing]]:
    return read_registry(FILE)


def read_registry(path: Path) -> tuple[Mapping[str, Published], Mapping[str, Preprocessing]]:
    """The weights and the preprocessings of a registry; UserError naming what is wrong in it."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"{path}: the registry cannot be read ({error})", "FC-WEIGHTS-020"
        ) from error
    inputs = content.pop("preprocessing", {})
    try:
        preprocessings = {name: Preprocessing.from_dict(table) for name, table in inputs.items()}
        weights = {name: _published(name, table, preprocessings) for name, table in content.items()}
        files = [e.file.name for e in weights.values() if isinstance(e.file, RemoteFile)]
        twice = {file for file in files if files.count(file) > 1}
        if twice:  # the cache keeps them all in one folder
            raise UserError(f"the file {min(twice)} stands twice", "FC-WEIGHTS-020")
    except UserError as error:
        raise UserError(f"{path}: {error}", "FC-WEIGHTS-020") from None
    return MappingProxyType(weights), MappingProxyType(preprocessings)


def _published(name: str, table: Any, inputs: Mapping[str, Preprocessing]) -> Published:
    try:
        if not isinstance(table, dict):
            raise UserError("is no table", "FC-WEIGHTS-020")
        kind = InstalledFile if "package" in table else RemoteFile
        keys = (*PACKAGE_KEYS, "from") if kind is InstalledFile else KEYS
        unknown = sorted(set(table) - {*keys, *_OWN_KEYS})
        if unknown:
            raise UserError(f"unknown key {unknown[0]!r}", "FC-WEIGHTS-020")
        names = table.get("preprocessing")
        if not isinstance(names, list) or not names or not set(map(str, names)) <= set(inputs):
            raise UserError(
                f"preprocessing = {names!r} is no list of {', '.join(inputs)}", "FC-WEIGHTS-020"
            )
        return Published(
            name=name,
            file=kind.from_table(table),
            net=text_of(table, "net"),
            format=_one_of(FORMATS, table, "format"),
            classes=_one_of(CLASSES, table, "classes"),
            preprocessing=tuple(names),
            source=text_of(table, "source"),
            paper=text_of(table, "paper"),
            note=text_of(table, "note") if "note" in table else "",
            fits=tuple(map(str, table.get("fits", ()))),
        )
    except UserError as error:
        raise UserError(f"{name}: {error}", "FC-WEIGHTS-020") from None


def _one_of(known: tuple[str, ...], table: Mapping[str, Any], key: str) -> str:
    if (value := table.get(key)) not in known:
        raise UserError(f"{key} = {value!r} is none of {', '.join(known)}", "FC-WEIGHTS-020")
    return str(value)


def cached_path(weights: Published) -> Path:
    """Where the file of these weights is kept, whether it is there or not."""
    return cache_folder() / "weights" / weights.file.name


def file_here(weights: Published) -> Path | None:
    """The file of these weights if it is on this machine, in a package or the cache; unverified."""
    if isinstance(weights.file, InstalledFile):
        return weights.file.find()
    path = cached_path(weights)
    return path if path.exists() else None


def provenance(weights: Published) -> str:
    """Where the file of these weights comes from, in words: its package, or its address."""
    if isinstance(weights.file, InstalledFile):
        return f"the package {weights.file.package}"
    return weights.file.urls[0]


def fetch(
    name: str,
    *,
    progress: Progress | None = None,
    offline: bool | None = None,
    retry: RetryPolicy | None = None,
) -> Path:
    """The file of the weights called ``name``, verified as the registry allows.

    It is that of an installed package, or lies in the cache and is downloaded where it does not.
    ``progress(bytes done, bytes in all or None)``; ``offline`` None asks FULLCONV_OFFLINE.
    Raises UserError for an unknown name, a package that is not installed (with the command that
    installs it), a file that was changed, and for everything that ``download`` refuses.
    """
    weights = find_published(name)
    if isinstance(weights.file, InstalledFile):
        return weights.file.verified()
    return download(
        weights.file,
        cached_path(weights),
        progress=progress,
        offline=offline,
        retry=retry,
    )
