"""The version of the package, where all layers can read it."""

__version__ = "0.1.0"
