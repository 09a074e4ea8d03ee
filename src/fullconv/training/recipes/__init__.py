"""The recipes that come with fullconv: TOML files, by name."""

import difflib
from pathlib import Path

from fullconv.errors import UserError

RECIPES = Path(__file__).parent


def recipe_names() -> list[str]:
    """Names of the recipes that come with fullconv."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def recipe_text(name: str) -> str:
    """The recipe's file: its head says paper, command, cost and expected score."""
    if name not in recipe_names():
        near = difflib.get_close_matches(name[:100], recipe_names(), n=3, cutoff=0.3)
        hint = (
            f"did you mean {', '.join(near)}" if near else f"there are {', '.join(recipe_names())}"
        )
        raise UserError(
            f"no recipe is called {name[:100]!r}: {hint} ('fullconv recipes' lists all)",
            "FC-CONFIG-001",
        )
    return (RECIPES / f"{name}.toml").read_text(encoding="utf-8")
