"""The engines that run a net: the protocol, the registry, and a file for each engine."""

from fullconv.inference.engines.registry import ENGINES, EngineEntry, engine_names, find_engine

__all__ = ["ENGINES", "EngineEntry", "engine_names", "find_engine"]
