"""Completion by Tab of nets, recipes and published weights, without loading torch."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from fullconv.inference.engines import engine_names
from fullconv.training.recipes import recipe_names

IMPORTERS = Path(__file__).parents[1] / "data" / "importers"


def nets(incomplete: str) -> list[str]:
    """The nets that begin so; of several with commas between, the last one."""
    from fullconv.models.registry import available

    before, comma, _ = incomplete.rpartition(",")
    return _beginning((f"{before}{comma}{net}" for net in available()), incomplete)


def recipes(incomplete: str) -> list[str]:
    """The recipes that begin so."""
    return _beginning(recipe_names(), incomplete)


def weights(incomplete: str) -> list[str]:
    """The published weights that begin so."""
    from fullconv.checkpoints.registry import published

    return _beginning(published(), incomplete)


def formats(incomplete: str) -> list[str]:
    """The annotation formats that begin so and can be read."""
    # The table itself: loading the readers would make every --help slow.
    tables = tomllib.loads((IMPORTERS / "registry.toml").read_text("utf-8"))
    return _beginning((name for name in tables if "instead" not in tables[name]), incomplete)


def engines(incomplete: str) -> list[str]:
    """The values of --engine that begin with this text."""
    return _beginning(engine_names(), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
