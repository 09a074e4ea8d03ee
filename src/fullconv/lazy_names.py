"""Names of a package that load their module when they are first used.

So a package can show one flat list of names, and who uses one of them does not load torch or
matplotlib for the others. No name may be that of a module of the same package: importing the
module would put it in the place of the name.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def lazy_names(package: str, modules: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``package``: module below it -> the names that are taken from there.

    Raises AttributeError for any other name, as Python wants it.
    """
    home = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{home[name]}"), name)

    return load
