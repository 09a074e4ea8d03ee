"""The classes of published data sets, as class files that come with the package.

``--classes`` takes their names. Each file says where its list comes from.
"""

from functools import cache
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes

FOLDER = Path(__file__).parent


def built_in() -> list[str]:
    """Names of the lists."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@cache
def class_list(name: str) -> ClassSet:
    """The list called ``name``, one of ``built_in()``."""
    return read_classes(FOLDER / f"{name}.toml")
