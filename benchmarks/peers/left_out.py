"""Packages that a measured process shall not load, or not find."""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType


class _Empty(ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class LeftOut(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds an empty module for each of ``packages`` and for all below it."""

    def __init__(self, *packages):
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.packages:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        return _Empty(spec.name)

    def exec_module(self, module):
        pass


def leave_out(*packages):
    """From now on, importing one of ``packages`` gives an empty module."""
    sys.meta_path.insert(0, LeftOut(*packages))


def not_installed(package):
    """From now on, importing ``package`` fails, as where it is not installed.

    For what only the tests need: Lightning Fabric loads torchmetrics where it is there, to know its
    version, and with it SciPy and more, 97 MiB.
    """
    sys.modules[package] = None
