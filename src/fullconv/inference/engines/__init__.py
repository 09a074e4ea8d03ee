"""What can run a net: the protocol, the one registry, and a file for each engine."""

from fullconv.inference.engines.registry import ENGINES, EngineEntry, find, names

__all__ = ["ENGINES", "EngineEntry", "find", "names"]
